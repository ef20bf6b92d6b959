"""A report as one file of HTML that holds its own pictures and films, to be opened, mailed or kept.

It loads nothing from anywhere else, runs no script, and can be printed.
"""

from collections.abc import Sequence
from pathlib import Path

from WorldModels.assembly.showing.report.parts import Section

TEMPLATE = "page.html"


def rendered(title: str, lines: Sequence[str], sections: Sequence[Section]) -> str:
    """The HTML of a page.

    Args:
        title: of the page.
        lines: under the title.
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
    return templates.get_template(TEMPLATE).render(title=title, lines=lines, sections=sections)
