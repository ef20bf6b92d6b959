"""Exports where Keras trains on a GPU, and docs/exports.md: the exports opened elsewhere."""

import importlib
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT, assert_same

from WorldModels.assembly.models import Imagination, Perception
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.export import files as export
from WorldModels.export.compared import compare, expected
from WorldModels.export.endpoints import of_memory, of_vision
from WorldModels.export.onnx import export_onnx
from WorldModels.export.savedmodel import export_savedmodel
from WorldModels.memory.kinds import KINDS, build_memory
from WorldModels.vision.vae import VAE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(export.unavailable()), reason=export.unavailable()),
]

Z, A = 4, 3
SMALL = {
    **{"lstm_size": 8, "hidden_size": 8, "width": 8, "num_layers": 1, "num_heads": 2},
    **{"feed_forward": 8, "window": 4, "num_mixtures": 2, "reward_head": True},
}
PAGE = (ROOT / "docs/exports.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


def small_vision():
    """V with weights that are not at their start, where all biases are 0."""
    vision = VAE(latent_size=Z, encoder_filters=(4, 4, 8, 8), decoder_filters=(8, 8, 4), seed=1)
    generator = np.random.default_rng(1)
    for weight in vision.trainable_variables:
        weight.assign(np.asarray(weight) + generator.normal(0, 0.05, weight.shape))
    return vision


def small_memory(kind="mdn_rnn"):
    return build_memory(MemorySettings(kind=kind, **SMALL), Z, A, 1, "float32")


def sequence_of(memory):
    """The endpoint that steps M many times in one call: the one for which Keras has cuDNN."""
    return next(end for end in of_memory(memory) if end.name == "sequence")


# A GPU that Keras sees: it then makes cuDNN's operations, which this machine cannot run.


@pytest.fixture
def with_cudnn(monkeypatch):
    rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")  # `import` finds a function
    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda *_: ["gpu:0"])


def cudnn_in(graph):
    """The operations of cuDNN in a graph and its functions."""
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    assert nodes
    return {node.op for node in nodes if "cudnn" in node.op.lower()}


def traced(endpoint):
    """The graph that TensorFlow makes of an endpoint."""
    import tensorflow as tf

    inputs = {name: tf.constant(x) for name, x in endpoint.example().items()}
    function = tf.function(endpoint.function, autograph=False)
    return function.get_concrete_function(*endpoint.arguments_of(inputs)).graph.as_graph_def()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_exported_beside_a_gpu_has_no_operation_of_cudnn(kind, with_cudnn, tmp_path):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    memory = small_memory(kind)
    sequence = sequence_of(memory)
    export_savedmodel(memory, tmp_path / "memory", [sequence])
    export_onnx(memory, tmp_path / "memory_sequence.onnx", sequence)
    saved = SavedModel.FromString((tmp_path / "memory/saved_model.pb").read_bytes())
    assert not cudnn_in(saved.meta_graphs[0].graph_def)
    still = {"CudnnRNNV3"} if kind in ("mdn_rnn", "trade") else set()
    assert cudnn_in(traced(sequence)) == still, "training no longer uses cuDNN"


# A GPU that computes products in TF32 unless it is told to use the CPU.


