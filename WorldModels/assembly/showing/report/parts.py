"""The parts of a report: pictures, films, tables and text, in sections."""

import base64
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from WorldModels.assembly.showing.page import png
from WorldModels.experiment.run import Run


@dataclass(frozen=True)
class Part:
    """Something in a section, with its caption.

    Args:
        kind: "picture" (bytes of a PNG, perhaps animated), "film" (bytes of an MP4), "table",
            "words" (preformatted text) or "missing" (text that says what is missing).
        content: the bytes or the text; empty for a table.
        caption: the caption; of a picture also its alternative text.
        columns: the names of a table's columns.
        rows: the rows of a table, each with a cell per column.
        marked: indices of the highlighted rows.
        wide: takes the full width of the page; other parts are two to a row if there is room.
        folded: shows only its caption until it is opened.
    """

    kind: str
    content: bytes | str = b""
    caption: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    marked: frozenset[int] = frozenset()
    wide: bool = False
    folded: bool = False

    @property
    def address(self) -> str:
        """The bytes as a data URL (RFC 2397)."""
        kind = {"picture": "image/png", "film": "video/mp4"}[self.kind]
        return f"data:{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two under it, and parts."""

    title: str
    text: str
    parts: Sequence[Part]


def picture(figure: Any, caption: str, wide: bool = False) -> Part:
    """A part with a figure or a picture (H, W, 3) uint8; for caption and wide see Part."""
    return Part("picture", png(figure), caption, wide=wide)


def of_frames(make: Callable[[Run], Part]) -> Callable[[Run], Part | None]:
    """Make a part only for a run whose observations are frames; for vectors it is None."""

    @functools.wraps(make)
    def part(run: Run) -> Part | None:
        return None if run.experiment.env.observation == "vector" else make(run)

    return part
