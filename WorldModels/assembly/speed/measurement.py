"""The benchmark's table and its lines."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Measurement:
    """A line of the table.

    Attributes:
        name: what was measured.
        values: one per repeat, in `unit`; `value` is their median.
        unit: of the values.
        work: MFLOP per item, if known.
        limit: the key of Benchmark.limits to compare the work with.
        share: the share of that limit, numpy's matrix product.
        backend_share: the share of that of Keras's backend in the row's own dtype, if measured.
        compared: the figure that the goals apply to.
        of: the unit of that figure.
        must: the goal that it must reach.
        aim: the goal that it should reach.
        lower: lower is better.
        note: how it was measured.
    """

    name: str
    values: list[float]
    unit: str
    work: float | None = None
    limit: str = ""
    share: float | None = None
    backend_share: float | None = None
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
        shares = [
            "" if share is None else f"{share:.0%}" for share in (self.share, self.backend_share)
        ]
        compared = f"{_short(self.compared)} {self.of}" if self.compared is not None else ""
        goals = [f"{sign} {goal:g}" if goal is not None else "" for goal in (self.must, self.aim)]
        rate = _short(self.value)
        return (self.name, rate, self.unit, work, *shares, compared, *goals, self.note)


def table(measurements: Sequence[Measurement]) -> str:
    """The measurements as aligned text."""
    heads = ("rate", "", "work per item", "of numpy", "of backend", "goal's figure", "must", "aim")
    lines = [("", *heads, "")]
    lines += [measurement.cells() for measurement in measurements]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {1, 3, 4, 5}
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
