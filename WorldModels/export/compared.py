"""An exported file against the Keras model that it was made from. Knows no file format."""

import keras
import numpy as np

from WorldModels.export.endpoints import Endpoint

TOLERANCE = 1e-4  # of an output's largest value: float32 rounds sums of thousands of products differently in each library


def require_float32(model: keras.Model) -> None:
    """Refuse a model that computes in another dtype: its file would not load, or not agree.

    Raises:
        ValueError: it or one of its layers computes in another dtype.
    """
    for layer in (model, *model.layers):
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"export: expected a float32 model, received {layer.name} in {layer.compute_dtype}; export a float32 copy."
            )


def expected(endpoint: Endpoint, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What Keras gives for flat named inputs."""
    tensors = {name: keras.ops.convert_to_tensor(x) for name, x in inputs.items()}
    outputs = endpoint.function(*endpoint.arguments_of(tensors))
    return {name: keras.ops.convert_to_numpy(x) for name, x in outputs.items()}


def compare(
    path, endpoint: Endpoint, received: dict[str, np.ndarray], wanted: dict[str, np.ndarray]
) -> None:
    """Refuse a file whose outputs differ from Keras'.

    Raises:
        ValueError: an output is missing or has another shape, or differs by more than TOLERANCE of
        its largest value.
    """
    if set(received) != set(wanted):
        raise ValueError(
            f"{path}: {endpoint.name} has outputs {sorted(received)}, the Keras model {sorted(wanted)}."
        )
    for name, value in wanted.items():
        if received[name].shape != value.shape:
            raise ValueError(
                f"{path}: {endpoint.name}'s {name} has shape {received[name].shape}, the Keras model's {value.shape}."
            )
        worst, largest = (
            float(np.max(np.abs(x), initial=0)) for x in (received[name] - value, value)
        )
        if not worst <= TOLERANCE * largest:  # a NaN is refused too
            raise ValueError(
                f"{path}: {endpoint.name}'s {name} differs from the Keras model by {worst:.1e}, more than {TOLERANCE} of its largest value "
                f"({largest:.3g})."
            )
