"""What is exported: SavedModels and ONNX files that agree with Keras, or no file at all."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same

from WorldModels.export import files as export

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(export.unavailable()), reason=export.unavailable()),
]

Z, A = 4, 3


@pytest.fixture(scope="module")
def models():
    import keras

    from WorldModels.memory.mdn_rnn import MDNRNN
    from WorldModels.vision.vae import VAE

    vision = VAE(latent_size=Z, encoder_filters=(4, 4, 8, 8), decoder_filters=(8, 8, 4), seed=1)
    memory = MDNRNN(
        latent_size=Z, action_size=A, lstm_size=8, reward_head=True, terminated_head=True, seed=1
    )
    generator = np.random.default_rng(1)
    for weight in (*vision.trainable_variables, *memory.trainable_variables):
        weight.assign(keras.ops.convert_to_numpy(weight) + generator.normal(0, 0.05, weight.shape))
    return vision, memory


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    from WorldModels.assembly.models import Imagination, Perception

    folder = tmp_path_factory.mktemp("run")
    vision, memory = models
    export.export_vision(vision, folder)
    export.export_memory(memory, Perception(vision, memory), Imagination(memory), folder)
    return folder


@pytest.fixture(scope="module")
def endpoints(models):
    from WorldModels.export.endpoints import of_memory, of_vision

    return {
        "vision": {e.name: e for e in of_vision(models[0])},
        "memory": {e.name: e for e in of_memory(models[1])},
    }


CASES = [
    ("vision", "encode"),
    ("vision", "decode"),
    ("memory", "step"),
    ("memory", "sample"),
    ("memory", "sequence"),
]


def wanted(endpoint, batch, time):
    import keras

    inputs = endpoint.example(batch, time)
    tensors = {name: keras.ops.convert_to_tensor(x) for name, x in inputs.items()}
    outputs = endpoint.function(*endpoint.arguments_of(tensors))
    return inputs, {name: keras.ops.convert_to_numpy(x) for name, x in outputs.items()}


def same(received, expected):
    assert set(received) == set(expected)
    for name in expected:
        assert_same(received[name], expected[name], name)


@pytest.mark.parametrize("noun, name", CASES)
@pytest.mark.parametrize("batch, time", [(1, 1), (5, 7)])
def test_a_savedmodel_agrees_with_keras_at_any_batch_and_time(
    folder, endpoints, noun, name, batch, time
):
    import tensorflow as tf

    inputs, expected = wanted(endpoints[noun][name], batch, time)
    loaded = tf.saved_model.load(str(folder / noun))
    tensors = {k: tf.constant(x) for k, x in inputs.items()}
    same(loaded.signatures[name](**tensors), expected)
    same(getattr(loaded, name)(*endpoints[noun][name].arguments_of(tensors)), expected)


@pytest.mark.parametrize("noun, name", CASES)
@pytest.mark.parametrize("batch, time", [(1, 1), (5, 7)])
def test_an_onnx_file_agrees_with_keras_at_any_batch_and_time(
    folder, endpoints, noun, name, batch, time
):
    import onnxruntime

    inputs, expected = wanted(endpoints[noun][name], batch, time)
    path = folder / (f"{name}.onnx" if noun == "vision" else f"memory_{name}.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert {x.name for x in session.get_inputs()} == set(inputs)
    names = [x.name for x in session.get_outputs()]
    same(dict(zip(names, session.run(names, inputs), strict=True)), expected)


def test_perception_has_names_that_one_can_read(folder):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "perception.onnx"), providers=["CPUExecutionProvider"]
    )
    state = {"h", "c", "z", "started"}
    assert {x.name for x in session.get_inputs()} == {
        "observation",
        "reward",
        "action",
        "noise",
    } | {f"state_{x}" for x in state}
    assert {x.name for x in session.get_outputs()} == {"z", "h", "c"} | {f"next_{x}" for x in state}


def test_savedmodel_cli_shows_and_runs_it(folder, models, tmp_path):
    z = np.random.default_rng(0).standard_normal((2, Z)).astype(np.float32)
    np.save(tmp_path / "z.npy", z)
    cli = Path(sys.executable).parent / "saved_model_cli"
    subprocess.run(
        [
            cli,
            "run",
            "--dir",
            folder / "vision",
            "--tag_set",
            "serve",
            "--signature_def",
            "decode",
            "--inputs",
            f"z={tmp_path / 'z.npy'}",
            "--outdir",
            tmp_path,
        ],
        check=True,
        capture_output=True,
    )
    assert_same(np.load(tmp_path / "observations.npy"), models[0].decode(z))


def test_what_was_there_is_replaced_whole_and_nothing_else_is_left(folder, models):
    (folder / "vision" / "stale").touch()
    before = sorted(path.name for path in folder.iterdir())
    export.export_vision(models[0], folder)
    assert not (folder / "vision" / "stale").exists()
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_earlier_weights_left_is_removed_where_nothing_can_be_exported(tmp_path, monkeypatch):
    (tmp_path / "perception.onnx").touch()
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory.keras").touch()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ImportError, match="SavedModel and ONNX skipped"):
        export.export_memory(None, None, None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["memory.keras"]


def test_the_96_pixel_vision_and_a_memory_with_restarts_agree_too(tmp_path):
    from WorldModels.assembly.models import Perception
    from WorldModels.export import endpoints, onnx
    from WorldModels.memory.mdn_rnn import MDNRNN
    from WorldModels.vision.vae import VAE

    vision = VAE((96, 96, 3), Z, encoder_filters=(4, 4, 8, 8), decoder_filters=(8, 8, 4))
    memory = MDNRNN(latent_size=Z, action_size=1, lstm_size=8, restart_input=True)
    for end in endpoints.of_vision(vision):
        onnx.export_onnx(vision, tmp_path / f"{end.name}.onnx", end)
    onnx.export_onnx(
        perception := Perception(vision, memory),
        tmp_path / "perception.onnx",
        endpoints.of_perception(perception),
    )
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_of_swapped_weights_gets_no_name(models, tmp_path, monkeypatch):
    """The file is compared with a Keras model in which two columns of a kernel are swapped."""
    import keras

    from WorldModels.export import endpoints, onnx, savedmodel

    expected, kernel = (
        onnx.expected,
        next(v for v in models[0].variables if v.path.endswith("mean/kernel")),
    )
    whole = keras.ops.convert_to_numpy(kernel)

    def of_swapped(endpoint, inputs):
        kernel.assign(whole[:, [1, 0, *range(2, whole.shape[1])]])
        try:
            return expected(endpoint, inputs)
        finally:
            kernel.assign(whole)

    for module in (onnx, savedmodel):
        monkeypatch.setattr(module, "expected", of_swapped)
    ends = endpoints.of_vision(models[0])
    with pytest.raises(ValueError, match="encode.onnx.*differs from the Keras model"):
        onnx.export_onnx(models[0], tmp_path / "encode.onnx", ends[0])
    with pytest.raises(ValueError, match="vision.*differs from the Keras model"):
        savedmodel.export_savedmodel(models[0], tmp_path / "vision", ends)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_float32_is_refused(tmp_path):
    from WorldModels.vision.vae import VAE

    vision = VAE(
        latent_size=Z,
        encoder_filters=(4, 4, 8, 8),
        decoder_filters=(8, 8, 4),
        dtype="mixed_bfloat16",
    )
    with pytest.raises(ValueError, match="expected a float32 model.*bfloat16"):
        export.export_vision(vision, tmp_path)


@pytest.mark.parametrize(
    "block, backend, reason",
    [("tensorflow", "tensorflow", "no tensorflow"), ("", "jax", "runs on jax")],
)
def test_where_nothing_can_be_exported_one_line_says_why(block, backend, reason):
    code = f"""
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "{block}" else find(name, *rest)
from WorldModels.export import files as export
print(export.unavailable())
try: export.export_vision(None, ".")
except ImportError as error: assert str(error) == export.unavailable()
assert not {{"tensorflow", "keras", "onnx", "onnxruntime"}} & set(sys.modules)
"""
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"KERAS_BACKEND": backend, "PATH": ""},
        cwd=Path(__file__).parent.parent,
    )
    assert (
        out.stdout.startswith("SavedModel and ONNX skipped:")
        and reason in out.stdout
        and out.stdout.count("\n") == 1
    )
