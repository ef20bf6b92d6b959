"""The picture that V's training writes after each epoch."""

from pathlib import Path

import numpy as np

from WorldModels.figures import vectors
from WorldModels.figures.frames import grid, write_png
from WorldModels.figures.style import save

COLUMNS = 8


def write_epoch(path: Path, frames: np.ndarray, rebuilt: np.ndarray, samples: np.ndarray) -> None:
    """Write rows of frames, each above its reconstruction, then samples of the prior.

    For vectors it is a chart of how much of each number is reconstructed.

    Args:
        path: of the .png.
        frames: (N, H, W, 3) uint8, or (N, D) float32.
        rebuilt: decoded from the mean of V's posterior: (N, H, W, 3) float in 0..1, or (N, D).
        samples: (M, H, W, 3) float in 0..1, decoded from the prior.
    """
    if frames.ndim == 2:
        return save(vectors.reconstruction_chart(frames, rebuilt), path)
    rows = []
    for start in range(0, len(frames), COLUMNS):
        here = slice(start, start + COLUMNS)
        blank = [np.ones_like(rebuilt[0])] * (COLUMNS - len(frames[here]))
        rows += [*frames[here], *blank, *rebuilt[here], *blank]
    write_png(path, grid([*rows, *samples], COLUMNS, scale=2))
