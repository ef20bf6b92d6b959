"""Draws learning curves from rows of the CSVs that the verbs write."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from WorldModels.figures.style import (
    BAND,
    HELD_OUT,
    SIGMA,
    SMALL,
    TRAIN,
    figure_of,
    level,
    mark_solved,
    save,
)

__all__ = [
    "column",
    "generation_curves",
    "memory_curves",
    "save",
    "score_histogram",
    "vision_curves",
]

Rows = Sequence[Mapping[str, str]]
HELD_OUT_PREFIX = "val_"


def column(rows: Rows, name: str) -> np.ndarray:
    """One column of a CSV as (N,) float64, NaN where it is empty or absent."""
    return np.array([float(row.get(name) or "nan") for row in rows], np.float64)


def vision_curves(rows: Rows) -> Figure:
    """V's two losses by epoch, on training and held-out frames.

    Args:
        rows: of vision.csv: epoch, reconstruction, kl, val_reconstruction, val_kl.

    Raises:
        ValueError: there are no rows.
    """
    _check(rows, "vision.csv")
    figure, (left, right) = figure_of(2)
    for axes, name, label in (
        (left, "reconstruction", "squared error, z drawn (sum over a frame)"),
        (right, "kl", "KL divergence (nats per frame)"),
    ):
        _losses(axes, rows, name, np.arange(1, len(rows) + 1))
        axes.set(xlabel="epochs done", ylabel=label, ylim=(0, 1.1 * axes.dataLim.ymax))
    figure.suptitle("V: reconstruction and prior")
    return figure


def memory_curves(rows: Rows) -> Figure:
    """M's negative log likelihood of the next z, beside the baselines' on the same data.

    Args:
        rows: of memory.csv: step, nll, val_nll, and the baselines copy_previous_nll, static_nll,
            unconditional_nll, which learn no dynamics.

    Raises:
        ValueError: there are no rows.
    """
    _check(rows, "memory.csv")
    figure, (axes,) = figure_of(1)
    _losses(axes, rows, "nll", column(rows, "step"))
    for name, label, style in (
        ("copy_previous_nll", "previous latent", "--"),
        ("static_nll", "static Gaussian", ":"),
        ("unconditional_nll", "M's head without inputs", "-."),
    ):
        values = column(rows, name)
        if np.isfinite(values).any():
            level(axes, values[np.isfinite(values)][-1], label, style)
    axes.legend(frameon=False)
    axes.set(
        xlabel="training steps done", ylabel="negative log likelihood (nats per latent dimension)"
    )
    figure.suptitle("M: how well it predicts the next z")
    return figure


def _losses(axes: Axes, rows: Rows, name: str, done: np.ndarray) -> None:
    """A loss on training data, and on held-out data where there is any, over the work done."""
    for prefix, colour, style, label in (
        ("", TRAIN, "o-", "training"),
        (HELD_OUT_PREFIX, HELD_OUT, "s--", "held out"),
    ):
        values = column(rows, prefix + name)
        there = np.isfinite(values)
        if there.any():
            axes.plot(done[there], values[there], style, color=colour, markersize=3, label=label)
    axes.set_xlim(0, 1.05 * done[-1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)


def generation_curves(
    rows: Rows, solved: float | None = None, dreamt: bool = False, noun: str = "game"
) -> Figure:
    """C's evolution: returns of the population, validation score of its mean, and sigma.

    Args:
        rows: of generations.csv: generation, mean, min, max, validation, sigma, frames (environment
            steps so far).
        solved: return at which a line is drawn.
        dreamt: whether the world was a dream.
        noun: what a validation episode in the game is called.

    Raises:
        ValueError: there are no rows.
    """
    _check(rows, "generations.csv")
    figure, (axes,) = figure_of(1)
    generation, steps = column(rows, "generation"), column(rows, "frames")
    _returns(axes, rows, "in validation dreams" if dreamt else f"on validation {noun}s")
    mark_solved(axes, solved, "--")
    axes.set(xlabel="generation", ylabel="return of an episode")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right = _sigma(axes, generation, column(rows, "sigma"))
    what = "steps of dreams" if dreamt else "training steps of the environment"
    _steps_above(axes, generation, steps, what)
    lines = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    figure.legend(handles=lines, frameon=False, loc="outside lower center", ncols=3, fontsize=SMALL)
    figure.suptitle("C: evolution of the driver")
    return figure


def _returns(axes: Axes, rows: Rows, where: str) -> None:
    """Returns of the population, and the validation score of its mean, by generation."""
    generation, validation = column(rows, "generation"), column(rows, "validation")
    scored = np.isfinite(validation)
    axes.fill_between(
        generation,
        column(rows, "min"),
        column(rows, "max"),
        color=BAND,
        linewidth=0,
        label="population, min to max",
    )
    mean = column(rows, "mean")
    axes.plot(generation, mean, ".-", markersize=2, color=TRAIN, label="population, mean")
    axes.plot(
        generation[scored],
        validation[scored],
        "o-",
        markersize=4,
        color=HELD_OUT,
        label=f"mean of the search, {where}",
    )


def _sigma(axes: Axes, generation: np.ndarray, sigma: np.ndarray) -> Axes:
    """Sigma by generation on its own axis at the right."""
    right = axes.twinx()
    right.plot(generation, sigma, color=SIGMA, linewidth=1, label="sigma (right axis)")
    right.set_ylabel("sigma (step size of the search)")
    right.set_ylim(0, 1.1 * float(np.nanmax(sigma)))
    right.spines["right"].set_visible(True)
    return right


def _steps_above(axes: Axes, generation: np.ndarray, steps: np.ndarray, what: str) -> None:
    """A second scale along the top: steps so far."""
    there = np.isfinite(steps)
    if not there.any():
        return
    generation = np.append(generation[there][0] - 1, generation[there])
    steps = np.append(0.0, steps[there])
    ticks = MaxNLocator(7).tick_values(0, steps[-1])
    ticks = ticks[ticks <= steps[-1]]
    places, labels = np.interp(ticks, steps, generation), map(EngFormatter(sep=""), ticks)
    top = axes.secondary_xaxis("top")
    top.set_xticks(places, list(labels))
    top.set_xlabel(f"{what} so far")
    axes.set_xlim(generation[0], generation[-1])


def score_histogram(scores: Mapping[str, Sequence[float]], noun: str = "game") -> Figure:
    """How the returns of drivers spread over the test games.

    Args:
        scores: name of a driver to its returns (N,).
        noun: what a test game is called.

    Raises:
        ValueError: there are no scores.
    """
    _check([value for values in scores.values() for value in values], "scores")
    figure, (axes,) = figure_of(1)
    everything = np.concatenate([np.asarray(values, float) for values in scores.values()])
    edges = MaxNLocator(25).tick_values(everything.min() - 1, everything.max() + 1)
    looks = ((HELD_OUT, ""), (TRAIN, "///"), (SIGMA, "..."))
    for (colour, hatch), (name, values) in zip(looks, scores.items(), strict=False):
        look = {"color": colour, "alpha": 0.75, "hatch": hatch, "edgecolor": "white"}
        label = f"{name}: mean {np.mean(values):.0f}, {len(values)} {noun}s"
        axes.hist(values, edges, linewidth=0.5, label=label, **look)
    axes.set(xlabel="return of an episode", ylabel=f"{noun}s")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    figure.suptitle(f"Test {noun}s")
    return figure


def _check(rows: Sequence, name: str) -> None:
    if not len(rows):
        raise ValueError(f"{name}: expected at least one row, received none.")
