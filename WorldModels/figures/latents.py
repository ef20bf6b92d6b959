"""Draws the latent space: what each dimension carries, and a map of where frames lie."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from WorldModels.figures.style import BAND, BLUE, SMALL, VERMILION, add_caption, figure_of

# Variance of the posterior's mean above which a dimension counts as used (Burda et al. 2016, arXiv
# 1509.00519).
ACTIVE = 0.01
MAPPED = 24  # frames drawn on a map, at most


def latent_summary(mean: np.ndarray, log_var: np.ndarray) -> dict[str, np.ndarray]:
    """What each latent dimension carries, over many frames.

    Args:
        mean: (N, Z), of V's posterior of each frame.
        log_var: (N, Z), likewise.

    Returns:
        mean and sd (Z,) of the posterior's mean; kl (Z,), the divergence from the standard normal
        in nats per frame; used (Z,) bool.

    Raises:
        ValueError: there are no frames, or the shapes differ.
    """
    mean, log_var = np.asarray(mean, np.float64), np.asarray(log_var, np.float64)
    if mean.ndim != 2 or not len(mean) or mean.shape != log_var.shape:
        raise ValueError(
            f"latents: expected mean and log_var (N, Z), received {mean.shape} and {log_var.shape}."
        )
    kl = 0.5 * (np.square(mean) + np.exp(log_var) - 1 - log_var).mean(axis=0)
    return {
        "mean": mean.mean(axis=0),
        "sd": mean.std(axis=0),
        "kl": kl,
        "used": mean.var(axis=0) > ACTIVE,
    }


def latent_statistics(mean: np.ndarray, log_var: np.ndarray) -> Figure:
    """Mean, spread and KL divergence of each latent dimension; those that V uses are dark.

    Args:
        mean: see `latent_summary`.
        log_var: see `latent_summary`.
    """
    found = latent_summary(mean, log_var)
    size, colours = len(found["kl"]), [BLUE if used else BAND for used in found["used"]]
    figure, (above, below) = figure_of(1, 2, (9, 5.2))
    _spreads(above, found, colours)
    below.bar(np.arange(size), found["kl"], 0.8, color=colours)
    below.set(xlabel="latent dimension", ylabel="KL divergence\n(nats per frame)", xlim=(-1, size))
    used, nats = int(found["used"].sum()), found["kl"].sum()
    figure.suptitle(f"V: {used} of {size} latent dimensions are used, {nats:.1f} nats per frame")
    add_caption(
        figure,
        f"over {len(mean):,} frames; dark: used, the variance of the posterior's mean is above "
        f"{ACTIVE:g}",
    )
    return figure


def _spreads(axes: Axes, found: dict[str, np.ndarray], colours: list[str]) -> None:
    mean, sd = found["mean"], found["sd"]
    places = np.arange(len(mean))
    axes.axhline(0, color="black", linewidth=0.8)
    axes.vlines(places, mean - sd, mean + sd, colors=colours, linewidth=4)
    axes.scatter(places, mean, 16, color=VERMILION, zorder=3)
    label = "mean of z over frames\n(bars: standard deviation)"
    axes.set(ylabel=label, xlim=(-1, len(places)))


def principal_components(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two directions in which points spread most.

    Args:
        points: (N, Z), two or more.

    Returns:
        coordinates (N, 2), and the share of all variance that each explains (2,). The sign of a
        direction makes its largest weight positive, so that equal points give equal maps.

    Raises:
        ValueError: there are fewer than two points or dimensions.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or min(points.shape) < 2:
        raise ValueError(f"points: expected (N, Z), two or more of each, received {points.shape}.")
    centred = points - points.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions[:2]).argmax(axis=1)
    directions = directions[:2] * np.sign(directions[:2][np.arange(2), largest])[:, None]
    return centred @ directions.T, singular[:2] ** 2 / max(float(np.sum(singular**2)), 1e-12)


def latent_map(
    points: np.ndarray, values: np.ndarray, label: str, frames: np.ndarray | None = None
) -> Figure:
    """A map of latents by principal components, coloured by a number, with frames where they lie.

    Args:
        points: (N, Z), the posterior's means.
        values: (N,) to colour by.
        label: what the values are, with their unit.
        frames: (N, H, W, 3); some of them are drawn in place.
    """
    places, share = principal_components(points)
    figure, (axes,) = figure_of(1, size=(7.5, 6))
    dots = axes.scatter(*places.T, 9, c=values, cmap="cividis")
    figure.colorbar(dots, ax=axes, label=label, shrink=0.8)
    for index in _spread(places, MAPPED) if frames is not None else ():
        _place(axes, frames[index], places[index])
    axes.set(
        xlabel=f"first principal component ({share[0]:.0%} of the variance)",
        ylabel=f"second principal component ({share[1]:.0%})",
    )
    axes.tick_params(labelsize=SMALL)
    figure.suptitle("V: a map of latents")
    return figure


def _place(axes: Axes, frame: np.ndarray, place: np.ndarray) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    image = OffsetImage(frame, zoom=0.42)
    axes.add_artist(AnnotationBbox(image, place, pad=0.1, bboxprops={"linewidth": 0.5}))


def _spread(places: np.ndarray, count: int) -> list[int]:
    """Indices of points far apart: each is the farthest from those chosen before it."""
    scaled = (places - places.mean(axis=0)) / (places.std(axis=0) + 1e-12)
    chosen = [int(np.square(scaled).sum(axis=1).argmin())]
    distance = np.full(len(places), np.inf)
    while len(chosen) < min(count, len(places)):
        distance = np.minimum(distance, np.square(scaled - scaled[chosen[-1]]).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return chosen
