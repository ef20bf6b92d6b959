"""A line of the benchmark's table, and the table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Measurement:
    """A line of the table.

    Attributes:
        name: of what was measured.
        values: one a repeat, in `unit`; `value` is their median.
        unit: of the values.
        work: MFLOP an item, where that number is known.
        limit: key of Benchmark.limits that the work is compared with.
        share: of that limit.
        compared: the figure that a goal is about.
        of: what that figure is.
        must: the goal that it has to reach.
        aim: the goal that it should reach.
        lower: less is better.
        note: how it was measured.
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

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        sign = "<=" if self.lower else ">="
        work = f"{self.work:g} MFLOP" if self.work else ""
        share = f"{self.share:.0%}" if self.share is not None else ""
        compared = f"{_short(self.compared)} {self.of}" if self.compared is not None else ""
        goals = [f"{sign} {goal:g}" if goal is not None else "" for goal in (self.must, self.aim)]
        rate = _short(self.value)
        return (self.name, rate, self.unit, work, share, compared, *goals, self.note)


def table(measurements: Sequence[Measurement]) -> str:
    """The measurements as aligned text."""
    lines = [("", "rate", "", "work an item", "of limit", "goal's figure", "must", "aim", "")]
    lines += [measurement.cells() for measurement in measurements]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {1, 3, 4}
    rows = [
        [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "\n".join("  ".join(row).rstrip() for row in rows)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
