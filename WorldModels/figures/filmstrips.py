"""Draws clips as rows of frames: what was real, what V reconstructed, what M dreamt."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from WorldModels.figures.frames import as_uint8, difference
from WorldModels.figures.style import mosaic_figure


def filmstrip(
    clips: Mapping[str, np.ndarray],
    steps: Sequence[int],
    fps: float,
    title: str = "",
    caption: str = "",
) -> Figure:
    """Some moments of several clips, one clip per row, with the time above.

    Args:
        clips: name to frames (T, H, W, 3); a clip is white after its end.
        steps: which frames are shown, from 0.
        fps: frames a second, for the time.
        title: above the rows.
        caption: below the rows.

    Raises:
        ValueError: there are no clips or no steps.
    """
    if not clips or not len(steps):
        raise ValueError(
            f"filmstrip: expected clips and steps, received {len(clips)} and {len(steps)}."
        )
    rows = np.stack([_moments(np.asarray(frames), steps) for frames in clips.values()])
    times = [f"{step / fps:.1f} s" for step in steps]
    return mosaic_figure(rows, list(clips), times, title, caption)


def imagined_strip(
    real: np.ndarray,
    rebuilt: np.ndarray,
    imagined: np.ndarray,
    steps: Sequence[int],
    fps: float,
) -> Figure:
    """Real frames, V's reconstructions, and M's dream from the first with the same actions.

    Args:
        real: (T, H, W, 3).
        rebuilt: (T, H, W, 3), of the same moments.
        imagined: (T, H, W, 3), likewise; the first is the last frame that M saw.
        steps: see `filmstrip`.
        fps: see `filmstrip`.
    """
    return filmstrip(
        {"real": real, "reconstructed\nby V": rebuilt, "imagined\nby M": imagined},
        steps,
        fps,
        caption="imagined: up to 0.0 s M sees the real frames, from then on only the actions",
    )


def dream_filmstrips(
    dreams: Mapping[float, np.ndarray], steps: Sequence[int], fps: float
) -> Figure:
    """One dream at each of several temperatures, from the same start with the same noise.

    Args:
        dreams: temperature to frames (T, H, W, 3); a dream is white after its end.
        steps: see `filmstrip`.
        fps: see `filmstrip`.
    """
    return filmstrip(
        {f"temperature {temperature:g}": frames for temperature, frames in dreams.items()},
        steps,
        fps,
        "M: the same start dreamt at several temperatures",
        "white: the dream has ended",
    )


def dreamt_twice(first: np.ndarray, second: np.ndarray, steps: Sequence[int], fps: float) -> Figure:
    """The same start dreamt twice with different noise, and where the two differ.

    Args:
        first: (T, H, W, 3).
        second: (T, H, W, 3).
        steps: see `filmstrip`.
        fps: see `filmstrip`.
    """
    length = min(len(first), len(second))
    one, two = (as_uint8(np.asarray(frames[:length])) for frames in (first, second))
    return filmstrip(
        {"first dream": first, "second dream": second, "difference": difference(one, two)},
        steps,
        fps,
        "M: the same start dreamt twice",
        "bright: where the two dreams differ",
    )


def _moments(frames: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    white = np.full(frames.shape[1:], 255, np.uint8)
    return np.stack([as_uint8(frames[step]) if step < len(frames) else white for step in steps])
