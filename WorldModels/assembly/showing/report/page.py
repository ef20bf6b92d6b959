"""A page that holds its pictures and films in itself: one file of HTML, to be opened, mailed or
kept.

It asks for nothing from anywhere else, runs no script, and can be printed. Knows words, figures and
bytes, no run.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WorldModels.assembly.showing import page as show

TEMPLATE = "page.html"


@dataclass(frozen=True)
class Part:
    """Something in a section, with what is said under it.

    Args:
        kind: picture (bytes of a PNG, one that moves too), film (bytes of an MP4), table, words
            (kept as they stand) or missing.
        holds: the bytes, or the words; nothing for a table.
        said: the caption; of a picture also what is read out in its place.
        columns: names of a table's columns.
        rows: of a table, each with a cell for every column.
        marked: numbers of the rows that stand out.
        wide: takes the page's whole width; else two stand side by side where there is room.
        folded: only the caption is seen until it is opened.
    """

    kind: str
    holds: bytes | str = b""
    said: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    marked: frozenset[int] = frozenset()
    wide: bool = False
    folded: bool = False

    @property
    def address(self) -> str:
        """The bytes as an address of their own (RFC 2397)."""
        kind = {"picture": "image/png", "film": "video/mp4"}[self.kind]
        return f"data:{kind};base64,{base64.b64encode(self.holds).decode()}"


def picture(figure: Any, said: str, wide: bool = False) -> Part:
    """A figure, or a picture (H, W, 3) uint8, as a part of a page; said and wide as of Part."""
    return Part("picture", show.png(figure), said, wide=wide)


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two under it, and the parts."""

    title: str
    said: str
    parts: Sequence[Part]


def page(title: str, said: Sequence[str], sections: Sequence[Section]) -> str:
    """The HTML of a page.

    Args:
        title: its name.
        said: lines under the title.
        sections: in their order.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(TEMPLATE).render(title=title, said=said, sections=sections)
