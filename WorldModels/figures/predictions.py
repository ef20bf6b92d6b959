"""What M foresees of the next moment, beside what came. Knows pictures and numbers, no network."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from WorldModels.figures.reconstructions import squared_error
from WorldModels.figures.style import BAND, BLUE, GREY, SMALL, VERMILION, figure_of, mosaic_figure
from WorldModels.figures.videos import as_uint8


def next_frames(current: np.ndarray, following: np.ndarray, predicted: np.ndarray) -> Figure:
    """The frame now, the one that came next, the one that M foresaw, and how far the two differ,
    pixel by pixel.

    Args:
        current, following: (N, H, W, 3), what V makes of the frames, or the frames themselves.
        predicted: (N, H, W, 3), decoded from M's next z.

    Raises:
        ValueError: shapes differ, or there are none.
    """
    _alike(current, following, predicted)
    rows = [as_uint8(np.asarray(frames)) for frames in (current, following, predicted)]
    off = (
        np.abs(rows[1].astype(int) - rows[2])
        .max(axis=-1, keepdims=True)
        .astype(np.uint8)
        .repeat(3, axis=-1)
    )
    ours, still = squared_error(rows[1], rows[2]).mean(), squared_error(rows[1], rows[0]).mean()
    said = f"squared error, summed over a frame's pixels (0..1): M {ours:.1f}, keeping the frame now {still:.1f}; bright: off"
    return mosaic_figure(
        np.stack([*rows, off]),
        ["now", "next", "M foresees", "difference"],
        title="M: the next frame",
        said=said,
    )


def overlay(current: np.ndarray, following: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Three moments in one picture, each in grey in a channel of its own: red what came, green what
    M foresaw, blue the frame now.

    Grey: all three agree. Yellow: M foresaw what came, and it is new. Red: it came unforeseen;
    green: foreseen, it did not come.

    Args:
        current, following, predicted: (..., H, W, 3).

    Returns:
        (..., H, W, 3) uint8.

    Raises:
        ValueError: shapes differ.
    """
    _alike(current, following, predicted)
    grey = [
        as_uint8(np.asarray(frames)).mean(axis=-1) for frames in (following, predicted, current)
    ]
    return np.rint(np.stack(grey, axis=-1)).astype(np.uint8)


def overlays(current: np.ndarray, following: np.ndarray, predicted: np.ndarray) -> Figure:
    """The frame that came over the `overlay` of now, next and foreseen, for several moments (N, H,
    W, 3).
    """
    rows = np.stack([as_uint8(np.asarray(following)), overlay(current, following, predicted)])
    said = "grey: all agree; yellow: foreseen and came; red: came unforeseen; green: foreseen, did not come; blue: gone"
    return mosaic_figure(
        rows, ["next", "overlay"], title="M: now, next and foreseen in one picture", said=said
    )


def mixture_toy(x: np.ndarray, y: np.ndarray, drawn: np.ndarray, mean: np.ndarray) -> Figure:
    """One y for many x, or many for one: what a mixture of Gaussians draws beside the data, and
    what an average would say.

    Args:
        x, y: (N,) the data.
        drawn: (N,) y drawn from the mixture at each x.
        mean: (N,) the mixture's mean at each x, which is all that a squared error learns.
    """
    figure, panels = figure_of(2)
    for axes, values, colour, name in zip(
        panels, (y, drawn), (BLUE, VERMILION), ("data", "drawn from the mixture"), strict=True
    ):
        axes.plot(x, values, ".", color=colour, markersize=3, label=name)
        axes.plot(
            np.sort(x),
            np.asarray(mean)[np.argsort(x)],
            "--",
            color="black",
            linewidth=1.2,
            label="the mixture's mean",
        )
        axes.set(xlabel="x", ylabel="y", ylim=_limits(y))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.legend(frameon=False, loc="upper left")
    figure.suptitle("A mixture density on a problem with several answers")
    return figure


def next_errors(
    predicted: np.ndarray, still: np.ndarray, rebuilt: np.ndarray | None = None
) -> Figure:
    """How far M's guess of each frame of an episode is from what came.

    Args:
        predicted: (T,) squared errors of M's guesses, summed over a frame.
        still: (T,) those of keeping the frame before.
        rebuilt: (T,) those of V's own reconstruction, the least that M can reach.
    """
    figure, (axes,) = figure_of(1)
    axes.plot(
        still,
        color=GREY,
        linestyle=":",
        linewidth=1,
        label=f"the frame before, kept: {np.mean(still):.1f} on average",
    )
    axes.plot(
        predicted, color=VERMILION, linewidth=1.2, label=f"M's guess: {np.mean(predicted):.1f}"
    )
    if rebuilt is not None:
        axes.fill_between(
            range(len(rebuilt)),
            0,
            rebuilt,
            color=BAND,
            label=f"V's reconstruction of it: {np.mean(rebuilt):.1f}",
        )
    axes.set(
        xlabel="step of the episode",
        ylabel="squared error\n(sum over a frame's pixels, 0..1)",
        ylim=(0, None),
    )
    figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=SMALL)
    figure.suptitle("M: the next frame, step by step")
    return figure


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    return low - 0.25 * (high - low), high + 0.25 * (high - low)


def _alike(*pictures: np.ndarray) -> None:
    shapes = {np.shape(frames) for frames in pictures}
    if len(shapes) > 1 or not np.size(pictures[0]):
        raise ValueError(
            f"frames: expected as many of each, of one size, received {', '.join(map(str, map(np.shape, pictures)))}."
        )
