"""Learning curves of C over generations, frames and wall time, beside the published one. Knows rows
of generations.csv alone.

published.csv: of the two logs that come with hardmaru/WorldModelsExperiments,
carracing/log/carracing.cma.16.64.hist.json and
doomrnn/log/doomrnn.cma.16.64.hist.json, the first 20 generations, then every tenth to 200 and every
25th; `evaluation` is the mean of
1,024 episodes of the best driver. Of Take Cover all returns are those of dreams at temperature
1.25.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from WorldModels.experiment.files import read_rows
from WorldModels.figures.curves import SOLVED, Rows, column
from WorldModels.figures.style import (
    BAND,
    BLUE,
    DASHES,
    GREY,
    PUBLISHED,
    SMALL,
    VERMILION,
    figure_of,
)

AGAINST = {
    "generation": ("generation", 1, "generation"),
    "frames": ("frames", 1, "steps of the environment"),
    "hours": ("elapsed_seconds", 3600, "wall time (hours)"),
}
PUBLISHED_BY = "published: hardmaru/WorldModelsExperiments, 64 cores, 64 drivers of 16 episodes each a generation"
BEST_PUBLISHED = "published, best driver over 1,024 episodes"


def published(game: str) -> Rows:
    """The published curve of a game: rows of generation, elapsed_seconds, mean, min, max, std,
    evaluation.

    Args:
        game: carracing or takecover.

    Raises:
        ValueError: there is none of this game; the message lists those that there are.
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
    solved: float | None = SOLVED,
    dreamt: bool = False,
) -> Figure:
    """How drivers learn: mean, least and best of the population, one standard deviation, and the
    validation score.

    Args:
        runs: name to rows of generations.csv: generation, elapsed_seconds, frames, mean, min, max,
            std, validation. Of several runs,
            seeds say, the band is from the least to the highest mean.
        against: "generation", "frames" or "hours".
        game: whose published curve is drawn too; its log has no frames.
        solved: return at which a line is drawn.
        dreamt: the world was a dream.

    Raises:
        ValueError: no rows, an unknown `against`, or no published curve of the game.
    """
    if against not in AGAINST:
        raise ValueError(f"against: expected one of {', '.join(AGAINST)}, received {against!r}.")
    if not runs or not all(map(len, runs.values())):
        raise ValueError("runs: expected at least one with a row each, received none.")
    name, unit, label = AGAINST[against]
    label = "steps of dreams" if dreamt and against == "frames" else label
    figure, (axes,) = figure_of(1)
    (_one if len(runs) == 1 else _several)(axes, runs, name, unit)
    beside = game and against != "frames"
    if beside:
        _add_published(axes, published(game), name, unit)
    _finish(figure, axes, label, bool(beside), solved)
    figure.suptitle(f"C: learning, by {label}")
    return figure


def evaluation_band(rows: Rows, game: str = "", solved: float | None = SOLVED) -> Figure:
    """The validation score of the mean of the search with one standard deviation, beside the
    published evaluations.

    Args:
        rows: of generations.csv: generation, validation, validation_sd (of single episodes).
        game, solved: see `learning_curve`.

    Raises:
        ValueError: nothing was validated.
    """
    scored = [row for row in rows if np.isfinite(column([row], "validation")[0])]
    if not scored:
        raise ValueError("generations.csv: expected at least one validation, received none.")
    generation, mean, sd = (
        column(scored, name) for name in ("generation", "validation", "validation_sd")
    )
    figure, (axes,) = figure_of(1)
    axes.fill_between(
        generation,
        mean - sd,
        mean + sd,
        color=BAND,
        linewidth=0,
        label="one standard deviation of an episode",
    )
    axes.plot(generation, mean, "o-", color=VERMILION, markersize=4, label="validation, mean")
    if game:
        rows = [row for row in published(game) if row["evaluation"]]
        axes.plot(
            column(rows, "generation"),
            column(rows, "evaluation"),
            "^--",
            color=PUBLISHED,
            markersize=4,
            linewidth=1,
            label=BEST_PUBLISHED,
        )
    _finish(figure, axes, "generation", bool(game), solved)
    figure.suptitle("C: evaluations")
    return figure


def _finish(figure: Figure, axes: Axes, label: str, beside: bool, solved: float | None) -> None:
    """Axes and legend; beside the published curve, which is far longer, the scale is logarithmic."""
    if solved is not None:
        axes.axhline(
            solved, color="black", linewidth=1, linestyle=":", label=f"{solved:g}: counts as solved"
        )
    axes.set(xlabel=label + (", logarithmic" if beside else ""), ylabel="return of an episode")
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
    ((who, rows),) = runs.items()
    x, mean, sd = column(rows, name) / unit, column(rows, "mean"), column(rows, "std")
    scored = np.isfinite(column(rows, "validation"))
    low, high = column(rows, "min"), column(rows, "max")
    axes.fill_between(
        x, low, high, color=BAND, alpha=0.5, linewidth=0, label="population, least to best"
    )
    axes.fill_between(
        x,
        np.maximum(mean - sd, low),
        np.minimum(mean + sd, high),
        color=BLUE,
        alpha=0.3,
        linewidth=0,
        label="population, one standard deviation",
    )
    axes.plot(x, mean, "-", color=BLUE, linewidth=1.2, label=f"{who}, mean of the population")
    axes.plot(
        x[scored],
        column(rows, "validation")[scored],
        "o-",
        markersize=4,
        color=VERMILION,
        label=f"{who}, validation",
    )


def _several(axes: Axes, runs: Mapping[str, Rows], name: str, unit: float) -> None:
    ends = min(column(rows, name)[-1] for rows in runs.values()) / unit
    x = np.linspace(0, ends, 200)
    means = np.stack(
        [np.interp(x, column(rows, name) / unit, column(rows, "mean")) for rows in runs.values()]
    )
    axes.fill_between(
        x,
        means.min(axis=0),
        means.max(axis=0),
        color=BAND,
        linewidth=0,
        label=f"{len(runs)} runs, least to highest mean",
    )
    axes.plot(x, means.mean(axis=0), color=BLUE, linewidth=2, label=f"mean of {len(runs)} runs")
    for number, (who, rows) in enumerate(runs.items()):
        scored = np.isfinite(column(rows, "validation"))
        axes.plot(
            column(rows, name)[scored] / unit,
            column(rows, "validation")[scored],
            DASHES[number % len(DASHES)],
            color=VERMILION,
            linewidth=1,
            label=f"{who}, validation",
        )


def _add_published(axes: Axes, rows: Rows, name: str, unit: float) -> None:
    x, scored = column(rows, name) / unit, np.isfinite(column(rows, "evaluation"))
    axes.plot(
        x,
        column(rows, "mean"),
        "--",
        color=PUBLISHED,
        linewidth=1,
        label="published, mean of the population",
    )
    axes.plot(
        x[scored],
        column(rows, "evaluation")[scored],
        "^",
        color=GREY,
        markersize=4,
        label=BEST_PUBLISHED,
    )
