"""Every loss of a training in a panel of its own. Knows rows of numbers, not what they mean."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from WorldModels.figures.curves import HELD_OUT_PREFIX, Rows, column
from WorldModels.figures.style import HELD_OUT, TRAIN

NOT_LOSSES = {"epoch", "step", "seconds", "images_per_second"}


def loss_curves(often: Rows, epochs: Rows) -> Figure:
    """Each number of a training by step, as often as there are rows, and on held-out data after
    each epoch.

    Args:
        often: rows of step and the numbers' means since the row before; may be none.
        epochs: rows of step, the numbers' means in an epoch, and val_<name>.

    Raises:
        ValueError: there are no epochs.
    """
    if not epochs:
        raise ValueError("losses: expected at least one epoch, received none.")
    rows = often or epochs
    names = {
        name.removeprefix(HELD_OUT_PREFIX): None
        for row in (*rows[:1], *epochs[:1])
        for name in row
        if name not in NOT_LOSSES
    }
    columns = math.ceil(math.sqrt(len(names)))
    height = math.ceil(len(names) / columns)
    figure = Figure(figsize=(1 + 3 * columns, 0.6 + 2.1 * height), layout="constrained")
    panels = figure.subplots(height, columns, squeeze=False).ravel()
    often_mark = "-" if len(rows) > 2 else "s-"  # a few points make no line
    for axes, name in zip(panels, names, strict=False):
        for table, key, mark, colour in (
            (rows, name, often_mark, TRAIN),
            (epochs, HELD_OUT_PREFIX + name, "o-", HELD_OUT),
        ):
            values, steps = column(table, key), column(table, "step")
            axes.plot(
                steps[np.isfinite(values)],
                values[np.isfinite(values)],
                mark,
                color=colour,
                markersize=3,
                linewidth=1,
            )
        axes.set_title(name.replace("_", " "), fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.25)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("training steps done (blue: training, orange: held out)", fontsize=9)
    return figure
