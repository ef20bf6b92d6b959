"""The user's keras.json, written for other projects, changes nothing here but the backend."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, run_verb_process

import WorldModels
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.experiment.sums import WeightsSum
from WorldModels.vision.kinds import KINDS, build_vision

OTHER = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
UNREADABLE = "a folder"
TINY = ["--env.max-steps", "40", "--workers", "1"]
TINY += ["--vision.encoder-filters", *"4488", "--vision.decoder-filters", *"884"]


def home_with(tmp_path, settings):
    """A home folder whose keras.json holds some settings, or this text, or cannot be read."""
    file = tmp_path / "home/.keras/keras.json"
    file.parent.mkdir(parents=True)
    if settings == UNREADABLE:
        file.mkdir()  # root can read every file
    else:
        file.write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return tmp_path / "home"


def of_a_user(home, **variables):
    """The environment of a user with this home, who has set these variables."""
    left_out = ("KERAS_HOME", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "HOME": str(home), **variables}


@pytest.mark.parametrize("settings", [OTHER, {"floatx": "bfloat16"}])
def test_keras_starts_with_its_usual_defaults_whatever_keras_json_says(tmp_path, settings):
    """bfloat16 is a type that Keras itself refuses there."""
    home = home_with(tmp_path, settings)
    code = "import WorldModels; from keras import config as c; import json; " + (
        "print(json.dumps([c.floatx(), c.epsilon(), c.image_data_format(), c.backend()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=of_a_user(home, KERAS_BACKEND="jax"),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["float32", 1e-7, "channels_last", "jax"]
    assert done.stderr.count(f"{home / '.keras/keras.json'} asks for") == 1


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """What importing the package does to the environment and warns of, for some settings."""

    def prepare(settings, imported=None, **variables):
        environment = of_a_user(home_with(tmp_path, settings), **variables)
        monkeypatch.setattr(os, "environ", environment)
        monkeypatch.setitem(sys.modules, "keras", imported)
        monkeypatch.setattr("warnings.warn", lambda text, **_: warned.append(text))
        warned = []
        WorldModels._prepare_keras()
        return environment.get("KERAS_BACKEND"), environment.get("KERAS_HOME"), warned

    return prepare


@pytest.mark.parametrize(
    "asked, variable, expected, warns",
    [
        ("tensorflow", {}, None, False),
        ("jax", {}, "jax", False),
        ("torch", {}, "tensorflow", True),
        ("theano", {}, "tensorflow", True),
        ("jax", {"KERAS_BACKEND": "tensorflow"}, "tensorflow", False),
        ("tensorflow", {"KERAS_BACKEND": "jax"}, "jax", False),
        ("torch", {"KERAS_BACKEND": "jax"}, "jax", False),
    ],
)
def test_the_backend_is_the_variable_s_then_the_file_s_if_it_serves(
    prepared, asked, variable, expected, warns
):
    backend, home, warned = prepared({"floatx": "float32", "backend": asked}, **variable)
    assert (backend, home) == (expected, None)
    assert [f"asks for backend {asked}" in text for text in warned] == [True] * warns


@pytest.mark.parametrize(
    "settings, named",
    [
        (OTHER, "floatx float16, epsilon 0.001, image_data_format channels_first"),
        ({"epsilon": "small"}, "epsilon small"),
        ({"nnx_enabled": True}, "nnx_enabled True"),
        ("[]", "settings that cannot be read"),
        (UNREADABLE, "settings that cannot be read"),
    ],
)
def test_other_settings_are_overridden_and_named_once(prepared, settings, named):
    _, home, warned = prepared(settings)
    ours = json.loads(Path(home, "keras.json").read_text())
    assert ours["backend"] == "tensorflow"
    assert all(WorldModels._KERAS.get(name, value) == value for name, value in ours.items())
    assert len(warned) == 1 and f"keras.json asks for {named}." in warned[0]


@pytest.mark.parametrize("text", ["{}", '{"floatx": "float32", "anything": 1}', '{"floatx": "fl'])
def test_a_file_that_changes_nothing_is_left_alone(prepared, text):
    assert prepared(text) == (None, None, [])


@pytest.mark.parametrize("floatx, warns", [("float16", 1), ("float32", 0)])
def test_a_keras_imported_earlier_in_another_float_type_is_said_once(prepared, floatx, warns):
    imported = types.SimpleNamespace(config=types.SimpleNamespace(floatx=lambda: floatx))
    backend, home, warned = prepared(OTHER, imported)
    assert (backend, home, len(warned)) == (None, None, warns)
    assert all("import WorldModels first" in text for text in warned)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dense"])
@pytest.mark.parametrize("form", ["transpose", "depth_to_space"])
def test_v_sees_the_same_where_keras_was_imported_earlier_with_channels_first(kind, form):
    small = {"encoder_filters": (4, 4, 8, 8), "decoder_filters": (8, 8, 4), "depth": 4}
    settings = VisionSettings(kind=kind, dtype="float32", decoder_form=form, latent_size=4, **small)
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)

    def seen():
        vision = build_vision(settings, (64, 64, 3), seed=1)
        mean, _ = vision.encode(frames)
        return [keras.ops.convert_to_numpy(x) for x in (mean, vision.decode(mean))]

    expected = seen()
    keras.config.set_image_data_format("channels_first")
    try:
        received = seen()
    finally:
        keras.config.set_image_data_format("channels_last")
    for one, other in zip(expected, received, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_v_is_trained_bit_for_bit_as_elsewhere(tmp_path):
    """With another keras.json, in a home that cannot be written even by root."""
    folder = tmp_path / "run"
    for verb in ("record", "train_vision"):
        done = run_verb_process(verb, folder, *TINY)
        assert done.returncode == 0, done.stdout + done.stderr
    expected = WeightsSum(folder / "0/vision.keras")
    keras_home = home_with(tmp_path, {**OTHER, "backend": "torch"}) / ".keras"
    (tmp_path / "file").touch()
    other = of_a_user(tmp_path / "file/home", KERAS_HOME=str(keras_home))
    again = [*TINY, "--force"]
    done = run_verb_process("train_vision", folder, *again, env=other, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("asks for floatx float16") == 1
    assert WeightsSum(folder / "0/vision.keras") == expected
