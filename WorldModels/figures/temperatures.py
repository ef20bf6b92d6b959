"""Draws how well drivers evolved at several temperatures do in their dream and in the game."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from WorldModels.figures.style import DREAM, REAL, figure_of


def temperature_figure(rows: Sequence[Mapping]) -> Figure:
    """Mean return in the dream and in the game, by the temperature at which C was evolved.

    Args:
        rows: each with temperature, and dream and real, both with mean and interval as
            figures.scores.summary gives them.
    """
    rows = sorted(rows, key=lambda row: row["temperature"])
    figure, (axes,) = figure_of(1, size=(6, 4))
    _returns(axes, rows, "dream", -0.08, fmt="s--", color=DREAM, label="in its own dream")
    _returns(axes, rows, "real", 0.08, fmt="o-", color=REAL, label="in the real game")
    axes.set_xticks(range(len(rows)), [f"{row['temperature']:g}" for row in rows])
    axes.set(
        xlabel="temperature of the dream that C was evolved in",
        ylabel="mean return (bars: 95% interval)",
    )
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.legend(frameon=False)
    return figure


def _returns(axes: Axes, rows: Sequence[Mapping], world: str, shift: float, **look: str) -> None:
    """Means with their intervals, shifted sideways so that the two worlds do not overlap."""
    means = [row[world]["mean"] for row in rows]
    ends = [row[world]["interval"] for row in rows]
    below = [mean - low for mean, (low, _) in zip(means, ends, strict=True)]
    above = [high - mean for mean, (_, high) in zip(means, ends, strict=True)]
    places = [place + shift for place in range(len(rows))]
    axes.errorbar(places, means, [below, above], capsize=3, **look)
