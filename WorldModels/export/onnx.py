"""ONNX files, for the workers' ONNX Runtime and for the browser."""

import logging
import warnings
from pathlib import Path

import keras

from WorldModels.experiment.files import atomic
from WorldModels.experiment.machine import cores
from WorldModels.experiment.sums import WEIGHTS
from WorldModels.export.compared import compare, expected, require_float32
from WorldModels.export.endpoints import Endpoint, without_cudnn


class _Flat(keras.Model):
    """An endpoint as a model with flat named inputs, as Keras's exporter needs."""

    def __init__(self, owner: keras.Model, endpoint: Endpoint):
        super().__init__(name=endpoint.name)
        self.owner, self.endpoint = owner, endpoint
        self.built = True

    def call(self, inputs):
        return self.endpoint.function(*self.endpoint.arguments_of(inputs))


def export_onnx(
    model: keras.Model, path: str | Path, endpoint: Endpoint, weights: str = ""
) -> None:
    """Write an endpoint as an ONNX file, which gets its name once it agrees with Keras.

    Inputs and outputs have the endpoint's flat names; the batch, and time if there is one, can be
    of any size.

    Args:
        model: owns the weights; float32.
        path: replaced if it exists.
        endpoint: what to export.
        weights: their sum, which the file carries as metadata.

    Raises:
        ValueError: the model is not float32, or the file does not open or disagrees with it (see
            compared.compare).
    """
    require_float32(model)
    with atomic(path) as temporary, _Quiet(), without_cudnn(model):
        _Flat(model, endpoint).export(
            str(temporary), format="onnx", verbose=False, input_signature=[endpoint.specs()]
        )
        _mend(temporary, weights)
        _check(temporary, endpoint)


def _mend(path: Path, weights: str) -> None:
    """Add the sum of the weights, and make the file one that ONNX Runtime opens."""
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {WEIGHTS: weights})
    _pad_outputs(model)
    onnx.save(model, path)


def _pad_outputs(model) -> None:
    """Set output_padding where the exporter writes negative pads, which ONNX Runtime refuses.

    It writes them for a transposed convolution with output padding.
    """
    import onnx

    for node in model.graph.node:
        pads = next(
            (x for x in node.attribute if node.op_type == "ConvTranspose" and x.name == "pads"),
            None,
        )
        if pads is not None and min(pads.ints) < 0:
            begin, end = (list(pads.ints)[half] for half in (slice(0, 2), slice(2, 4)))
            node.attribute.append(
                onnx.helper.make_attribute("output_padding", [max(0, -n) for n in end])
            )
            pads.ints[:] = begin + [max(0, n) for n in end]


def _check(path: Path, endpoint: Endpoint) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()  # told no number, it ties threads to cores
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names, inputs = [x.name for x in session.get_outputs()], endpoint.example()
    used = {x.name for x in session.get_inputs()}
    received = session.run(names, {name: x for name, x in inputs.items() if name in used})
    compare(path, endpoint, dict(zip(names, received, strict=True)), expected(endpoint, inputs))


class _Quiet(warnings.catch_warnings):
    """Silences the exporter's notes on the rewrites that it tried."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        self.level = logging.getLogger("tf2onnx").level
        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)

    def __exit__(self, *exception):
        logging.getLogger("tf2onnx").setLevel(self.level)
        super().__exit__(*exception)
