"""Charts of what V makes of vectors. Knows numbers alone."""

import math

import numpy as np
from matplotlib.figure import Figure

from WorldModels.figures.style import TRAIN

MOST = 36  # numbers of a vector that are drawn


def reconstruction_chart(observations: np.ndarray, reconstruction: np.ndarray) -> Figure:
    """Each number of a vector in a panel of its own: what it was, and what V made of it; on the
    line they are the same.

    Above each panel stands the share of the number's variance that is rebuilt, 1 - squared error /
    variance. Of long vectors the
    numbers that vary most are drawn.

    Args:
        observations, reconstruction: (N, D) in the environment's own units.

    Raises:
        ValueError: there are no observations, or not as many reconstructions.
    """
    if (
        observations.ndim != 2
        or len(observations) == 0
        or observations.shape != reconstruction.shape
    ):
        raise ValueError(
            f"vectors: expected observations (N, D) and as many made of them, received {observations.shape} and "
            f"{reconstruction.shape}."
        )
    variance = observations.var(axis=0)
    chosen = np.sort(np.argsort(-variance, kind="stable")[:MOST])
    columns = math.ceil(math.sqrt(len(chosen)))
    rows = math.ceil(len(chosen) / columns)
    figure = Figure(figsize=(1 + 1.9 * columns, 0.8 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, number in zip(panels, chosen, strict=False):
        true, rebuilt = observations[:, number], reconstruction[:, number]
        ends = min(true.min(), rebuilt.min()), max(true.max(), rebuilt.max())
        axes.plot(ends, ends, color="black", linewidth=0.8)
        axes.plot(true, rebuilt, ".", color=TRAIN, markersize=2, alpha=0.5)
        error = np.mean((true - rebuilt) ** 2)
        share = f": {1 - error / variance[number]:.3f}" if variance[number] > 0 else ""
        axes.set_title(f"{number}{share}", fontsize=8)
        axes.tick_params(labelsize=6)
    for axes in panels[len(chosen) :]:
        axes.set_axis_off()
    figure.supxlabel("recorded", fontsize=9)
    figure.supylabel("reconstructed", fontsize=9)
    of = f" (the {MOST} of {len(variance)} that vary most)" if len(variance) > MOST else ""
    figure.suptitle(
        f"V: each number{of}, and the share of its variance that is rebuilt", fontsize=10
    )
    return figure
