"""Kinds of memory, vision or evolution beside one another. Knows the plain numbers of a comparison
alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from WorldModels.figures.style import COLOURS, line, plain

MODE, CONSTANT = "mode", "last frame kept"


def memory_figure(rows: Sequence[Mapping]) -> Figure:
    """Kinds of memory: held-out loss with what it must beat, dreaming on by horizon, speeds, and
    drivers.

    Args:
        rows: those of a comparison's JSON that did not fail.
    """
    figure, (loss, horizon, speed, driver) = _panels(2, 2)
    _loss(loss, rows)
    _horizon(horizon, rows)
    _speed(speed, rows)
    _returns(driver, rows)
    figure.suptitle("Kinds of memory on the same episodes, V and series")
    return figure


def vision_figure(rows: Sequence[Mapping]) -> Figure:
    """Kinds of vision: squared error and structural similarity of held-out frames, and drivers."""
    figure, (error, likeness, driver) = _panels(1, 3)
    _bars(error, rows, [row["squared_error"] for row in rows], "squared error of a held-out frame")
    _bars(likeness, rows, [row["ssim"] for row in rows], "structural similarity of held-out frames")
    likeness.set_ylim(0, 1)
    _returns(driver, rows)
    figure.suptitle("Kinds of vision on the same episodes")
    return figure


def optimizer_figure(rows: Sequence[Mapping]) -> Figure:
    """Kinds of evolution: learning curves over the steps of the environment, and drivers."""
    figure, (curve, driver) = _panels(1, 2)
    for number, row in enumerate(rows):
        there = row["driver"]["curve"]
        looks = line(number)
        curve.plot(
            *np.transpose(there["population"]),
            linewidth=1,
            color=looks["color"],
            linestyle=looks["linestyle"],
        )
        curve.plot(there["frames"], there["validation"], markersize=7, **looks, label=row["kind"])
    curve.set(
        xlabel="training steps of the environment so far",
        xlim=(0, None),
        ylabel="return: mean of the population (line),\nthe mean on validation tracks (marks)",
    )
    curve.xaxis.set_major_formatter(EngFormatter(sep=""))
    curve.legend(frameon=False)
    _returns(driver, rows)
    figure.suptitle("Kinds of evolution on the same V and M")
    return figure


FIGURES = {"memory": memory_figure, "vision": vision_figure, "optimizer": optimizer_figure}


def reconstructions(frames: np.ndarray, seen: Mapping[str, np.ndarray]) -> Figure:
    """Frames over what each kind of vision makes of them.

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


def _colours(rows: Sequence[Mapping]) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(rows))]


def _named(axes: Axes, rows: Sequence[Mapping]) -> np.ndarray:
    """Kinds along the x axis; gives their places."""
    places = np.arange(len(rows))
    crowded = sum(len(row["kind"]) for row in rows) > 40
    axes.set_xticks(
        places,
        [row["kind"] for row in rows],
        rotation=25 if crowded else 0,
        ha="right" if crowded else "center",
    )
    axes.set_xlim(-0.6, len(rows) - 0.4)
    return places


def _bars(axes: Axes, rows: Sequence[Mapping], values: Sequence[float], label: str) -> None:
    bars = axes.bar(_named(axes, rows), values, 0.6, color=_colours(rows))
    axes.bar_label(bars, fmt="%.3g", fontsize=8)
    axes.set_ylabel(label)


def _loss(axes: Axes, rows: Sequence[Mapping]) -> None:
    places = _named(axes, rows)
    values = np.array(
        [[row["nll"].get(name, np.nan) for name in ("held_out", "unconditional")] for row in rows]
    )
    axes.plot(
        places,
        values[:, 1],
        "_",
        markersize=28,
        markeredgewidth=2,
        color="#555555",
        label="its head without inputs",
    )
    axes.scatter(places, values[:, 0], 60, color=_colours(rows), zorder=3, label="held out")
    for place, value in zip(
        places[np.isfinite(values[:, 0])], values[np.isfinite(values[:, 0]), 0], strict=True
    ):
        axes.annotate(
            f"{value:.3f}", (place, value), xytext=(8, -3), textcoords="offset points", fontsize=8
        )
    for name, label, style in (
        ("copy_previous", "latent before", "--"),
        ("static", "never moving", ":"),
    ):
        if name in rows[0]["nll"]:
            axes.axhline(
                rows[0]["nll"][name], color="black", linewidth=1, linestyle=style, label=label
            )
    axes.set_ylabel("negative log likelihood of the next z\n(nats a dimension)")
    axes.margins(y=0.12)
    axes.legend(frameon=False, fontsize=8)


def _horizon(axes: Axes, rows: Sequence[Mapping]) -> None:
    there = [(number, row) for number, row in enumerate(rows) if row["horizon"]]
    for number, row in there:
        axes.plot(
            row["horizon"]["horizons"],
            row["horizon"]["frame"][MODE],
            markersize=4,
            **line(number),
            label=row["kind"],
        )
    axes.set(
        xlabel="steps dreamt since the last frame seen",
        ylabel="mean squared error of decoded pixels (0..1)",
    )
    if not there:
        return
    found = there[0][1]["horizon"]
    axes.plot(
        found["horizons"],
        found["frame"][CONSTANT],
        color="black",
        linewidth=2.5,
        alpha=0.4,
        label=CONSTANT,
    )
    axes.set_xscale("log")
    axes.set_xticks(found["horizons"], [str(h) for h in found["horizons"]])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)


def _speed(axes: Axes, rows: Sequence[Mapping]) -> None:
    places = _named(axes, rows)
    for name, shift, hatch, label in (
        ("training", -0.2, "", "training, tokens/s, all cores"),
        ("driving", 0.2, "///", "rollout, steps/s, one core"),
    ):
        values = [row.get("speed", {}).get(name, np.nan) for row in rows]
        bars = axes.bar(
            places + shift,
            values,
            0.38,
            color=_colours(rows),
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
            label=label,
        )
        axes.bar_label(
            bars, [_short(value) if np.isfinite(value) else "" for value in values], fontsize=8
        )
    if any(row.get("speed") for row in rows):  # while kinds are still being made there are none
        axes.set_yscale("log")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel("a second (logarithmic)")
    axes.margins(y=0.2)
    axes.legend(frameon=False, fontsize=8)


def _returns(axes: Axes, rows: Sequence[Mapping]) -> None:
    means = np.array([row["driver"]["mean"] for row in rows])
    low, high = np.array([row["driver"]["interval"] for row in rows]).T
    places = _named(axes, rows)
    for place, mean, down, up, colour in zip(
        places, means, means - low, high - means, _colours(rows), strict=True
    ):
        axes.errorbar(place, mean, [[down], [up]], fmt="o", markersize=8, color=colour, capsize=5)
        axes.annotate(
            f"{mean:.0f}", (place, mean), xytext=(8, -3), textcoords="offset points", fontsize=8
        )
    frames = sorted({row["driver"]["frames"] for row in rows})
    axes.set_ylabel(
        f"driver's return on {rows[0]['driver']['n']} test tracks\n(bars: 95 % interval)"
    )
    axes.set_xlabel(
        "evolved on "
        + " to ".join(dict.fromkeys(_short(count) for count in (frames[0], frames[-1])))
        + " steps each"
    )


def _short(number: float) -> str:
    """Three digits: 1234567 as 1.23M."""
    return EngFormatter(sep="")(float(f"{number:.3g}"))
