"""The parts that a report is made of: pictures, films, tables and words, in sections."""

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
        kind: picture (bytes of a PNG, perhaps an animated one), film (bytes of an MP4), table,
            words (kept as they stand) or missing.
        content: the bytes, or the words; nothing for a table.
        caption: of a picture also its alternative text.
        columns: names of a table's columns.
        rows: of a table, each with a cell for every column.
        marked: numbers of the rows that stand out.
        wide: takes the page's whole width; else two stand side by side where there is room.
        folded: only the caption shows until it is opened.
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
        """The bytes as an address of their own (RFC 2397)."""
        kind = {"picture": "image/png", "film": "video/mp4"}[self.kind]
        return f"data:{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two under it, and the parts."""

    title: str
    text: str
    parts: Sequence[Part]


def picture(figure: Any, caption: str, wide: bool = False) -> Part:
    """A figure, or a picture (H, W, 3) uint8, as a part; for caption and wide see Part."""
    return Part("picture", png(figure), caption, wide=wide)


def of_frames(make: Callable[[Run], Part]) -> Callable[[Run], Part | None]:
    """Make a part only of a run whose observations are frames; of one of vectors it is None."""

    @functools.wraps(make)
    def part(run: Run) -> Part | None:
        return None if run.experiment.env.observation == "vector" else make(run)

    return part
