"""The benchmark: each measure, its goals, and the matrix product to compare it with."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from WorldModels.assembly.speed.measurement import Measurement
from WorldModels.experiment.machine import cpu_has_bfloat16

# MFLOP per item: twice the multiply-adds at the published sizes, and three times that for training.
WORK = {"encoder": 29.6, "vision": 230.0, "memory": 2.5, "dream": 0.85}
# Measure -> name, unit, work, and (must, aim) in percent of numpy's rate, without and with
# AVX512_BF16.
NETWORKS = {
    "vision": ("vision training", "images/s", WORK["vision"], ((48, 60), (110, 130))),
    "memory": ("memory training", "tokens/s", WORK["memory"], ((38, 55), (85, 100))),
    "short_memory": ("memory training, 16 x 32", "tokens/s", WORK["memory"], None),
    "encoding": ("encoding", "frames/s", WORK["encoder"], None),
    "population": ("dream, 1,024 lanes", "lane-steps/s", WORK["dream"], ((65, 80), (40, 90))),
}
OFFICIAL, PERCEPTION = "environment, official", "perception, batch 1"
TIME, SHARE = "x numpy's time", "% of numpy"  # units of the figures that have goals
SIZE = 2048  # side of the matrices that are multiplied for comparison
LOADED = 60_000  # frames/s that the loader must give: three times what a GPU takes
RENDERERS = ("official", "exact", "fast", "physics")


class Benchmark:
    """Takes the measurements one after another.

    Args:
        settings: benchmark.Settings.
        folder: an empty one, for the networks that the workers open.
        cores: number of cores that this process may use.
        measured: see measure.measured.

    Attributes:
        rows: name -> Measurement.
        skipped: measure -> why it failed.
        limits: name -> GFLOP/s.
    """

    def __init__(self, settings: Any, folder: str, cores: int, measured: Callable[..., dict]):
        self.settings, self.measured = settings, measured
        self.folder, self.workers = Path(folder), settings.workers or cores
        self.steps = 40 if settings.quick else 1000  # in an episode
        seconds = 0.05 if settings.quick else settings.seconds
        self.timing = {"seconds": seconds, "repeats": settings.repeats}
        self.rows: dict[str, Measurement] = {}
        self.skipped: dict[str, str] = {}
        self.limits: dict[str, float] = {}

    def limit(self, library: str) -> None:
        """Measure GFLOP/s of the matrix product, with one thread and with all.

        Of several calls, the fastest counts.
        """
        timing = self.timing | {"seconds": min(1.0, self.timing["seconds"])}
        for threads in ("one", "all"):
            one, how = threads == "one", {"size": SIZE, "library": library}
            found = self.measured("matrix_product", one, **how, **timing)
            name, rate = f"{library}_{threads}", statistics.median(found["rates"]) * found["work"]
            self.limits[name] = max(rate, self.limits.get(name, 0.0))

    def run(self, name: str) -> None:
        """Run one measure, or note why it failed."""
        try:
            self._network(name) if name in NETWORKS else getattr(self, f"_{name}")()
        except RuntimeError as error:
            self.skipped[name] = str(error)

    def settle(self) -> None:
        """Compare the measurements with the limits, once everything is measured."""
        for row in self.rows.values():
            if row.work:
                done = row.value * row.work / 1000
                row.share = done / self.limits[row.limit]
                library = "keras_bfloat16" if "bfloat16" in row.note else "keras"
                own = self.limits.get(row.limit.replace("numpy", library))
                row.backend_share = done / own if own else None
                row.compared = {TIME: 1 / row.share, SHARE: 100 * row.share}.get(row.of)

    def _add(self, name: str, values: list[float], unit: str, **more: Any) -> Measurement:
        self.rows[name] = Measurement(name, values, unit, **more)
        return self.rows[name]

    def _prepared(self) -> str:
        """The folder with V and M; the first call makes them."""
        if not any(self.folder.iterdir()):
            self.engine = self.measured("prepare", folder=str(self.folder))["engine"]
        return str(self.folder)

    def _environment(self, renderers: tuple[str, ...] = RENDERERS) -> None:
        how = {"steps": self.steps, "renderers": renderers}
        rates = self.measured("environment", True, **how, **self.timing)["rates"]
        official = self._add(OFFICIAL, rates.pop("official"), "steps/s", note="one core")
        for name, own in rates.items():
            more = {"of": "x official", "note": "one core"}
            row = self._add(f"environment, {name}", own, "steps/s", **more)
            row.compared = row.value / official.value
            row.must, row.aim = (6, 10) if name == "fast" else (None, None)

    def _perception(self) -> None:
        found = self.measured("perception", True, folder=self._prepared(), **self.timing)
        row = self._add(PERCEPTION, found["rates"], "frames/s", lower=True)
        row.work, row.limit, row.of = WORK["encoder"], "numpy_one", TIME
        row.must, row.aim, row.note = 1.6, 1.2, f"one thread, {self.engine}"

    def _dream(self) -> None:
        if PERCEPTION not in self.rows:
            self._perception()
        found = self.measured("dream", True, folder=self._prepared(), **self.timing)
        row = self._add("dream, one lane", found["rates"], "steps/s", lower=True, must=0.5)
        row.of, row.note = "x perception's time", f"one thread, {self.engine}"
        row.compared = self.rows[PERCEPTION].value / row.value

    def _rollouts(self) -> None:
        if OFFICIAL not in self.rows:
            self._environment(("official",))
        how = {"folder": self._prepared(), "steps": self.steps, "workers": self.workers}
        found = self.measured("rollouts", **how, **self.timing)
        row = self._add("rollouts, controller", found["rates"], "steps/s", must=8, aim=12)
        row.of, row.note = "x official", found["note"]
        row.compared = row.value / self.rows[OFFICIAL].value

    def _worker(self) -> None:
        repeats = self.settings.repeats
        found = self.measured("worker", folder=self._prepared(), steps=self.steps, repeats=repeats)
        for name, unit, must, aim in (("ready", "s", 0.5, 0.3), ("memory", "MB", 120, 80)):
            if all(map(math.isfinite, found[name])):
                goals = {"of": unit, "must": must, "aim": aim, "lower": True}
                row = self._add(f"worker, {name}", found[name], unit, **goals)
                row.compared = row.value

    def _transformer(self) -> None:
        found = self.measured("transformer", quick=self.settings.quick, **self.timing)
        goals = {"transformer, one lane": 1, "transformer, 64 lanes": 8}
        for name, (kept, anew) in found["rates"].items():
            sizes = found["sizes"][name.split(",")[0]]
            note = ", ".join(f"{size.replace('_', ' ')} {number}" for size, number in sizes.items())
            row = self._add(name, kept, "lane-steps/s", must=goals.get(name), note=note)
            row.of, row.compared = "x recomputing the window", row.value / statistics.median(anew)

    def _loader(self) -> None:
        found = self.measured("loader", quick=self.settings.quick, **self.timing)
        row = self._add("loader", found["rates"], "frames/s", must=LOADED, note=found["note"])
        row.of, row.compared = "frames/s", row.value

    def _network(self, measure: str) -> None:
        name, unit, work, goals = NETWORKS[measure]
        folder = {"folder": self._prepared()} if measure in ("encoding", "population") else {}
        found = self.measured(measure, quick=self.settings.quick, **folder, **self.timing)
        row = self._add(name, found["rates"], unit, note=found["note"])
        row.work, row.limit = work, "numpy_all"
        if goals:
            row.of, (row.must, row.aim) = SHARE, goals[cpu_has_bfloat16()]
