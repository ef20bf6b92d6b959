"""How fast each stage is on this machine, against the machine's own limit.

    python -m WorldModels.benchmark                                # everything, a few minutes
    python -m WorldModels.benchmark --only environment,rollouts

The limit is a 2048 x 2048 float32 matrix product by numpy, with one thread and with all; for
environments it is the official
one on one core. Every measure runs in a process of its own, warms up, and gives the median of its
repeats; nothing is
taken from elsewhere but the work per item. Networks have the paper's sizes and are untrained: this
is speed, not quality.
"""

import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from WorldModels.assembly.speed.rows import Row, table
from WorldModels.experiment.command import one_line
from WorldModels.experiment.files import write_json
from WorldModels.experiment.machine import cpu_has_bfloat16
from WorldModels.experiment.run import machine, versions

MEASURES = (
    "environment",
    "perception",
    "rollouts",
    "worker",
    "vision",
    "memory",
    "encoding",
    "dream",
    "population",
    "transformer",
)
# Million floating-point operations an item: twice the multiply-adds of the published sizes, three
# times that for training.
WORK = {"encoder": 29.6, "vision": 230.0, "memory": 2.5, "dream": 0.85}
# Measure: name, unit, work, and (must, aim) in % of the limit without and with AVX512_BF16.
NETWORKS = {
    "vision": ("vision training", "images/s", WORK["vision"], ((40, 55), (110, 130))),
    "memory": ("memory training", "tokens/s", WORK["memory"], ((40, 50), (85, 100))),
    "encoding": ("encoding", "frames/s", WORK["encoder"], None),
    "population": ("dream, 1,024 lanes", "lane-steps/s", WORK["dream"], ((40, 60), (40, 90))),
}
OFFICIAL = "environment, official"
TIME, SHARE = "x its work's time", "% of limit"  # what a figure with a goal is
SIZE = 2048  # of the matrices whose product is the limit


@dataclass(frozen=True)
class Settings:
    """Flags of the benchmark."""

    name: Literal["carracing"] = "carracing"  # whose environment and sizes
    seconds: float = 3.0  # at least so long is each repeat of a measure
    repeats: int = 3  # of each measure; their median counts
    only: str = ",".join(MEASURES)  # some of these
    workers: int = 0  # processes that drive; 0: one per core
    output: str = "results/benchmark.json"  # where the figures are written
    quick: bool = False  # everything tiny: shows that it runs, its figures mean nothing

    def __post_init__(self):
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"--seconds: expected a positive number, received {self.seconds}.")
        if self.repeats < 1 or self.workers < 0:
            raise ValueError(
                f"--repeats, --workers: expected at least 1 and 0, received {self.repeats} and {self.workers}."
            )
        unknown = set(self.only.split(",")) - set(MEASURES)
        if unknown:
            raise ValueError(
                f"--only: expected some of {','.join(MEASURES)}, received {','.join(sorted(unknown))}."
            )


