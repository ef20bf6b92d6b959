"""How fast each stage runs on this machine, beside the machine's own matrix products.

    python -m WorldModels.benchmark                                # everything, a few minutes
    python -m WorldModels.benchmark --only environment,rollouts

Work is compared with a 2048 x 2048 float32 matrix product by numpy, with one thread and with all,
and then with one by Keras's backend in the dtype of the work: with TensorFlow on a CPU that is
oneDNN, which is faster. Environments are compared with the official one on one core. Every
measurement runs in its own process, warms up, and gives the median of its repeats. Only the
operations per item are computed, not measured.
Networks have the paper's sizes and are untrained: this is about speed, not quality.
"""

import math
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Literal

from WorldModels.experiment.errors import one_line
from WorldModels.experiment.fields import free
from WorldModels.experiment.files import write_json
from WorldModels.experiment.idle import refuse_idle
from WorldModels.experiment.machine import (
    cores,
    cpu_has_bfloat16,
    limit_threads,
    machine,
    require_unix,
    versions,
)
from WorldModels.experiment.main_guard import leave_if_worker
from WorldModels.experiment.memo import typed_names

MEASURES = (
    "environment",
    "perception",
    "rollouts",
    "worker",
    "vision",
    "loader",
    "memory",
    "short_memory",
    "encoding",
    "dream",
    "population",
    "transformer",
)
BUSY = 0.25  # load per core above which other programs disturb the measurement


@dataclass(frozen=True)
class Settings:
    """Flags of the benchmark."""

    name: Literal["carracing"] = "carracing"  # the experiment that is measured
    # shortest duration of each repeat
    seconds: float = free(3.0, {"quick": (False,)})
    repeats: int = 3  # of each measurement; the median counts
    only: str = ",".join(MEASURES)  # which measurements to make
    workers: int = 0  # processes that drive; 0: one per core
    output: str = "results/benchmark.json"  # where the figures are written
    quick: bool = False  # everything tiny: a smoke test whose figures mean nothing

    def __post_init__(self):
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"--seconds: expected a positive number, received {self.seconds}.")
        if self.repeats < 1 or self.workers < 0:
            raise ValueError(
                "--repeats, --workers: expected at least 1 and at least 0, received "
                f"{self.repeats} and {self.workers}."
            )
        if self.workers and "rollouts" not in self.only.split(","):
            raise ValueError(
                f"--workers: expected none with --only {self.only}, in which nothing drives in "
                f"several processes, received {self.workers}; add rollouts to --only, or drop it."
            )
        unknown = set(self.only.split(",")) - set(MEASURES)
        if unknown:
            raise ValueError(
                f"--only: expected some of {','.join(MEASURES)}, "
                f"received {','.join(sorted(unknown))}."
            )


def benchmark(settings: Settings) -> dict:
    """Measure, print the table, and return everything as plain values."""
    load = os.getloadavg()[0]
    bench = _measured(settings)
    _show(bench)
    if load > BUSY * cores():
        print(
            f"Other programs were using this machine at the start (load {load:.1f}): trust the "
            "ratios more than the rates."
        )
    rows = [{**vars(row), "value": row.value} for row in bench.rows.values()]
    return {
        "machine": {**machine(), "load": load, "bfloat16": cpu_has_bfloat16()},
        "versions": versions(),
        "settings": vars(settings),
        "limits_gflops": bench.limits,
        "rows": rows,
        "skipped": bench.skipped,
    }


def _measured(settings: Settings) -> Any:
    """The Benchmark with all its measurements."""
    from WorldModels.assembly.speed.measure import measured
    from WorldModels.assembly.speed.suite import Benchmark

    with tempfile.TemporaryDirectory() as folder:
        bench = Benchmark(settings, folder, cores(), measured)
        bench.limit("numpy")
        if not settings.quick:
            bench.limit("keras")
            if cpu_has_bfloat16():
                bench.limit("keras_bfloat16")
        for name in settings.only.split(","):
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            bench.run(name)
        bench.limit("numpy")
    bench.settle()
    return bench


def _show(bench: Any) -> None:
    """Print the matrix products, the table, and what could not be measured."""
    from WorldModels.assembly.speed.measurement import table
    from WorldModels.assembly.speed.suite import SIZE

    print(
        f"GFLOP/s of a matrix product ({SIZE} x {SIZE}), with all {cores()} threads and with one:"
    )
    for library in ("numpy", "keras", "keras_bfloat16"):
        if f"{library}_all" in bench.limits:
            every, one = (bench.limits[f"{library}_{threads}"] for threads in ("all", "one"))
            name, _, dtype = library.partition("_")
            print(f"  {name}, {dtype or 'float32'}: {every:.0f} and {one:.0f}")
    if not cpu_has_bfloat16():
        print("  keras, bfloat16: not measured, as this CPU has no AVX512_BF16")
    print(table(list(bench.rows.values())))
    for name, reason in bench.skipped.items():
        print(f"{name} could not be measured: {reason}")


def main(argv: list[str] | None = None) -> None:
    """Measure and write; a user's mistake becomes one line and status 2."""
    import tyro

    leave_if_worker()
    argv = list(sys.argv[1:] if argv is None else argv)
    # The name may come first, as for every verb.
    named = ["--name"] if argv and not argv[0].startswith("-") else []
    try:
        require_unix()
        limit_threads()
        prog = "python -m WorldModels.benchmark"
        settings = tyro.cli(Settings, prog=prog, description=__doc__, args=named + argv)
        refuse_idle(settings, typed_names(argv))
        write_json(settings.output, benchmark(settings))
        print(f"written: {settings.output}")
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\nstopped; nothing was written.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
