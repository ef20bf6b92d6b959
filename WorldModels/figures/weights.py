"""Draws what C listens to: its weights as a heat map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from WorldModels.figures.style import SMALL, TINY, add_caption, figure_of

WIDEST = 64  # numbers in a row of the map


def controller_weights(
    weights: np.ndarray,
    parts: Mapping[str, int],
    actions: Sequence[str],
    spread: np.ndarray | None = None,
) -> Figure:
    """Which numbers of z and h drive which action: red raises the action, blue lowers it.

    Args:
        weights: (F, A), from features to actions.
        parts: name of each part of the features, such as "z" and "h", to its size; they add up to
            F.
        actions: A names.
        spread: (F,) standard deviation of each feature while driving; where given, the map shows
            weight times spread, which is how much the feature moves the action.

    Raises:
        ValueError: the parts do not add up to F, or there are not A names.
    """
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 2 or weights.shape != (sum(parts.values()), len(actions)):
        raise ValueError(
            f"weights: expected ({sum(parts.values())} features, {len(actions)} actions), "
            f"received {weights.shape}."
        )
    shown = weights * (1 if spread is None else np.asarray(spread)[:, None])
    unit = "weight" if spread is None else "weight times the number's standard deviation"
    figure = _maps(shown, parts, actions, unit)
    figure.suptitle("C: what drives each action")
    shares = _shares(shown, parts, actions)
    add_caption(figure, f"{unit}, before the tanh; share of what moves each action: {shares}")
    return figure


def _maps(shown: np.ndarray, parts: Mapping[str, int], actions: Sequence[str], unit: str) -> Figure:
    """The rows of the map, one panel each, with one scale of colours."""
    rows = _rows(shown, parts)
    figure, panels = figure_of(1, len(rows), (10, 1.0 + len(rows) * (0.42 + 0.2 * len(actions))))
    most = float(np.abs(shown).max()) or 1.0
    widest = max(len(values) for _, _, values in rows)
    for axes, (name, start, values) in zip(panels, rows, strict=True):
        image = _map(axes, values, start, most)
        axes.set_yticks(range(len(actions)), actions, fontsize=SMALL)
        axes.set_xlim(start - 0.5, start + widest - 0.5)
        axes.tick_params(axis="x", labelsize=TINY)
        axes.set_ylabel(name, rotation=0, labelpad=12, va="center")
        axes.grid(False)
    figure.colorbar(image, ax=list(panels), label=unit, shrink=0.7)
    return figure


def _map(axes: Axes, values: np.ndarray, start: int, most: float) -> Any:
    """One row: weights (n, A) of the numbers from `start` on."""
    count, size = values.shape
    return axes.imshow(
        values.T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-most,
        vmax=most,
        interpolation="nearest",
        extent=(start - 0.5, start + count - 0.5, size - 0.5, -0.5),
    )


def _rows(weights: np.ndarray, parts: Mapping[str, int]) -> list[tuple[str, int, np.ndarray]]:
    """Pieces of at most WIDEST numbers: (part, index of the first in its part, weights (n, A))."""
    rows, start = [], 0
    for name, size in parts.items():
        rows += [
            (name, i, weights[start + i : start + min(i + WIDEST, size)])
            for i in range(0, size, WIDEST)
        ]
        start += size
    return rows


def _shares(weights: np.ndarray, parts: Mapping[str, int], actions: Sequence[str]) -> str:
    """Each part's share of the sum of squares, action by action."""
    ends = np.cumsum(list(parts.values()))[:-1]
    sums = np.stack([np.square(piece).sum(axis=0) for piece in np.split(weights, ends)])
    share = sums / np.maximum(sums.sum(axis=0), 1e-12)
    return "; ".join(
        f"{action} {', '.join(f'{n} {s:.0%}' for n, s in zip(parts, share[:, a], strict=True))}"
        for a, action in enumerate(actions)
    )
