"""V's encoder by Keras, on many frames at a time."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from WorldModels.assembly.models import load_vision
from WorldModels.interfaces import observation_dtype

BATCH = 256  # frames that V encodes in one call


def keras_encoder(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """V of a .keras file as a function from observations to mean and log-variance (N, Z).

    Observations are (N, H, W, 3) uint8 or (N, D) float32; V is called on batches of one size.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged; or, when called, the observations have another shape than
            those V was trained on.
    """
    vision = load_vision(path)
    shape = tuple(vision.observation_shape)
    observations = keras.Input(shape, dtype=observation_dtype(shape))
    encoder = keras.Model(observations, vision.encode(observations))

    def encode(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if seen.shape[1:] != shape:
            raise ValueError(
                f"frames: expected {shape} as V was trained on, received {seen.shape[1:]}; train V "
                "again, or name another folder with --results FOLDER."
            )
        padding = np.zeros((-len(seen) % BATCH, *shape), seen.dtype)
        padded = np.concatenate([seen, padding])
        starts = range(0, len(padded), BATCH)
        parts = [encoder.predict_on_batch(padded[i : i + BATCH]) for i in starts]
        mean, log_var = (np.concatenate(part)[: len(seen)] for part in zip(*parts, strict=True))
        return mean, log_var

    return encode
