"""Draws what V makes of frames, of noise, and of each latent dimension in turn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from WorldModels.figures.frames import as_uint8
from WorldModels.figures.style import mosaic_figure


def reconstruction_grid(frames: np.ndarray, rebuilt: np.ndarray, columns: int = 8) -> Figure:
    """Frames, each over its reconstruction, with their mean squared error below.

    Args:
        frames: (N, H, W, 3) uint8, or float in 0..1.
        rebuilt: as many, decoded from the mean of V's posterior.
        columns: frames in a row.

    Raises:
        ValueError: there are no frames, or not as many reconstructions.
    """
    _check(frames, rebuilt)
    pairs = np.stack([in_rows(frames, columns), in_rows(rebuilt, columns)], axis=1)
    error = squared_error(frames, rebuilt).mean()
    return mosaic_figure(
        pairs.reshape(-1, *pairs.shape[2:]),
        ["frame", "V"] * len(pairs),
        title="V: frames and reconstructions",
        caption="squared error (z its mean), summed over a frame's pixels (0..1): "
        f"{error:.1f} on average",
    )


def prior_samples(samples: np.ndarray, columns: int = 8) -> Figure:
    """What V decodes from noise, in a grid of any size.

    Args:
        samples: (N, H, W, 3), decoded from z drawn from a standard normal.
        columns: samples in a row.

    Raises:
        ValueError: there are no samples.
    """
    return mosaic_figure(
        in_rows(samples, columns),
        title="V: samples of the prior",
        caption="decoded from z drawn from a standard normal",
    )


def latent_traversal(
    sweeps: np.ndarray, values: Sequence[float], dimensions: Sequence[int]
) -> Figure:
    """What each latent dimension draws: one is swept while the others stay as they are.

    Args:
        sweeps: (D, S, H, W, 3), decoded.
        values: (S,) of the swept dimension, in standard deviations of the prior.
        dimensions: (D,) which dimension each row sweeps.

    Raises:
        ValueError: there are no sweeps, or not D x S of them.
    """
    shape = np.shape(sweeps)[:2]
    if shape != (len(dimensions), len(values)):
        raise ValueError(
            f"sweeps: expected {len(dimensions)} dimensions of {len(values)} values, "
            f"received {shape}."
        )
    return mosaic_figure(
        sweeps,
        [f"z[{d}]" for d in dimensions],
        [f"{v:g}" for v in values],
        "V: each latent dimension swept",
        "value of the swept dimension, in standard deviations of the prior; the others stay as "
        "they are in one frame",
        side=0.7,
    )


def squared_error(frames: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """(N,) squared errors, summed over a frame's pixels in 0..1."""
    real, made = (
        np.asarray(x, np.float64) / (255 if np.asarray(x).dtype == np.uint8 else 1)
        for x in (frames, rebuilt)
    )
    return np.square(real - made).sum(axis=(1, 2, 3))


def in_rows(frames: np.ndarray, columns: int) -> np.ndarray:
    """Frames (N, H, W, 3) as (R, C, H, W, 3) uint8, the last row padded with white.

    Raises:
        ValueError: there are no frames, or they have another shape.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or not len(frames):
        raise ValueError(f"frames: expected at least one (N, H, W, 3), received {frames.shape}.")
    columns = min(columns, len(frames))
    white = np.full((-len(frames) % columns, *frames.shape[1:]), 255, np.uint8)
    return np.concatenate([as_uint8(frames), white]).reshape(-1, columns, *frames.shape[1:])


def _check(frames: np.ndarray, rebuilt: np.ndarray) -> None:
    if not len(frames) or np.shape(frames) != np.shape(rebuilt):
        raise ValueError(
            "frames: expected (N, H, W, 3) and as many reconstructions, received "
            f"{np.shape(frames)} and {np.shape(rebuilt)}."
        )
