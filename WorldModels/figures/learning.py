"""Draws learning curves of C over generations, frames and wall time, beside the published one.

published.csv comes from the two logs of hardmaru/WorldModelsExperiments,
carracing/log/carracing.cma.16.64.hist.json and doomrnn/log/doomrnn.cma.16.64.hist.json: the first
20 generations, then every 25th, and every tenth up to 200. `evaluation` is the mean of 1,024
episodes of the best driver. All returns of Take Cover are from dreams at temperature 1.25.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from WorldModels.experiment.rows import read_rows
from WorldModels.figures.curves import Rows, column
from WorldModels.figures.style import (
    BAND,
    BLUE,
    DASHES,
    GREY,
    PUBLISHED,
    SMALL,
    VERMILION,
    figure_of,
    mark_solved,
)

# What a curve is drawn against -> column of the CSV, unit, label.
AGAINST = {
    "generation": ("generation", 1, "generation"),
    "frames": ("frames", 1, "steps of the environment"),
    "hours": ("elapsed_seconds", 3600, "wall time (hours)"),
}
PUBLISHED_BY = (
    "published: hardmaru/WorldModelsExperiments, 64 cores, 64 drivers x 16 episodes per generation"
)
BEST_PUBLISHED = "published, best driver over 1,024 episodes"


def published(game: str) -> Rows:
    """The published curve of a game.

    Args:
        game: carracing or takecover.

    Returns:
        Rows of generation, elapsed_seconds, mean, min, max, std, evaluation.

    Raises:
        ValueError: there is none for this game; the message lists the games that have one.
    """
    rows = read_rows(Path(__file__).with_name("published.csv"))
    games = sorted({row["game"] for row in rows})
    if game not in games:
        raise ValueError(f"game: expected one of {', '.join(games)}, received {game!r}.")
    return [row for row in rows if row["game"] == game]


def learning_curve(
    runs: Mapping[str, Rows],
    against: str = "generation",
    game: str = "",
    solved: float | None = None,
    dreamt: bool = False,
) -> Figure:
    """How drivers learn: the population's mean, range and standard deviation, and the validation.

    Args:
        runs: name to rows of generations.csv: generation, elapsed_seconds, frames, mean, min, max,
            std, validation. For several runs, such as seeds, the band spans the lowest to the
            highest mean.
        against: "generation", "frames" or "hours".
        game: whose published curve is drawn too, except against frames, which its log lacks.
        solved: return at which a line is drawn.
        dreamt: whether the world was a dream.

    Raises:
        ValueError: a run without rows, an unknown `against`, or no published curve of the game.
    """
    _check(runs, against)
    name, unit, label = AGAINST[against]
    label = "steps of dreams" if dreamt and against == "frames" else label
    figure, (axes,) = figure_of(1)
    (_one if len(runs) == 1 else _several)(axes, runs, name, unit)
    beside = bool(game) and against != "frames"
    if beside:
        _add_published(axes, published(game), name, unit)
    _finish(figure, axes, label, beside, solved)
    figure.suptitle(f"C: learning, by {label}")
    return figure


def _check(runs: Mapping[str, Rows], against: str) -> None:
    if against not in AGAINST:
        raise ValueError(f"against: expected one of {', '.join(AGAINST)}, received {against!r}.")
    if not runs or not all(map(len, runs.values())):
        raise ValueError("runs: expected at least one, each with at least one row, received none.")


def evaluation_band(rows: Rows, game: str = "", solved: float | None = None) -> Figure:
    """The validation score with one standard deviation, beside the published evaluations.

    Args:
        rows: of generations.csv: generation, validation, validation_sd (of single episodes).
        game: see `learning_curve`.
        solved: see `learning_curve`.

    Raises:
        ValueError: nothing was validated.
    """
    scored = [row for row in rows if np.isfinite(column([row], "validation")[0])]
    if not scored:
        raise ValueError("generations.csv: expected at least one validation, received none.")
    figure, (axes,) = figure_of(1)
    generation, mean, sd = (
        column(scored, name) for name in ("generation", "validation", "validation_sd")
    )
    label = "one standard deviation of an episode"
    axes.fill_between(generation, mean - sd, mean + sd, color=BAND, linewidth=0, label=label)
    axes.plot(generation, mean, "o-", color=VERMILION, markersize=4, label="validation, mean")
    if game:
        best = [row for row in published(game) if row["evaluation"]]
        x, y = column(best, "generation"), column(best, "evaluation")
        look = {"color": PUBLISHED, "markersize": 4, "linewidth": 1}
        axes.plot(x, y, "^--", label=BEST_PUBLISHED, **look)
    _finish(figure, axes, "generation", bool(game), solved)
    figure.suptitle("C: evaluations")
    return figure


def _finish(figure: Figure, axes: Axes, label: str, beside: bool, solved: float | None) -> None:
    """Set axes and legend; the scale is logarithmic beside the far longer published curve."""
    mark_solved(axes, solved, ":")
    axes.set(xlabel=label + (", log scale" if beside else ""), ylabel="return of an episode")
    if beside:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    else:
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(8))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    figure.legend(
        frameon=False,
        loc="outside lower center",
        ncols=3,
        fontsize=SMALL,
        title=PUBLISHED_BY if beside else None,
        title_fontsize=SMALL,
    )


def _one(axes: Axes, runs: Mapping[str, Rows], name: str, unit: float) -> None:
    ((run, rows),) = runs.items()
    x, mean, sd = column(rows, name) / unit, column(rows, "mean"), column(rows, "std")
    low, high, validation = (column(rows, each) for each in ("min", "max", "validation"))
    scored = np.isfinite(validation)
    label = "population, worst to best"
    axes.fill_between(x, low, high, color=BAND, alpha=0.5, linewidth=0, label=label)
    label = "population, one standard deviation"
    below, above = np.maximum(mean - sd, low), np.minimum(mean + sd, high)
    axes.fill_between(x, below, above, color=BLUE, alpha=0.3, linewidth=0, label=label)
    axes.plot(x, mean, "-", color=BLUE, linewidth=1.2, label=f"{run}, mean of the population")
    label = f"{run}, validation"
    axes.plot(x[scored], validation[scored], "o-", markersize=4, color=VERMILION, label=label)


def _several(axes: Axes, runs: Mapping[str, Rows], name: str, unit: float) -> None:
    ends = min(column(rows, name)[-1] for rows in runs.values()) / unit
    x = np.linspace(0, ends, 200)
    means = np.stack(
        [np.interp(x, column(rows, name) / unit, column(rows, "mean")) for rows in runs.values()]
    )
    low, high, label = means.min(axis=0), means.max(axis=0), "lowest to highest mean"
    axes.fill_between(x, low, high, color=BAND, linewidth=0, label=f"{len(runs)} runs, {label}")
    axes.plot(x, means.mean(axis=0), color=BLUE, linewidth=2, label=f"mean of {len(runs)} runs")
    for number, (run, rows) in enumerate(runs.items()):
        validation = column(rows, "validation")
        scored = np.isfinite(validation)
        axes.plot(
            column(rows, name)[scored] / unit,
            validation[scored],
            DASHES[number % len(DASHES)],
            color=VERMILION,
            linewidth=1,
            label=f"{run}, validation",
        )


def _add_published(axes: Axes, rows: Rows, name: str, unit: float) -> None:
    x, mean, best = column(rows, name) / unit, column(rows, "mean"), column(rows, "evaluation")
    label = "published, mean of the population"
    axes.plot(x, mean, "--", color=PUBLISHED, linewidth=1, label=label)
    scored = np.isfinite(best)
    axes.plot(x[scored], best[scored], "^", color=GREY, markersize=4, label=BEST_PUBLISHED)
