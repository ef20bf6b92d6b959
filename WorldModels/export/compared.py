"""Compares an exported file with the Keras model that it was made from, both on the CPU.

A GPU may compute float32 products in TF32, with ten binary digits: too far from any other library.
"""

import keras
import numpy as np

from WorldModels.export.endpoints import Endpoint

# The largest difference allowed, as a share of an output's largest value: each library rounds sums
# of thousands of float32 products in its own way.
TOLERANCE = 1e-4
DEVICE = "cpu:0"  # for keras.device


def require_float32(model: keras.Model) -> None:
    """Refuse a model that is not float32: its file would not load, or would differ.

    Raises:
        ValueError: it or one of its layers computes in another dtype.
    """
    for layer in (model, *model.layers):
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"export: expected a float32 model, received {layer.name} in "
                f"{layer.compute_dtype}; export a float32 copy."
            )


def expected(endpoint: Endpoint, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What Keras computes from flat named inputs, on the CPU."""
    with keras.device(DEVICE):
        tensors = {name: keras.ops.convert_to_tensor(x) for name, x in inputs.items()}
        outputs = endpoint.function(*endpoint.arguments_of(tensors))
        return {name: keras.ops.convert_to_numpy(x) for name, x in outputs.items()}


def compare(
    path, endpoint: Endpoint, received: dict[str, np.ndarray], wanted: dict[str, np.ndarray]
) -> None:
    """Refuse a file whose outputs differ from Keras's.

    Raises:
        ValueError: an output is missing or has another shape, or differs by more than TOLERANCE of
            its largest value.
    """
    if set(received) != set(wanted):
        raise ValueError(
            f"{path}: {endpoint.name} has outputs {sorted(received)}, but the Keras "
            f"model has {sorted(wanted)}."
        )
    for name, value in wanted.items():
        _compare_output(f"{path}: {endpoint.name}'s {name}", received[name], value)


def _compare_output(what: str, received: np.ndarray, wanted: np.ndarray) -> None:
    if received.shape != wanted.shape:
        raise ValueError(
            f"{what} has shape {received.shape}, but the Keras model's has {wanted.shape}."
        )
    worst, largest = (float(np.max(np.abs(x), initial=0)) for x in (received - wanted, wanted))
    if not worst <= TOLERANCE * largest:  # a NaN is refused too
        raise ValueError(
            f"{what} differs from the Keras model by {worst:.1e}, more than {TOLERANCE} of its "
            f"largest value ({largest:.3g})."
        )
