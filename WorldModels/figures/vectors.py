"""Draws charts of vectors beside V's reconstructions."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from WorldModels.figures.style import TRAIN, panel_grid

MOST = 36  # numbers of a vector drawn, at most


def reconstruction_chart(observations: np.ndarray, reconstruction: np.ndarray) -> Figure:
    """Each number of a vector in a panel: what was recorded against what V reconstructs.

    On the line the two are equal. Each title gives the share of the number's variance that is
    reconstructed, 1 - squared error / variance. Of a long vector, only the numbers that vary most
    are drawn.

    Args:
        observations: (N, D) in the environment's own units.
        reconstruction: (N, D), V's reconstructions of them.

    Raises:
        ValueError: there are no observations, or not as many reconstructions.
    """
    _check(observations, reconstruction)
    variance = observations.var(axis=0)
    chosen = np.sort(np.argsort(-variance, kind="stable")[:MOST])
    figure, panels = panel_grid(len(chosen), 1.9, 1.9, 0.8)
    for axes, number in zip(panels, chosen, strict=True):
        share = _scatter(axes, observations[:, number], reconstruction[:, number])
        axes.set_title(f"{number}{share}", fontsize=8)
    figure.supxlabel("recorded", fontsize=9)
    figure.supylabel("reconstructed", fontsize=9)
    of = f" (the {MOST} of {len(variance)} that vary most)" if len(variance) > MOST else ""
    figure.suptitle(
        f"V: each number{of}, and the share of its variance that is reconstructed", fontsize=10
    )
    return figure


def _scatter(axes: Axes, recorded: np.ndarray, rebuilt: np.ndarray) -> str:
    """Draw one number; return the share of its variance that is reconstructed, as text."""
    ends = min(recorded.min(), rebuilt.min()), max(recorded.max(), rebuilt.max())
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.plot(recorded, rebuilt, ".", color=TRAIN, markersize=2, alpha=0.5)
    axes.tick_params(labelsize=6)
    error, variance = np.mean((recorded - rebuilt) ** 2), recorded.var()
    return f": {1 - error / variance:.3f}" if variance > 0 else ""


def _check(observations: np.ndarray, reconstruction: np.ndarray) -> None:
    alike = observations.shape == reconstruction.shape
    if observations.ndim != 2 or len(observations) == 0 or not alike:
        raise ValueError(
            "vectors: expected observations (N, D) and as many reconstructions, received "
            f"{observations.shape} and {reconstruction.shape}."
        )
