"""Draws each loss of a training run in its own panel."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from WorldModels.figures.curves import HELD_OUT_PREFIX, Rows, column
from WorldModels.figures.style import HELD_OUT, TRAIN, panel_grid

NOT_LOSSES = {"epoch", "step", "seconds", "images_per_second"}


def loss_curves(often: Rows, epochs: Rows) -> Figure:
    """Each loss by training step, and on held-out data after each epoch.

    Args:
        often: rows of step and the losses' means since the row before; may be empty.
        epochs: rows of step, the losses' means in an epoch, and val_<name>.

    Raises:
        ValueError: there are no epochs.
    """
    if not epochs:
        raise ValueError("losses: expected at least one epoch, received none.")
    rows = often or epochs
    names = _names([*rows[:1], *epochs[:1]])
    figure, panels = panel_grid(len(names), 3, 2.1, 0.6)
    often_mark = "-" if len(rows) > 2 else "s-"  # two points would not show as a line
    for axes, name in zip(panels, names, strict=True):
        _plot(axes, rows, name, often_mark, TRAIN)
        _plot(axes, epochs, HELD_OUT_PREFIX + name, "o-", HELD_OUT)
        axes.set_title(name.replace("_", " "), fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.25)
    figure.supxlabel("training steps done (blue: training, orange: held out)", fontsize=9)
    return figure


def _names(rows: Rows) -> Sequence[str]:
    """The names of the losses in some rows, each once."""
    names = (name.removeprefix(HELD_OUT_PREFIX) for row in rows for name in row)
    return list(dict.fromkeys(name for name in names if name not in NOT_LOSSES))


def _plot(axes: Axes, rows: Rows, name: str, mark: str, colour: str) -> None:
    values, steps = column(rows, name), column(rows, "step")
    there = np.isfinite(values)
    axes.plot(steps[there], values[there], mark, color=colour, markersize=3, linewidth=1)
