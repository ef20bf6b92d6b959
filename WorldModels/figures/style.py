"""One look for every figure: colours, lines, sizes, captions, and pictures in rows.

The colours are Okabe and Ito's, which people with any colour vision can tell apart. Curves that
share a panel also differ in line style or marker, so that they can be told apart in grey.
"""

import math
import os
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from WorldModels.experiment.files import atomic
from WorldModels.figures.frames import grid

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY, BLACK = COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#AA4499",
    "#E69F00",
    "#56B4E9",
    "#7a7a7a",
    "#000000",
)
MARKERS, DASHES = "os^Dv<>P", ("-", "--", "-.", ":")
TRAIN, HELD_OUT, SIGMA, BAND = BLUE, VERMILION, GREY, "#b5d3e7"
DREAM, REAL, PUBLISHED = PURPLE, BLUE, BLACK
SMALL, TINY = 8, 6.5  # font sizes, in points: legends and captions; ticks in small panels
DPI = 120
GAP = 2  # white pixels between pictures in a row
PICTURE = 1.05  # side of a picture in a row, in inches


def line(number: int) -> dict[str, str]:
    """Colour, marker and line style of the n-th of several lines, for matplotlib's plot."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as a picture, complete or not at all; equal figures give equal files.

    Args:
        figure: to write.
        path: of the picture; its suffix gives the format (.png, .svg, .pdf).
    """
    kind = os.path.splitext(path)[1].lower()
    metadata = {
        ".png": {"Software": None},
        ".svg": {"Date": None},
        ".pdf": {"CreationDate": None},
    }.get(kind)
    with atomic(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "WorldModels"}):
        figure.savefig(temporary, dpi=DPI, metadata=metadata)


def figure_of(
    columns: int, rows: int = 1, size: tuple[float, float] = (0, 0)
) -> tuple[Figure, np.ndarray]:
    """A figure with panels in rows and columns, and its axes (rows * columns,).

    Args:
        columns: of panels.
        rows: of panels.
        size: width and height in inches; by default they follow from the number of panels.
    """
    figure = Figure(
        figsize=size if all(size) else (9 if columns > 1 else 8, 4.5 * rows), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for each in axes:
        plain(each)
    return figure, axes


def panel_grid(count: int, width: float, height: float, margin: float) -> tuple[Figure, np.ndarray]:
    """A figure of `count` small panels in about as many rows as columns, and their axes (count,).

    Args:
        count: of panels.
        width: of a panel, in inches.
        height: of a panel, in inches.
        margin: above and below the panels together, in inches.
    """
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    size = (1 + width * columns, margin + height * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def plain(axes: Axes) -> None:
    """Style a panel with curves: no frame above and to the right, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def level(axes: Axes, value: float, label: str, linestyle: str) -> None:
    """Draw a thin black line across a panel."""
    axes.axhline(value, color="black", linewidth=1, linestyle=linestyle, label=label)


def mark_solved(axes: Axes, solved: float | None, linestyle: str) -> None:
    """Draw a line at the return at which a game counts as solved, if there is one."""
    if solved is not None:
        level(axes, solved, f"{solved:g}: counts as solved", linestyle)


def add_caption(figure: Figure, text: str) -> None:
    """Write a caption in small letters under a figure."""
    figure.supxlabel(text, fontsize=SMALL, color="#444444", wrap=True)


def mosaic(
    axes: Axes, pictures: np.ndarray, rows: Sequence[str] = (), columns: Sequence[str] = ()
) -> None:
    """Show pictures in rows and columns, each pixel a square.

    Args:
        axes: an empty panel.
        pictures: (R, C, H, W, 3), uint8, or float in 0..1.
        rows: R names, written beside the rows; or none.
        columns: C names, written above the columns; or none.

    Raises:
        ValueError: pictures have another shape, or there are none.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 5 or pictures.shape[-1] != 3 or not pictures.size:
        raise ValueError(
            "pictures: expected rows and columns of frames (R, C, H, W, 3), "
            f"received {pictures.shape}."
        )
    count, across, height, width, _ = pictures.shape
    shown = grid(pictures.reshape(-1, height, width, 3), across, gap=GAP)
    axes.imshow(shown, interpolation="nearest")
    axes.set_yticks(_middles(count, height) if len(rows) else [], rows)
    axes.set_xticks(_middles(across, width) if len(columns) else [], columns, fontsize=SMALL)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(False)


def _middles(count: int, size: int) -> list[float]:
    """The middle of each of some pictures in a row, in pixels."""
    return [GAP + size / 2 + i * (size + GAP) for i in range(count)]


def mosaic_figure(
    pictures: np.ndarray,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    title: str = "",
    caption: str = "",
    side: float = PICTURE,
) -> Figure:
    """A figure of pictures in rows and columns.

    Args:
        pictures: see `mosaic`.
        rows: see `mosaic`.
        columns: see `mosaic`.
        title: above the pictures.
        caption: below the pictures.
        side: width of a picture, in inches.
    """
    pictures = np.asarray(pictures)
    count, across, height, width = pictures.shape[:4] if pictures.ndim == 5 else (1, 1, 1, 1)
    letters = max((len(part) for name in rows for part in name.split("\n")), default=0)
    size = (
        max(3.5, side * across + 0.09 * letters + 0.2),
        side * count * height / width + 0.3 * bool(title) + 0.25 * bool(caption) + 0.35,
    )
    figure, (axes,) = figure_of(1, size=size)
    mosaic(axes, pictures, rows, columns)
    if title:
        figure.suptitle(title)
    if caption:
        add_caption(figure, caption)
    return figure
