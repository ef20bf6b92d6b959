"""Draws how faithful a dream is: its returns beside the game's, and its open-loop error."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from WorldModels.figures.curves import Rows, column
from WorldModels.figures.style import (
    BAND,
    HELD_OUT,
    SIGMA,
    SMALL,
    TRAIN,
    figure_of,
    mark_solved,
)

STYLES = ((TRAIN, "o-"), (HELD_OUT, "s-"), (SIGMA, "^--"))


def dream_curve(
    rows: Rows, points: Sequence[Mapping], random: float, solved: float | None = None
) -> Figure:
    """The learning curve in the dream and in the game.

    Args:
        rows: of generations.csv: generation, validation, validation_sd.
        points: generation and real (mean, interval and n) of each search mean that played the game.
        random: mean return of the random policy in the game.
        solved: return at which a line is drawn.

    Raises:
        ValueError: there are no points.
    """
    if not points:
        raise ValueError(
            "curve: expected at least one generation that played the game, received none."
        )
    figure, (axes,) = figure_of(1)
    _in_the_dream(axes, rows)
    _in_the_game(axes, points)
    axes.axhline(random, color=SIGMA, linewidth=1, linestyle=":", label="in the game, random")
    mark_solved(axes, solved, "--")
    axes.set(xlabel="generation", ylabel="return of an episode")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=SMALL)
    figure.suptitle("C: returns in the dream and in the game")
    return figure


def _in_the_dream(axes: Axes, rows: Rows) -> None:
    scored = np.isfinite(column(rows, "validation"))
    generation, mean, sd = (
        column(rows, name)[scored] for name in ("generation", "validation", "validation_sd")
    )
    axes.fill_between(
        generation,
        mean - sd,
        mean + sd,
        color=BAND,
        alpha=0.6,
        linewidth=0,
        label="in the dream, one standard deviation",
    )
    axes.plot(generation, mean, "o-", markersize=4, color=TRAIN, label="in the dream, mean")


def _in_the_game(axes: Axes, points: Sequence[Mapping]) -> None:
    real = np.array([(p["generation"], p["real"]["mean"], *p["real"]["interval"]) for p in points])
    axes.errorbar(
        real[:, 0],
        real[:, 1],
        (real[:, 1] - real[:, 2], real[:, 3] - real[:, 1]),
        fmt="s-",
        markersize=4,
        capsize=3,
        color=HELD_OUT,
        label=f"in the game, mean of {points[-1]['real']['n']} and its 95% interval",
    )


def horizon_curves(errors: Mapping, decoded: str = "pixels (0..1)") -> Figure:
    """The error of the open-loop dream, by the number of steps since the last frame that M saw.

    Args:
        errors: horizons (K,), and in both `latent` and `frame` each prediction's errors (K,) by
            name.
        decoded: what V decodes.
    """
    figure, panels = figure_of(2)
    whats = (("latent", "of the latent"), ("frame", f"of decoded {decoded}"))
    for axes, (what, label) in zip(panels, whats, strict=True):
        for (name, values), (colour, style) in zip(errors[what].items(), STYLES, strict=False):
            axes.plot(errors["horizons"], values, style, color=colour, markersize=4, label=name)
        axes.set(
            xscale="log",
            xlabel="steps dreamt since the last frame seen",
            ylabel=f"mean squared error {label}",
        )
        axes.set_xticks(errors["horizons"], [str(h) for h in errors["horizons"]])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False)
    figure.suptitle("M dreams open-loop from the true history, with the true actions")
    return figure
