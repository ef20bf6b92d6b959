"""One look for every figure: colours, lines, sizes, captions, and pictures in rows. Knows
matplotlib, no results.

The colours are Okabe and Ito's, which people of every colour vision tell apart; whatever shares a
panel also differs in line style
or marker, so that a print in grey can be read.
"""

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
SMALL, TINY = 8, 6.5  # points of legends and captions, and of ticks in small panels
DPI = 120
GAP = 2  # white pixels between pictures in a row
PICTURE = 1.05  # inches of a picture's side in a row of pictures


def line(number: int) -> dict[str, str]:
    """Colour, marker and line style of the n-th of several lines, for matplotlib's plot."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as a picture, complete or not at all; the file's name says which kind (.png,
    .svg, .pdf).

    Equal figures give equal files.
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
    """A figure with panels side by side, and in rows where there are several; gives it and its axes
    (rows * columns,).

    Args:
        columns, rows: of panels.
        size: width and height in inches; of panels beside one another where none is given.
    """
    figure = Figure(
        figsize=size if all(size) else (9 if columns > 1 else 8, 4.5 * rows), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for each in axes:
        plain(each)
    return figure, axes


def plain(axes: Axes) -> None:
    """The look of a panel with curves: no frame above and to the right, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def caption(figure: Figure, text: str) -> None:
    """What a figure shows, in small letters under it."""
    figure.supxlabel(text, fontsize=SMALL, color="#444444", wrap=True)


def mosaic(
    axes: Axes, pictures: np.ndarray, rows: Sequence[str] = (), columns: Sequence[str] = ()
) -> None:
    """Pictures in rows and columns, each pixel a square, with the rows' names beside and the
    columns' above.

    Args:
        axes: an empty panel.
        pictures: (R, C, H, W, 3), uint8, or float in 0..1.
        rows, columns: R and C names, or none.

    Raises:
        ValueError: pictures have another shape.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 5 or pictures.shape[-1] != 3 or not pictures.size:
        raise ValueError(
            f"pictures: expected rows and columns of frames (R, C, H, W, 3), received {pictures.shape}."
        )
    count, across, height, width, _ = pictures.shape
    axes.imshow(
        grid(pictures.reshape(-1, height, width, 3), across, gap=GAP), interpolation="nearest"
    )
    axes.set_yticks(
        [GAP + height / 2 + i * (height + GAP) for i in range(count)] if len(rows) else [], rows
    )
    axes.set_xticks(
        [GAP + width / 2 + i * (width + GAP) for i in range(across)] if len(columns) else [],
        columns,
        fontsize=SMALL,
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(False)


def mosaic_figure(
    pictures: np.ndarray,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    title: str = "",
    said: str = "",
    side: float = PICTURE,
) -> Figure:
    """A figure of pictures in rows and columns; see `mosaic`.

    Args:
        pictures, rows, columns: see `mosaic`.
        title: above all.
        said: the caption.
        side: inches of a picture's width.
    """
    pictures = np.asarray(pictures)
    shape = pictures.shape if pictures.ndim == 5 else (1, 1, 1, 1)
    width = max(
        3.5,
        side * shape[1]
        + 0.09 * max((len(part) for name in rows for part in name.split("\n")), default=0)
        + 0.2,
    )
    height = side * shape[0] * shape[2] / shape[3] + 0.3 * bool(title) + 0.25 * bool(said) + 0.35
    figure, (axes,) = figure_of(1, size=(width, height))
    mosaic(axes, pictures, rows, columns)
    if title:
        figure.suptitle(title)
    if said:
        caption(figure, said)
    return figure
