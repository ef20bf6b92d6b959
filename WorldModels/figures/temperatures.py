"""How long drivers that were evolved at several temperatures live, in their dream and in the real
game. Knows summaries only.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from WorldModels.figures.style import DREAM, REAL, figure_of


def temperature_figure(rows: Sequence[Mapping]) -> Figure:
    """Mean return in the dream and in the real game against the temperature of the dream that C was
    evolved in.

    Args:
        rows: each with temperature, and dream and real, both with mean and interval as
            figures.scores.summary gives them.
    """
    rows = sorted(rows, key=lambda row: row["temperature"])
    figure, (axes,) = figure_of(1, size=(6, 4))
    places = range(len(rows))
    for name, colour, style, shift in (("dream", DREAM, "s--", -0.08), ("real", REAL, "o-", 0.08)):
        means = [row[name]["mean"] for row in rows]
        spread = [
            [mean - row[name]["interval"][0] for mean, row in zip(means, rows, strict=True)],
            [row[name]["interval"][1] - mean for mean, row in zip(means, rows, strict=True)],
        ]
        label = {"dream": "in its own dream", "real": "in the real game"}[name]
        axes.errorbar(
            [place + shift for place in places],
            means,
            spread,
            fmt=style,
            color=colour,
            capsize=3,
            label=label,
        )
    axes.set_xticks(list(places), [f"{row['temperature']:g}" for row in rows])
    axes.set(
        xlabel="temperature of the dream that C was evolved in",
        ylabel="mean return (bars: 95 % interval)",
    )
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.legend(frameon=False)
    return figure
