"""Draws M's predictions of the next frame beside the frame that came."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from WorldModels.figures.frames import as_uint8, difference
from WorldModels.figures.reconstructions import squared_error
from WorldModels.figures.style import BAND, BLUE, GREY, SMALL, VERMILION, figure_of, mosaic_figure


def next_frames(current: np.ndarray, following: np.ndarray, predicted: np.ndarray) -> Figure:
    """The frame now, the one that came next, M's prediction of it, and how far the two differ.

    Args:
        current: (N, H, W, 3), V's reconstructions of the frames, or the frames themselves.
        following: (N, H, W, 3), likewise.
        predicted: (N, H, W, 3), decoded from M's next z.

    Raises:
        ValueError: shapes differ, or there are no frames.
    """
    _check(current, following, predicted)
    now, came, foreseen = (as_uint8(np.asarray(each)) for each in (current, following, predicted))
    ours, still = squared_error(came, foreseen).mean(), squared_error(came, now).mean()
    return mosaic_figure(
        np.stack([now, came, foreseen, difference(came, foreseen)]),
        ["now", "next", "M predicts", "difference"],
        title="M: the next frame",
        caption=f"squared error, summed over a frame's pixels (0..1): M {ours:.1f}, repeating the "
        f"current frame {still:.1f}; bright: where M is wrong",
    )


def overlay(current: np.ndarray, following: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Three moments in one picture: red what came, green what M predicted, blue the frame now.

    Each channel holds its frame in shades of grey. Grey: all three agree. Yellow: M predicted what
    came, and it is new. Red: it came unpredicted. Green: it was predicted but did not come. Blue:
    it is gone, as predicted.

    Args:
        current: (..., H, W, 3).
        following: (..., H, W, 3).
        predicted: (..., H, W, 3).

    Returns:
        (..., H, W, 3) uint8.

    Raises:
        ValueError: shapes differ.
    """
    _check(current, following, predicted)
    channels = (following, predicted, current)
    grey = [as_uint8(np.asarray(frames)).mean(axis=-1) for frames in channels]
    return np.rint(np.stack(grey, axis=-1)).astype(np.uint8)


def overlays(current: np.ndarray, following: np.ndarray, predicted: np.ndarray) -> Figure:
    """The frame that came over the `overlay`, for several moments (N, H, W, 3)."""
    rows = np.stack([as_uint8(np.asarray(following)), overlay(current, following, predicted)])
    return mosaic_figure(
        rows,
        ["next", "overlay"],
        title="M: now, next and predicted in one picture",
        caption="grey: all agree; yellow: predicted and came; red: came unpredicted; green: "
        "predicted, did not come; blue: gone",
    )


def mixture_toy(x: np.ndarray, y: np.ndarray, drawn: np.ndarray, mean: np.ndarray) -> Figure:
    """What a mixture of Gaussians draws on a problem with several answers, beside the data.

    Args:
        x: (N,) inputs of the data.
        y: (N,) answers of the data.
        drawn: (N,) y drawn from the mixture at each x.
        mean: (N,) the mixture's mean at each x, which is all that a squared error learns.
    """
    figure, (data, draws) = figure_of(2)
    for axes, values, colour, name in (
        (data, y, BLUE, "data"),
        (draws, drawn, VERMILION, "drawn from the mixture"),
    ):
        axes.plot(x, values, ".", color=colour, markersize=3, label=name)
        _mean_line(axes, x, np.asarray(mean))
        axes.set(xlabel="x", ylabel="y", ylim=_limits(y))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.legend(frameon=False, loc="upper left")
    figure.suptitle("A mixture density on a problem with several answers")
    return figure


def _mean_line(axes: Axes, x: np.ndarray, mean: np.ndarray) -> None:
    order, look = np.argsort(x), {"color": "black", "linewidth": 1.2}
    axes.plot(np.sort(x), mean[order], "--", label="the mixture's mean", **look)


def next_errors(
    predicted: np.ndarray, still: np.ndarray, rebuilt: np.ndarray | None = None
) -> Figure:
    """The error of M's prediction of each frame of an episode.

    Args:
        predicted: (T,) squared errors of M's predictions, summed over a frame.
        still: (T,) errors of repeating the previous frame.
        rebuilt: (T,) errors of V's own reconstruction, the least that M can reach.
    """
    figure, (axes,) = figure_of(1)
    label = f"previous frame repeated: {np.mean(still):.1f} on average"
    axes.plot(still, color=GREY, linestyle=":", linewidth=1, label=label)
    label = f"M's prediction: {np.mean(predicted):.1f}"
    axes.plot(predicted, color=VERMILION, linewidth=1.2, label=label)
    if rebuilt is not None:
        label = f"V's reconstruction, z its mean: {np.mean(rebuilt):.1f}"
        axes.fill_between(range(len(rebuilt)), 0, rebuilt, color=BAND, label=label)
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


def _check(*pictures: np.ndarray) -> None:
    shapes = [np.shape(frames) for frames in pictures]
    if len(set(shapes)) > 1 or not np.size(pictures[0]):
        raise ValueError(f"frames: expected equal shapes, received {', '.join(map(str, shapes))}.")
