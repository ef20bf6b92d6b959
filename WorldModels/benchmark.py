"""How fast each stage is on this machine, against the machine's own limit.

    python -m WorldModels.benchmark                                # everything, a few minutes
    python -m WorldModels.benchmark --only environment,rollouts

The limit is a 2048 x 2048 float32 matrix product by numpy, with one thread and with all; for environments it is the official
one on one core. Every measure runs in a process of its own, warms up, and gives the median of its repeats; nothing is
taken from elsewhere but the work per item. Networks have the paper's sizes and are untrained: this is speed, not quality.
"""

import math
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from WorldModels.experiment.command import one_line
from WorldModels.experiment.files import write_json
from WorldModels.experiment.machine import cpu_has_bfloat16
from WorldModels.measure import measured

MEASURES = ("environment", "perception", "rollouts", "worker", "vision", "memory", "encoding")
# Million floating-point operations an item: twice the multiply-adds of the published sizes, three times that for training.
WORK = {"encoder": 29.6, "vision": 230.0, "memory": 2.5}
OFFICIAL = "environment, official"


@dataclass(frozen=True)
class Settings:
    """Flags of the benchmark."""

    name: Literal["carracing"] = "carracing"  # whose environment and sizes
    seconds: float = 3.0  # at least so long is each repeat of a measure
    repeats: int = 3  # of each measure; their median counts
    only: str = ""  # some of environment,perception,rollouts,worker,vision,memory,encoding; empty: all
    workers: int = 0  # processes that drive; 0: one per core
    output: str = "results/benchmark.json"  # where the figures are written
    quick: bool = False  # everything tiny: shows that it runs, its figures mean nothing

    def __post_init__(self):
        if not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise ValueError(f"--seconds: expected a positive number, received {self.seconds}.")
        if self.repeats < 1 or self.workers < 0:
            raise ValueError(f"--repeats, --workers: expected at least 1 and 0, received {self.repeats} and {self.workers}.")
        unknown = set(self.measures) - set(MEASURES)
        if unknown:
            raise ValueError(f"--only: expected some of {','.join(MEASURES)}, received {','.join(sorted(unknown))}.")

    @property
    def measures(self) -> tuple[str, ...]:
        """What is to be measured, in order."""
        return tuple(self.only.split(",")) if self.only else MEASURES


@dataclass
class Row:
    """A line of the table.

    Attributes:
        name: of what was measured.
        values: one a repeat, in `unit`.
        unit: of the values.
        work: MFLOP an item, where there is a known number.
        limit: GFLOP/s that the work is held against.
        compared: the figure that a goal is about, and `of`, what it is; with goals `must` and `aim`.
        lower: less is better.
    """

    name: str
    values: list[float]
    unit: str
    work: float | None = None
    limit: float | None = None
    compared: float | None = None
    of: str = ""
    must: float | None = None
    aim: float | None = None
    lower: bool = False
    note: str = ""
    value: float = field(init=False)
    share: float | None = field(init=False, default=None)

    def __post_init__(self):
        self.value = statistics.median(self.values)
        if self.work:
            self.share = self.value * self.work / 1000 / self.limit


