"""ONNX files, for the workers' ONNX Runtime and for the browser."""

import logging
import warnings
from pathlib import Path

import keras

from WorldModels.experiment.files import atomic
from WorldModels.export.compared import compare, expected, require_float32
from WorldModels.export.endpoints import Endpoint


class _Flat(keras.Model):
    """An endpoint as a model of flat named inputs: what Keras' exporter takes."""

    def __init__(self, owner: keras.Model, endpoint: Endpoint):
        super().__init__(name=endpoint.name)
        self.owner, self.endpoint = owner, endpoint
        self.built = True

    def call(self, inputs):
        return self.endpoint.function(*self.endpoint.arguments_of(inputs))


def export_onnx(model: keras.Model, path: str | Path, endpoint: Endpoint) -> None:
    """Write an endpoint as an ONNX file, open it, compare it with Keras, and only then give it its name.

    Inputs and outputs carry the endpoint's flat names; the batch, and time where there is one, are free.

    Args:
        model: owns the weights; float32.
        path: replaced if it exists.
        endpoint: what to export.

    Raises:
        ValueError: the model is not float32, or the file does not open or disagrees with it by more than 1e-5.
    """
    require_float32(model)
    with atomic(path) as temporary, _quiet():
        _Flat(model, endpoint).export(str(temporary), format="onnx", verbose=False, input_signature=[endpoint.specs()])
        _check(temporary, endpoint)


def _check(path: Path, endpoint: Endpoint) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names, inputs = [x.name for x in session.get_outputs()], endpoint.example()
    used = {x.name for x in session.get_inputs()}
    received = session.run(names, {name: x for name, x in inputs.items() if name in used})
    compare(path, endpoint, dict(zip(names, received, strict=True)), expected(endpoint, inputs))


class _quiet(warnings.catch_warnings):
    """Without the exporter's notes on rewrites that it tried."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        self.level = logging.getLogger("tf2onnx").level
        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)

    def __exit__(self, *exception):
        logging.getLogger("tf2onnx").setLevel(self.level)
        super().__exit__(*exception)
