"""Draws kinds of memory, vision or evolution beside one another, from the rows of a comparison."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from WorldModels.figures.style import COLOURS, SMALL, level, line, plain

Rows = Sequence[Mapping]  # those of a comparison's JSON that did not fail
MODE, CONSTANT = "mode", "last frame kept"
SPEEDS = (
    ("training", -0.2, "", "training, tokens/s, all cores"),
    ("driving", 0.2, "///", "rollout, steps/s, one core"),
)


def memory_figure(rows: Rows, noun: str = "game") -> Figure:
    """Kinds of memory: held-out loss beside baselines, open-loop error, speeds, and drivers.

    Args:
        rows: of a comparison.
        noun: what a test game is called.
    """
    figure, (loss, horizon, speed, driver) = _panels(2, 2)
    _loss(loss, rows)
    _horizon(horizon, rows)
    _speed(speed, rows)
    _returns(driver, rows, noun)
    figure.suptitle("Kinds of memory on the same episodes, V and series")
    return figure


def vision_figure(rows: Rows, noun: str = "game") -> Figure:
    """Kinds of vision: squared error and similarity of held-out frames, and drivers.

    Args:
        rows: see `memory_figure`.
        noun: see `memory_figure`.
    """
    figure, (error, likeness, driver) = _panels(1, 3)
    _bars(
        error,
        rows,
        [row["squared_error"] for row in rows],
        "squared error of a held-out frame, z its mean",
    )
    _bars(likeness, rows, [row["ssim"] for row in rows], "structural similarity of held-out frames")
    likeness.set_ylim(0, 1)
    _returns(driver, rows, noun)
    figure.suptitle("Kinds of vision on the same episodes")
    return figure


def optimizer_figure(rows: Rows, noun: str = "game") -> Figure:
    """Kinds of evolution: learning curves over environment steps, and drivers.

    Args:
        rows: see `memory_figure`.
        noun: see `memory_figure`.
    """
    figure, (curve, driver) = _panels(1, 2)
    for number, row in enumerate(rows):
        found, look = row["driver"]["curve"], line(number)
        thin = {"linewidth": 1, "color": look["color"], "linestyle": look["linestyle"]}
        curve.plot(*np.transpose(found["population"]), **thin)
        curve.plot(found["frames"], found["validation"], markersize=7, **look, label=row["kind"])
    curve.set(
        xlabel="training steps of the environment so far",
        xlim=(0, None),
        ylabel=f"return: population (line), mean\nof the search on validation {noun}s (marks)",
    )
    curve.xaxis.set_major_formatter(EngFormatter(sep=""))
    curve.legend(frameon=False)
    _returns(driver, rows, noun)
    figure.suptitle("Kinds of evolution on the same V and M")
    return figure


FIGURES = {"memory": memory_figure, "vision": vision_figure, "optimizer": optimizer_figure}


def reconstructions(frames: np.ndarray, seen: Mapping[str, np.ndarray]) -> Figure:
    """Frames above the reconstructions of each kind of vision.

    Args:
        frames: (N, H, W, 3) uint8.
        seen: kind -> (N, H, W, 3) float in 0..1.
    """
    lines = {"frame": frames / 255.0, **seen}
    figure = Figure(figsize=(1.1 * len(frames) + 0.6, 1.15 * len(lines)), layout="constrained")
    for axes, (name, pictures) in zip(
        figure.subplots(len(lines), len(frames), squeeze=False), lines.items(), strict=True
    ):
        for each, picture in zip(axes, pictures, strict=True):
            each.imshow(np.clip(picture, 0, 1), interpolation="nearest")
            each.set(xticks=[], yticks=[])
        axes[0].set_ylabel(name, fontsize=9)
    return figure


def _panels(rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(5.2 * columns, 4.2 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        plain(axes)
    return figure, panels


def _colours(rows: Rows) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(rows))]


def _kinds_along_x(axes: Axes, rows: Rows) -> np.ndarray:
    """Name the kinds along the x axis; return their positions."""
    places = np.arange(len(rows))
    crowded = sum(len(row["kind"]) for row in rows) > 40
    turned = {"rotation": 25, "ha": "right"} if crowded else {"rotation": 0, "ha": "center"}
    axes.set_xticks(places, [row["kind"] for row in rows], **turned)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    return places


def _note(axes: Axes, text: str, place: float, value: float) -> None:
    """Write a note beside a mark."""
    where = {"xytext": (8, -3), "textcoords": "offset points"}
    axes.annotate(text, (place, value), fontsize=SMALL, **where)


def _bars(axes: Axes, rows: Rows, values: Sequence[float], label: str) -> None:
    bars = axes.bar(_kinds_along_x(axes, rows), values, 0.6, color=_colours(rows))
    axes.bar_label(bars, fmt="%.3g", fontsize=SMALL)
    axes.set_ylabel(label)


def _loss(axes: Axes, rows: Rows) -> None:
    """Held-out loss of each kind, beside the baselines that it must beat."""
    places = _kinds_along_x(axes, rows)
    held_out, blind = (
        np.array([row["nll"].get(name, np.nan) for row in rows])
        for name in ("held_out", "unconditional")
    )
    dash = {"markersize": 28, "markeredgewidth": 2, "color": "#555555"}
    axes.plot(places, blind, "_", label="its head without inputs", **dash)
    axes.scatter(places, held_out, 60, color=_colours(rows), zorder=3, label="held out")
    for place, value in zip(places, held_out, strict=True):
        if np.isfinite(value):
            _note(axes, f"{value:.3f}", place, value)
    for name, label, style in (
        ("copy_previous", "previous latent", "--"),
        ("static", "static Gaussian", ":"),
    ):
        if name in rows[0]["nll"]:
            level(axes, rows[0]["nll"][name], label, style)
    axes.set_ylabel("negative log likelihood of the next z\n(nats per dimension)")
    axes.margins(y=0.12)
    axes.legend(frameon=False, fontsize=SMALL)


def _horizon(axes: Axes, rows: Rows) -> None:
    """The error of the open-loop dream by the number of steps."""
    axes.set(
        xlabel="steps dreamt since the last frame seen",
        ylabel="mean squared error of decoded pixels (0..1)",
    )
    found = {number: row for number, row in enumerate(rows) if row["horizon"]}
    for number, row in found.items():
        horizons, errors = row["horizon"]["horizons"], row["horizon"]["frame"][MODE]
        axes.plot(horizons, errors, markersize=4, **line(number), label=row["kind"])
    if not found:
        return
    first = next(iter(found.values()))["horizon"]
    horizons, kept = first["horizons"], first["frame"][CONSTANT]
    axes.plot(horizons, kept, color="black", linewidth=2.5, alpha=0.4, label=CONSTANT)
    axes.set_xscale("log")
    axes.set_xticks(horizons, [str(h) for h in horizons])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=SMALL)


def _speed(axes: Axes, rows: Rows) -> None:
    """Tokens per second in training, and steps per second in a rollout."""
    places = _kinds_along_x(axes, rows)
    look = {"color": _colours(rows), "edgecolor": "white", "linewidth": 0}
    for name, shift, hatch, label in SPEEDS:
        values = [row.get("speed", {}).get(name, np.nan) for row in rows]
        bars = axes.bar(places + shift, values, 0.38, hatch=hatch, label=label, **look)
        labels = [_short(value) if np.isfinite(value) else "" for value in values]
        axes.bar_label(bars, labels, fontsize=SMALL)
    if any(row.get("speed") for row in rows):  # no row has any while kinds are still being trained
        axes.set_yscale("log")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel("per second (log scale)")
    axes.margins(y=0.2)
    axes.legend(frameon=False, fontsize=SMALL)


def _returns(axes: Axes, rows: Rows, noun: str) -> None:
    """Mean return of each kind's driver with its interval."""
    places, colours = _kinds_along_x(axes, rows), _colours(rows)
    for place, row, colour in zip(places, rows, colours, strict=True):
        mean, (low, high) = row["driver"]["mean"], row["driver"]["interval"]
        spread = [[mean - low], [high - mean]]
        axes.errorbar(place, mean, spread, fmt="o", markersize=8, color=colour, capsize=5)
        _note(axes, f"{mean:.0f}", place, mean)
    frames = sorted({row["driver"]["frames"] for row in rows})
    steps = " to ".join(dict.fromkeys(_short(count) for count in (frames[0], frames[-1])))
    count = rows[0]["driver"]["n"]
    axes.set_ylabel(f"driver's return on {count} test {noun}s\n(bars: 95% interval)")
    axes.set_xlabel(f"each evolved over {steps} steps")


def _short(number: float) -> str:
    """Three digits: 1234567 as 1.23M."""
    return EngFormatter(sep="")(float(f"{number:.3g}"))
