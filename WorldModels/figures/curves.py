"""Rows of progress -> learning curves. Knows the columns of the CSVs that the verbs write, and
nothing of what made them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from WorldModels.figures.style import BAND, HELD_OUT, SIGMA, TRAIN, figure_of, save

__all__ = [
    "SOLVED",
    "column",
    "generation_curves",
    "memory_curves",
    "save",
    "score_histogram",
    "vision_curves",
]

Rows = Sequence[Mapping[str, str]]
SOLVED = 900  # mean return over 100 tracks at which CarRacing counts as solved
HELD_OUT_PREFIX = "val_"


def column(rows: Rows, name: str) -> np.ndarray:
    """One column of a CSV as (N,) float64, NaN where it is empty or absent."""
    return np.array([float(row.get(name) or "nan") for row in rows], np.float64)


def vision_curves(rows: Rows) -> Figure:
    """V's two losses, on the frames it trains on and on held-out ones, by epoch.

    Args:
        rows: of vision.csv: epoch, reconstruction, kl, val_reconstruction, val_kl.

    Raises:
        ValueError: there are no rows.
    """
    _some(rows, "vision.csv")
    figure, (left, right) = figure_of(2)
    for axes, name, label in (
        (left, "reconstruction", "squared error (sum over a frame)"),
        (right, "kl", "KL divergence (nats a frame)"),
    ):
        _losses(axes, rows, name, np.arange(1, len(rows) + 1))
        axes.set(xlabel="epochs done", ylabel=label, ylim=(0, 1.1 * axes.dataLim.ymax))
    figure.suptitle("V: reconstruction and prior")
    return figure


def memory_curves(rows: Rows) -> Figure:
    """M's negative log likelihood of the next z, beside what densities that learn no dynamics reach
    on the same data.

    Args:
        rows: of memory.csv: step, nll, val_nll, copy_previous_nll, static_nll, unconditional_nll.

    Raises:
        ValueError: there are no rows.
    """
    _some(rows, "memory.csv")
    figure, (axes,) = figure_of(1)
    _losses(axes, rows, "nll", column(rows, "step"))
    for name, label, style in (
        ("copy_previous_nll", "copy previous z", "--"),
        ("static_nll", "static Gaussian", ":"),
        ("unconditional_nll", "M's head without inputs", "-."),
    ):
        level = column(rows, name)
        if np.isfinite(level).any():
            axes.axhline(
                level[np.isfinite(level)][-1],
                color="black",
                linewidth=1,
                linestyle=style,
                label=label,
            )
    axes.legend(frameon=False)
    axes.set(
        xlabel="training steps done", ylabel="negative log likelihood (nats a latent dimension)"
    )
    figure.suptitle("M: how well the next z is foreseen")
    return figure


def _losses(axes: Axes, rows: Rows, name: str, done: np.ndarray) -> None:
    """A loss in training and, as far as there is one, on held-out data, over what was done by then."""
    for prefix, colour, style, who in (
        ("", TRAIN, "o-", "training"),
        (HELD_OUT_PREFIX, HELD_OUT, "s--", "held out"),
    ):
        values = column(rows, prefix + name)
        there = np.isfinite(values)
        if there.any():
            axes.plot(done[there], values[there], style, color=colour, markersize=3, label=who)
    axes.set_xlim(0, 1.05 * done[-1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)


def generation_curves(rows: Rows, solved: float | None = SOLVED, dreamt: bool = False) -> Figure:
    """The evolution of C: returns of the population, validation score of its mean, and sigma on an
    axis of its own.

    Args:
        rows: of generations.csv: generation, mean, min, max, validation, sigma, frames (environment
            steps so far).
        solved: return at which a line is drawn.
        dreamt: the world was a dream.

    Raises:
        ValueError: there are no rows.
    """
    _some(rows, "generations.csv")
    figure, (axes,) = figure_of(1)
    generation, scored = column(rows, "generation"), np.isfinite(column(rows, "validation"))
    axes.fill_between(
        generation,
        column(rows, "min"),
        column(rows, "max"),
        color=BAND,
        linewidth=0,
        label="population, min to max",
    )
    axes.plot(
        generation, column(rows, "mean"), ".-", markersize=2, color=TRAIN, label="population, mean"
    )
    axes.plot(
        generation[scored],
        column(rows, "validation")[scored],
        "o-",
        markersize=4,
        color=HELD_OUT,
        label=f"mean of the search, {'in validation dreams' if dreamt else 'on validation tracks'}",
    )
    if solved is not None:
        axes.axhline(
            solved,
            color="black",
            linewidth=1,
            linestyle="--",
            label=f"{solved:g}: counts as solved",
        )
    axes.set(xlabel="generation", ylabel="return of an episode")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right = axes.twinx()
    right.plot(
        generation, column(rows, "sigma"), color=SIGMA, linewidth=1, label="sigma (right axis)"
    )
    right.set_ylabel("sigma (step size of the search)")
    right.set_ylim(0, 1.1 * float(np.nanmax(column(rows, "sigma"))))
    right.spines["right"].set_visible(True)
    _steps_above(
        axes,
        generation,
        column(rows, "frames"),
        "steps of dreams" if dreamt else "training steps of the environment",
    )
    lines = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    figure.legend(handles=lines, frameon=False, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle("C: evolution of the driver")
    return figure


def _steps_above(axes: Axes, generation: np.ndarray, steps: np.ndarray, what: str) -> None:
    """A second scale along the top: steps so far."""
    there = np.isfinite(steps)
    if not there.any():
        return
    generation, steps = (
        np.append(generation[there][0] - 1, generation[there]),
        np.append(0.0, steps[there]),
    )
    ticks = MaxNLocator(7).tick_values(0, steps[-1])
    ticks = ticks[ticks <= steps[-1]]
    top = axes.secondary_xaxis("top")
    top.set_xticks(
        np.interp(ticks, steps, generation), [EngFormatter(sep="")(tick) for tick in ticks]
    )
    top.set_xlabel(f"{what} so far")
    axes.set_xlim(generation[0], generation[-1])


def score_histogram(scores: Mapping[str, Sequence[float]], noun: str = "track") -> Figure:
    """How the returns of drivers spread over the test tracks.

    Args:
        scores: name of a driver to its returns (N,).
        noun: what a track is called.

    Raises:
        ValueError: there are no scores.
    """
    _some([value for values in scores.values() for value in values], "scores")
    figure, (axes,) = figure_of(1)
    everything = np.concatenate([np.asarray(values, float) for values in scores.values()])
    edges = MaxNLocator(25).tick_values(everything.min() - 1, everything.max() + 1)
    for (colour, hatch), (name, values) in zip(
        ((HELD_OUT, ""), (TRAIN, "///"), (SIGMA, "...")), scores.items(), strict=False
    ):
        axes.hist(
            values,
            edges,
            color=colour,
            alpha=0.75,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.5,
            label=f"{name}: mean {np.mean(values):.0f}, {len(values)} {noun}s",
        )
    axes.set(xlabel="return of an episode", ylabel=f"{noun}s")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    figure.suptitle(f"Test {noun}s")
    return figure


def _some(rows: Sequence, name: str) -> None:
    if not len(rows):
        raise ValueError(f"{name}: expected at least one row, received none.")
