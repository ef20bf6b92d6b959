"""Puts pictures and films into a notebook.

    page.figure(reconstruction_grid(frames, rebuilt))
    page.film(side_by_side({"real": frames, "reconstructed": rebuilt}), fps=50)

A film is an animated PNG, so anything that shows a notebook's pictures also shows its films, and
browsers play them.
"""

import base64
import io
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

FILM_BYTES = 180_000  # per film: a notebook with four of them is still small
FEWEST = 12  # frames in a film
COLOURS = 256  # in a picture
DPI = 100


def figure(drawn: Any) -> None:
    """Put a figure, or a picture (H, W, 3) uint8, into the notebook."""
    display(png(drawn))


def film(frames: Iterable[np.ndarray], fps: float, every: int = 4, most: int = FILM_BYTES) -> None:
    """Put frames into the notebook as a film in real time; for the arguments see `animated`."""
    display(animated(frames, fps, every, most))


def png(drawn: Any) -> bytes:
    """A figure, or a picture (H, W, 3) uint8, as a PNG with few colours; bytes pass through."""
    from PIL import Image

    if isinstance(drawn, bytes):
        return drawn
    if isinstance(drawn, np.ndarray):
        picture = Image.fromarray(drawn)
    else:
        written = io.BytesIO()
        drawn.savefig(written, format="png", dpi=DPI, facecolor="white")
        picture = Image.open(written).convert("RGB")
    written = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(written, format="PNG", optimize=True)
    return written.getvalue()


def animated(
    frames: Iterable[np.ndarray], fps: float, every: int = 4, most: int = FILM_BYTES
) -> bytes:
    """A film in real time as an animated PNG, with as many frames as fit into `most` bytes.

    Args:
        frames: (H, W, 3) uint8 each, all of one size.
        fps: frames a second of the given sequence.
        every: show every n-th frame; fewer, down to about FEWEST, if the film is too large.
        most: the most bytes, unless FEWEST frames take more.

    Raises:
        ValueError: there are no frames.
    """
    from WorldModels.figures.videos import palette

    frames = list(itertools.islice(frames, 0, None, every))
    if not frames:
        raise ValueError("film: expected at least one frame, received none.")
    colours = palette(frames, COLOURS)
    for step in itertools.count(1):
        shown = frames[::step]
        written = _animation(shown, colours, round(1000 * every * step / fps))
        if len(written) <= most or len(shown) <= FEWEST:
            return written


def _animation(frames: list[np.ndarray], palette: Any, milliseconds: int) -> bytes:
    """Frames as an animated PNG that shows each for some milliseconds."""
    from PIL import Image

    first, *rest = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    )
    written = io.BytesIO()
    first.save(
        written, format="PNG", save_all=True, append_images=rest, duration=milliseconds, loop=0
    )
    return written.getvalue()


def display(picture: bytes, widget: dict | None = None) -> None:
    """Put a PNG into the notebook.

    Args:
        picture: the bytes of the PNG.
        widget: a MIME bundle that replaces it while the notebook runs in an editor.
    """
    from IPython.display import display as into_the_page

    bundle = {
        "text/plain": f"picture, {len(picture) / 1000:.0f} kB",
        "image/png": base64.b64encode(picture).decode(),
    }
    into_the_page({**(widget or {}), **bundle}, raw=True)