class Benchmark:
    """Rows as they are measured.

    Args:
        settings: flags.
        folder: empty; for the networks that the workers open.
        cores: that this process may use.
        measured: measure.measured.
    """

    def __init__(self, settings: Settings, folder: str, cores: int, measured: Callable[..., dict]):
        self.settings, self.folder, self.workers, self.measured = (
            settings,
            Path(folder),
            settings.workers or cores,
            measured,
        )
        self.steps = 40 if settings.quick else 1000  # of an episode
        self.timing = {
            "seconds": 0.05 if settings.quick else settings.seconds,
            "repeats": settings.repeats,
        }
        self.rows: dict[str, Row] = {}
        self.skipped: dict[str, str] = {}
        self.limits: dict[str, float] = {}

    def limit(self, library: str) -> None:
        """GFLOP/s of the matrix product, with one thread and with all; of several tries the fastest
        is the limit.
        """
        timing = {"seconds": min(1.0, self.timing["seconds"]), "repeats": self.timing["repeats"]}
        for threads in ("one", "all"):
            found = self.measured(
                "matrix_product", threads == "one", size=SIZE, library=library, **timing
            )
            name, rate = f"{library}_{threads}", statistics.median(found["rates"]) * found["work"]
            self.limits[name] = max(rate, self.limits.get(name, 0.0))

    def run(self, name: str) -> None:
        """Make the rows of one measure, or note why it cannot be made."""
        try:
            self._network(name) if name in NETWORKS else getattr(self, f"_{name}")()
        except RuntimeError as error:
            self.skipped[name] = str(error)

    def _add(self, *args, **kwargs) -> Row:
        row = Row(*args, **kwargs)
        self.rows[row.name] = row
        return row

    def _prepared(self) -> str:
        """The folder with V and M, made when it is first asked for."""
        if not any(self.folder.iterdir()):
            self.engine = self.measured("prepare", folder=str(self.folder))["engine"]
        return str(self.folder)

    def _environment(
        self, renderers: tuple[str, ...] = ("official", "exact", "fast", "physics")
    ) -> None:
        rates = self.measured(
            "environment", True, steps=self.steps, renderers=renderers, **self.timing
        )["rates"]
        official = self._add(OFFICIAL, rates.pop("official"), "steps/s", note="one core")
        for name, own in rates.items():
            row = self._add(
                f"environment, {name}", own, "steps/s", of="x official", note="one core"
            )
            row.compared = row.value / official.value
            row.must, row.aim = (6, 10) if name == "fast" else (None, None)

    def _perception(self) -> None:
        found = self.measured("perception", True, folder=self._prepared(), **self.timing)
        self._add(
            "perception, batch 1",
            found["rates"],
            "frames/s",
            WORK["encoder"],
            "numpy_one",
            of=TIME,
            must=1.6,
            aim=1.2,
            lower=True,
            note=f"one thread, {self.engine}",
        )

    def _dream(self) -> None:
        if "perception, batch 1" not in self.rows:
            self._perception()
        found = self.measured("dream", True, folder=self._prepared(), **self.timing)
        row = self._add(
            "dream, one lane",
            found["rates"],
            "steps/s",
            of="x perception's time",
            must=0.5,
            lower=True,
            note=f"one thread, {self.engine}",
        )
        row.compared = self.rows["perception, batch 1"].value / row.value

    def _rollouts(self) -> None:
        if OFFICIAL not in self.rows:
            self._environment(("official",))
        found = self.measured(
            "rollouts",
            folder=self._prepared(),
            steps=self.steps,
            workers=self.workers,
            **self.timing,
        )
        row = self._add(
            "rollouts, controller",
            found["rates"],
            "steps/s",
            of="x official",
            must=8,
            aim=12,
            note=found["note"],
        )
        row.compared = row.value / self.rows[OFFICIAL].value

    def _worker(self) -> None:
        found = self.measured(
            "worker", folder=self._prepared(), steps=self.steps, repeats=self.settings.repeats
        )
        for name, unit, must, aim in (("ready", "s", 0.5, 0.3), ("memory", "MB", 120, 80)):
            if all(map(math.isfinite, found[name])):
                row = self._add(
                    f"worker, {name}", found[name], unit, of=unit, must=must, aim=aim, lower=True
                )
                row.compared = row.value

    def _transformer(self) -> None:
        found = self.measured("transformer", quick=self.settings.quick, **self.timing)
        goals = {"transformer, one lane": 1, "transformer, 64 lanes": 8}
        for name, (kept, anew) in found["rates"].items():
            sizes = found["sizes"][name.split(",")[0]]
            note = ", ".join(f"{size.replace('_', ' ')} {number}" for size, number in sizes.items())
            row = self._add(
                name,
                kept,
                "lane-steps/s",
                of="x without what it keeps",
                must=goals.get(name),
                note=note,
            )
            row.compared = row.value / statistics.median(anew)

    def _network(self, measure: str) -> None:
        name, unit, work, goals = NETWORKS[measure]
        folder = {"folder": self._prepared()} if measure == "encoding" else {}
        found = self.measured(measure, quick=self.settings.quick, **folder, **self.timing)
        row = self._add(name, found["rates"], unit, work, "numpy_all", note=found["note"])
        if goals:
            row.of, (row.must, row.aim) = SHARE, goals[cpu_has_bfloat16()]

    def settle(self) -> None:
        """Hold the work against the limits, once all is measured."""
        for row in self.rows.values():
            if row.work:
                row.share = row.value * row.work / 1000 / self.limits[row.limit]
                row.compared = {TIME: 1 / row.share, SHARE: 100 * row.share}.get(row.of)


def benchmark(settings: Settings) -> dict:
    """Measure, print the table as it grows, and give all of it as plain values."""
    from WorldModels.assembly.speed.measure import measured
    from WorldModels.control.executors import cores

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        bench = Benchmark(settings, folder, cores(), measured)
        bench.limit("numpy")
        if not settings.quick:
            bench.limit("keras")
        for name in settings.only.split(","):
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            bench.run(name)
        bench.limit("numpy")
    bench.settle()
    for library, what in (("numpy", "limit"), ("keras", "beside it")):
        if f"{library}_all" in bench.limits:
            print(
                f"{what}: {bench.limits[f'{library}_all']:.0f} GFLOP/s with all {cores()} threads, {bench.limits[f'{library}_one']:.0f} "
                f"with one, in a float32 matrix product ({SIZE} x {SIZE}) by {library}"
            )
    print(table(list(bench.rows.values())))
    for name, reason in bench.skipped.items():
        print(f"{name} could not be measured: {reason}")
    if load > 0.25 * cores():
        print(
            f"Others were using this machine when this began (load {load:.1f}): trust the ratios more than the rates."
        )
    facts = {
        "machine": {**machine(), "load": load, "bfloat16": cpu_has_bfloat16()},
        "versions": versions(),
        "settings": vars(settings),
    }
    rows = [{**vars(row), "value": row.value} for row in bench.rows.values()]
    return {**facts, "limits_gflops": bench.limits, "rows": rows, "skipped": bench.skipped}


def main(argv: list[str] | None = None) -> None:
    """Measure and write; a user's mistake becomes one line and status 2."""
    import tyro

    argv = list(sys.argv[1:] if argv is None else argv)
    named = (
        ["--name"] if argv and not argv[0].startswith("-") else []
    )  # the name may stand first, as for every verb
    try:
        settings = tyro.cli(
            Settings, prog="python -m WorldModels.benchmark", description=__doc__, args=named + argv
        )
        write_json(settings.output, benchmark(settings))
        print(f"written: {settings.output}")
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\nstopped; nothing is written.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
