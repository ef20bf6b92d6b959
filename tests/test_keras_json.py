"""The user's keras.json, written for other projects, changes nothing here but the backend."""

import json
import os
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from conftest import ROOT, run_verb_process

import WorldModels
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.experiment.sums import WeightsSum
from WorldModels.vision.kinds import KINDS, build_vision

OTHER = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
TINY = ["--env.max-steps", "40", "--memory.lstm-size", "16", "--workers", "1"]
TINY += ["--vision.encoder-filters", *"4488", "--vision.decoder-filters", *"884"]


def home_with(tmp_path, settings):
    """A home folder whose keras.json holds some settings, or this text."""
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (tmp_path / "home/.keras").mkdir(parents=True)
    (tmp_path / "home/.keras/keras.json").write_text(text)
    return tmp_path / "home"


def of_a_user(home, **variables):
    """The environment of a user with this home, who has set these variables."""
    left_out = ("KERAS_HOME", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "HOME": str(home), **variables}


@pytest.mark.parametrize(
    "settings", [OTHER, {"floatx": "bfloat16"}, {"epsilon": "small"}, "[]", "folder"]
)
def test_keras_starts_with_its_usual_defaults_whatever_keras_json_says(tmp_path, settings):
    home = home_with(tmp_path, settings)
    file = home / ".keras/keras.json"
    if settings == "folder":  # root can read every file
        file.unlink()
        file.mkdir()
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
    assert done.stderr.count(f"{file} asks for") == 1


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


def test_other_settings_are_overridden_and_named_once(prepared):
    backend, home, warned = prepared({**OTHER, "backend": "jax"})
    ours = json.loads((ROOT / home / "keras.json").read_text())
    assert (
        ours.items()
        >= {name: value for name, value in WorldModels._KERAS.items() if name in ours}.items()
    )
    assert backend == "jax" and len(warned) == 1
    assert "floatx float16, epsilon 0.001, image_data_format channels_first" in warned[0]


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


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """A run with V, series and M, made in a home without a keras.json; only episodes before V."""
    folder = tmp_path_factory.mktemp("usual") / "run"
    home = tmp_path_factory.mktemp("home")
    done = run_verb_process("record", folder, *TINY, env=of_a_user(home))
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(folder, folder.parent / "recorded")
    return folder, trained(folder, of_a_user(home))


def trained(folder, env):
    """The sums of V's and M's weights, trained in real processes; what they wrote to stderr."""
    errors = ""
    for verb in ("train_vision", "encode", "train_memory"):
        done = run_verb_process(verb, folder, *TINY, env=env, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        errors += done.stderr
    return [str(WeightsSum(folder / f"0/{name}.keras")) for name in ("vision", "memory")], errors


@pytest.mark.slow
@pytest.mark.parametrize("place", ["keras.json", "no home"])
def test_networks_are_trained_bit_for_bit_as_elsewhere(tmp_path, encoded, place):
    """With another keras.json, and in a home that cannot be written, which root's cannot deny."""
    if place == "keras.json":
        home = home_with(tmp_path, {**OTHER, "backend": "torch"})
    else:
        (tmp_path / "file").touch()
        home = tmp_path / "file/home"
    folder, (sums, _) = encoded
    shutil.copytree(folder.parent / "recorded", tmp_path / "run")
    received, errors = trained(tmp_path / "run", of_a_user(home))
    assert received == sums
    assert errors.count("asks for floatx float16") == (3 if place == "keras.json" else 0)
