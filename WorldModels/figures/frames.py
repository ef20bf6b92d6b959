"""Frames as pictures: grids, enlarging, uint8, differences, and PNG files."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from WorldModels.experiment.files import atomic


def grid(frames: Sequence[np.ndarray], columns: int, scale: int = 1, gap: int = 2) -> np.ndarray:
    """Frames in rows of `columns`, on white: (rows * ..., columns * ..., 3) uint8.

    Args:
        frames: (H, W, 3) each, all of one size; uint8, or float in 0..1.
        columns: frames in a row.
        scale: each pixel becomes scale x scale.
        gap: white pixels between frames.

    Raises:
        ValueError: there are no frames.
    """
    if len(frames) == 0:
        raise ValueError("frames: expected at least one, received none.")
    frames = np.stack([enlarge(as_uint8(np.asarray(frame)), scale) for frame in frames])
    _, height, width, _ = frames.shape
    rows = -(-len(frames) // columns)
    size = (rows * (height + gap) + gap, columns * (width + gap) + gap, 3)
    picture = np.full(size, 255, np.uint8)
    for i, frame in enumerate(frames):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        picture[top : top + height, left : left + width] = frame
    return picture


def write_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8, complete or not at all."""
    with atomic(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def enlarge(frame: np.ndarray, scale: int) -> np.ndarray:
    """(H, W, 3) -> (H * scale, W * scale, 3): each pixel a square, nothing smoothed."""
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)


def as_uint8(frame: np.ndarray) -> np.ndarray:
    """A picture as uint8: float in 0..1 is scaled to 0..255 and rounded, uint8 stays as it is."""
    if frame.dtype == np.uint8:
        return frame
    return np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)


def difference(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Grey pictures (..., H, W, 3) uint8 of each pixel's largest difference over channels."""
    largest = np.abs(one.astype(int) - two).max(axis=-1, keepdims=True)
    return largest.astype(np.uint8).repeat(3, axis=-1)