def tf32(x):
    """The nearest numbers with ten binary digits behind the leading one."""
    bits = np.asarray(keras.ops.convert_to_numpy(x), np.float32).view(np.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(np.float32)


def on_the_cpu():
    """Whether somebody asked for the CPU by name."""
    from tensorflow.python.eager import context

    return "CPU" in (context.context().device_name or "")


class LoadedBesideAGPU:
    """A SavedModel, which uses the GPU if it is loaded or called without naming the CPU."""

    def __init__(self, loaded):
        self.loaded, self.is_on_the_cpu = loaded, on_the_cpu()

    def __getattr__(self, name):
        def call(*arguments):
            outputs = getattr(self.loaded, name)(*arguments)
            if self.is_on_the_cpu and on_the_cpu():
                return outputs
            return {key: tf32(x) for key, x in outputs.items()}

        return call


@pytest.fixture
def with_tf32(monkeypatch):
    import tensorflow as tf
    from keras.src.backend.tensorflow import nn, numpy

    def beside_a_gpu(product):
        def rounded(x, y, *rest, **options):
            if tf.executing_eagerly() and not on_the_cpu():
                x, y = (tf.constant(tf32(factor)) for factor in (x, y))
            return product(x, y, *rest, **options)

        return rounded

    for module, name in ((numpy, "matmul"), (nn, "conv"), (nn, "conv_transpose")):
        monkeypatch.setattr(module, name, beside_a_gpu(getattr(module, name)))
    # Keras imports this when it exports, and tf.saved_model is another module from then on.
    importlib.import_module("tensorflow.saved_model.experimental")
    load = tf.saved_model.load
    monkeypatch.setattr(tf.saved_model, "load", lambda *a: LoadedBesideAGPU(load(*a)))


def test_an_exported_file_is_compared_on_the_cpu(with_tf32, tmp_path):
    import tensorflow as tf

    vision, memory = small_vision(), small_memory()
    encode, sequence = of_vision(vision)[0], sequence_of(memory)
    export.export_vision(vision, tmp_path)
    export_savedmodel(memory, tmp_path / "memory", [sequence])
    assert {path.name for path in tmp_path.iterdir()} == {*export.VISION_FILES, "memory"}
    for folder, end in (("vision", encode), ("memory", sequence)):
        loaded = tf.saved_model.load(str(tmp_path / folder))
        inputs = end.example()
        tensors = {name: tf.constant(x) for name, x in inputs.items()}
        for compute in (end.function, getattr(loaded, end.name)):  # without naming the CPU
            received = compute(*end.arguments_of(tensors))
            received = {name: np.asarray(x) for name, x in received.items()}
            with pytest.raises(ValueError, match="differs from the Keras model"):
                compare(tmp_path, end, received, expected(end, inputs))


# docs/exports.md, in processes that have nothing but the files.


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder with the files of a V and an M, and what V makes of a black frame."""
    folder = tmp_path_factory.mktemp("elsewhere")
    vision, memory = small_vision(), small_memory()
    vision.save(folder / "vision.keras")
    memory.save(folder / "memory.keras")
    export.export_vision(vision, folder)
    export.export_memory(memory, Perception(vision, memory), Imagination(memory), folder)
    mean = vision.encode(np.zeros((1, 64, 64, 3), np.uint8))[0]
    state = memory.step(
        memory.initial_state(1), mean, np.zeros((1, A), "float32"), np.zeros(1, "float32")
    )
    made = {"mean": mean, "pictures": vision.decode(mean), "h": memory.hidden(state)["h"]}
    return folder, {name: keras.ops.convert_to_numpy(x) for name, x in made.items()}


RUNNER = """
import runpy, sys
import numpy as np
program, *blocked = sys.argv[1:]
for name in blocked:
    sys.modules[name] = None  # importing it raises an ImportError
names = runpy.run_path(program)
arrays = {name: np.asarray(names[name]) for name in ("mean", "pictures", "h") if name in names}
np.savez(program + ".npz", **arrays)
"""


def run_program(text, folder, blocked=()):
    """Run a program in a new process in that folder; what it made of mean, pictures and h."""
    path = folder / "program.py"
    path.write_text(text)
    environment = {name: x for name, x in os.environ.items() if name != "PYTHONPATH"}
    if "WorldModels" not in blocked:  # as if it were installed
        environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(path), *blocked],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with np.load(f"{path}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    "place, blocked, makes",
    [
        (0, (), {"mean", "pictures", "h"}),
        (1, ("WorldModels", "keras"), {"mean", "pictures", "h"}),
        (2, ("WorldModels",), {"mean"}),
        (3, ("WorldModels", "keras", "tensorflow"), {"mean"}),
    ],
    ids=["keras", "savedmodel", "layer", "onnx"],
)
def test_the_page_opens_them_in_a_new_process_elsewhere(place, blocked, makes, elsewhere):
    folder, expected = elsewhere
    assert len(PROGRAMS) == 4
    received = run_program(PROGRAMS[place], folder, blocked)
    for name in makes:
        assert_same(received[name], expected[name], name)
    if place == 3:  # its last picture is a dream's
        assert received["pictures"].shape == (1, 64, 64, 3)
        assert 0 < received["pictures"].min() < received["pictures"].max() < 1
        assert np.abs(received["pictures"] - expected["pictures"]).max() > 1e-3
