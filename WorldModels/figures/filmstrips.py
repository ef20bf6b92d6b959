"""Films laid out in rows: what was real, what V saw, what M dreamt. Knows frames, not where they
come from.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from WorldModels.figures.style import mosaic_figure
from WorldModels.figures.videos import as_uint8


def filmstrip(
    clips: Mapping[str, np.ndarray],
    steps: Sequence[int],
    title: str = "",
    said: str = "",
    fps: float = 50,
    side: float = 1.05,
) -> Figure:
    """Some moments of several clips, a clip a row, with the time above.

    Args:
        clips: name to frames (T, H, W, 3); a clip that ended earlier leaves white.
        steps: which frames are shown, from 0.
        title, said: above all, and the caption.
        fps: frames a second, for the time.
        side: inches of a picture's width.

    Raises:
        ValueError: there are no clips or no steps.
    """
    if not clips or not len(steps):
        raise ValueError(
            f"filmstrip: expected clips and steps, received {len(clips)} and {len(steps)}."
        )
    rows = np.stack([_moments(np.asarray(frames), steps) for frames in clips.values()])
    return mosaic_figure(
        rows, list(clips), [f"{step / fps:.1f} s" for step in steps], title, said, side
    )


def imagined_strip(
    real: np.ndarray,
    rebuilt: np.ndarray,
    imagined: np.ndarray,
    steps: Sequence[int],
    fps: float = 50,
) -> Figure:
    """Real frames, what V makes of them, and what M dreams on from the first of them with the same
    actions.

    Args:
        real, rebuilt, imagined: (T, H, W, 3), moment by moment; imagined[0] is the last that M saw.
        steps, fps: see `filmstrip`.
    """
    return filmstrip(
        {"real": real, "reconstructed\nby V": rebuilt, "imagined\nby M": imagined},
        steps,
        said="imagined: M sees what came up to 0.0 s, and from then on is given the actions alone",
        fps=fps,
    )


def dream_filmstrips(
    dreams: Mapping[float, np.ndarray], steps: Sequence[int], fps: float = 50
) -> Figure:
    """One dream at each of several temperatures, from the same start with the same noise.

    Args:
        dreams: temperature to frames (T, H, W, 3); a dream that ended leaves white.
        steps, fps: see `filmstrip`.
    """
    clips = {f"temperature {t:g}": frames for t, frames in dreams.items()}
    return filmstrip(
        clips,
        steps,
        "M: the same start dreamt at several temperatures",
        "white: the dream has ended",
        fps,
    )


def dreamt_twice(
    first: np.ndarray, second: np.ndarray, steps: Sequence[int], fps: float = 50
) -> Figure:
    """The same start dreamt twice, with other noise, and where the two have parted.

    Args:
        first, second: (T, H, W, 3).
        steps, fps: see `filmstrip`.
    """
    length = min(len(first), len(second))
    one, two = (as_uint8(np.asarray(frames[:length])) for frames in (first, second))
    parted = (
        np.abs(one.astype(int) - two)
        .max(axis=-1, keepdims=True)
        .astype(np.uint8)
        .repeat(3, axis=-1)
    )
    return filmstrip(
        {"first dream": first, "second dream": second, "difference": parted},
        steps,
        "M: the same start dreamt twice",
        "bright: where the two dreams differ",
        fps,
    )


def _moments(frames: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    white = np.full(frames.shape[1:], 255, np.uint8)
    return np.stack([as_uint8(frames[step]) if step < len(frames) else white for step in steps])