class Benchmark:
    """Rows as they are measured.

    Args:
        settings: flags.
        folder: for the networks that the workers open.
        cores: that this process may use.
    """

    def __init__(self, settings: Settings, folder: str, cores: int):
        self.settings, self.folder, self.workers = settings, folder, settings.workers or cores
        self.steps = 40 if settings.quick else 1000  # of an episode
        self.timing = {"seconds": 0.05 if settings.quick else settings.seconds, "repeats": settings.repeats}
        self.size = 256 if settings.quick else 2048
        self.rows: dict[str, Row] = {}
        self.skipped: dict[str, str] = {}
        self.limits: dict[str, float] = {}

    def limit(self) -> None:
        """GFLOP/s of the matrix product, with one thread and with all, by numpy (the limit) and by Keras (beside it)."""
        timing = {**self.timing, "seconds": min(1.0, self.timing["seconds"]), "size": self.size}
        for library in ("numpy", "keras"):
            for threads in ("one", "all"):
                found = measured("matrix_product", threads == "one", library=library, **timing)
                name = f"{library}_{threads}"
                rate = statistics.median(found["rates"]) * found["work"]
                self.limits[name] = max(rate, self.limits.get(name, 0.0))

    def run(self, name: str) -> None:
        """Make the rows of one measure, or note why it cannot be made."""
        try:
            getattr(self, f"_{name}")()
        except RuntimeError as error:
            self.skipped[name] = str(error)

    def _add(self, *args, **kwargs) -> None:
        row = Row(*args, **kwargs)
        self.rows[row.name] = row

    def _official(self) -> float:
        if OFFICIAL not in self.rows:
            self._environment(("official",))
        return self.rows[OFFICIAL].value

    def _environment(self, renderers: tuple[str, ...] = ("official", "exact", "fast", "physics")) -> None:
        rates = measured("environment", True, steps=self.steps, renderers=renderers, **self.timing)["rates"]
        official = statistics.median(rates["official"])
        goals = {"fast": {"must": 6, "aim": 10}}
        for name, own in rates.items():
            ratio = {} if name == "official" else {"compared": statistics.median(own) / official, "of": "x official"}
            self._add(f"environment, {name}", own, "steps/s", **ratio, **goals.get(name, {}), note="one core")

    def prepared(self) -> str:
        """The folder with V and M, made when it is first asked for."""
        if not any(Path(self.folder).iterdir()):
            self.engine = measured("prepare", folder=self.folder)["note"]
        return self.folder

    def _perception(self) -> None:
        rates = measured("perception", True, folder=self.prepared(), **self.timing)["rates"]
        limit = self.limits["numpy_one"]
        time_to_work = limit * 1000 / WORK["encoder"] / statistics.median(rates)
        self._add("perception, batch 1", rates, "frames/s", WORK["encoder"], limit, time_to_work, "x its work's time", 1.6, 1.2,
                  lower=True, note=f"one thread, {self.engine}")  # fmt: skip

    def _rollouts(self) -> None:
        official = self._official()
        found = measured("rollouts", folder=self.prepared(), steps=self.steps, workers=self.workers, **self.timing)
        ratio = statistics.median(found["rates"]) / official
        self._add("rollouts, controller", found["rates"], "steps/s", compared=ratio, of="x official", must=8, aim=12, note=found["note"])

    def _worker(self) -> None:
        found = measured("worker", folder=self.prepared(), steps=self.steps, repeats=self.settings.repeats)
        for name, unit, must, aim in (("ready", "s", 0.5, 0.3), ("memory", "MB", 120, 80)):
            if all(map(math.isfinite, found[name])):
                middle = statistics.median(found[name])
                self._add(f"worker, {name}", found[name], unit, compared=middle, of=unit, must=must, aim=aim, lower=True)

    def _network(self, measure: str, name: str, unit: str, work: float, goals: dict) -> None:
        found = measured(measure, quick=self.settings.quick, **self.timing)
        limit = self.limits["numpy_all"]
        share = statistics.median(found["rates"]) * work / 1000 / limit
        goals = {"compared": share * 100, "of": "% of limit", **goals} if goals else {}
        self._add(name, found["rates"], unit, work, limit, **goals, note=found["note"])

    def _vision(self) -> None:
        must, aim = (110, 130) if cpu_has_bfloat16() else (40, 55)
        self._network("vision", "vision training", "images/s", WORK["vision"], {"must": must, "aim": aim})

    def _memory(self) -> None:
        must, aim = (85, 100) if cpu_has_bfloat16() else (40, 50)
        self._network("memory", "memory training", "tokens/s", WORK["memory"], {"must": must, "aim": aim})

    def _encoding(self) -> None:
        self._network("encoding", "encoding", "frames/s", WORK["encoder"], {})


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    lines = [("", "rate", "", "work an item", "of limit", "goal's figure", "must", "aim", "")]
    for row in rows:
        sign = "<=" if row.lower else ">="
        work = f"{row.work:g} MFLOP" if row.work else ""
        share = f"{row.share:.0%}" if row.share is not None else ""
        compared = f"{_short(row.compared)} {row.of}" if row.compared is not None else ""
        goals = [f"{sign} {goal:g}" if goal is not None else "" for goal in (row.must, row.aim)]
        lines.append((row.name, _short(row.value), row.unit, work, share, compared, *goals, row.note))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    right = {1, 3, 4}
    return "\n".join("  ".join(cell.rjust(width) if column in right else cell.ljust(width)
                               for column, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
                     for line in lines)  # fmt: skip


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def benchmark(settings: Settings) -> dict:
    """Measure, print the table as it grows, and give all of it as plain values."""
    from WorldModels.control.executors import cores

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        bench = Benchmark(settings, folder, cores())
        bench.limit()
        for name in settings.measures:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            bench.run(name)
        bench.limit()
    print(f"limit: {_short(bench.limits['numpy_all'])} GFLOP/s with all {cores()} threads, {_short(bench.limits['numpy_one'])} with one "
          f"({bench.size} x {bench.size} float32 matrix product by numpy; "
          f"Keras' own: {_short(bench.limits['keras_all'])} and {_short(bench.limits['keras_one'])}).")  # fmt: skip
    print(table(list(bench.rows.values())))
    for name, reason in bench.skipped.items():
        print(f"{name} could not be measured: {reason}")
    if load > 0.25 * cores():
        print(f"Others were using this machine when this began (load {load:.1f}): trust the ratios more than the rates.")
    return {"machine": _machine(load), "settings": vars(settings), "limits_gflops": bench.limits,
            "rows": [vars(row) for row in bench.rows.values()], "skipped": bench.skipped}  # fmt: skip


def _machine(load: float) -> dict:
    from WorldModels.experiment.results import machine, versions

    return {**machine(), "load": load, "bfloat16": cpu_has_bfloat16(), "versions": versions()}


def main(argv: list[str] | None = None) -> None:
    """Measure and write; a user's mistake becomes one line and status 2."""
    import tyro

    try:
        settings = tyro.cli(Annotated[Settings, tyro.conf.arg(name="")], prog="python -m WorldModels.benchmark",
                            description=__doc__, args=sys.argv[1:] if argv is None else argv)  # fmt: skip
        found = benchmark(settings)
        write_json(settings.output, found)
        print(f"written: {settings.output}")
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\nstopped; nothing is written.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
