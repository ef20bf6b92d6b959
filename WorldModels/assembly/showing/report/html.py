"""Renders a report as a single HTML file with embedded pictures and films.

The page loads nothing, runs no scripts, and can be mailed or printed.
"""

from collections.abc import Sequence
from pathlib import Path

from WorldModels.assembly.showing.report.parts import Section

TEMPLATE = "page.html"


def rendered(title: str, lines: Sequence[str], sections: Sequence[Section]) -> str:
    """The HTML of a page.

    Args:
        title: the title of the page.
        lines: the paragraphs under the title.
        sections: the sections in order.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(TEMPLATE).render(title=title, lines=lines, sections=sections)
