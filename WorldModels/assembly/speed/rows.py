"""A line of the benchmark's table, and the table. Knows nothing of what is measured."""

import statistics
from dataclasses import dataclass


@dataclass
class Row:
    """A line of the table.

    Attributes:
        name: of what was measured.
        values: one a repeat, in `unit`; `value` is their median.
        work: MFLOP an item, where there is a known number; `share` of the `limit` (a key of
            Benchmark.limits) that it is.
        compared: the figure that a goal is about, and `of`, what it is; with goals `must` and
            `aim`.
        lower: less is better.
    """

    name: str
    values: list[float]
    unit: str
    work: float | None = None
    limit: str = ""
    share: float | None = None
    compared: float | None = None
    of: str = ""
    must: float | None = None
    aim: float | None = None
    lower: bool = False
    note: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    lines = [("", "rate", "", "work an item", "of limit", "goal's figure", "must", "aim", "")]
    for row in rows:
        sign = "<=" if row.lower else ">="
        work = f"{row.work:g} MFLOP" if row.work else ""
        share = f"{row.share:.0%}" if row.share is not None else ""
        compared = f"{_short(row.compared)} {row.of}" if row.compared is not None else ""
        goals = [f"{sign} {goal:g}" if goal is not None else "" for goal in (row.must, row.aim)]
        lines.append(
            (row.name, _short(row.value), row.unit, work, share, compared, *goals, row.note)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    right = {1, 3, 4}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
