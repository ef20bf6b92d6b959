"""What `benchmark`, `estimate` and `compare` have measured in child processes: `python -m
WorldModels.assembly.speed.measure NAME JSON`.

Each measure warms up, then times blocks of at least `seconds`; its result is the last line printed,
as JSON. Knows neither
limits nor goals. The measures themselves are here, in measure_worlds.py, measure_networks.py and
comparison/speeds.py.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

MEASURES = {
    "matrix_product": "speed.measure",
    "environment": "speed.worlds",
    "perception": "speed.worlds",
    "rollouts": "speed.worlds",
    "worker": "speed.worlds",
    "prepare": "speed.networks",
    "vision": "speed.networks",
    "memory": "speed.networks",
    "encoding": "speed.networks",
    "dream": "speed.worlds",
    "population": "speed.networks",
    "transformer": "speed.transformer",
    "training": "comparison.speeds",
    "driving": "comparison.speeds",
}  # measure: the module that has it
# Whatever library computes, it reads one of these when it is imported.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
ONE_THREAD = dict.fromkeys(THREADS, "1") | {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
}


def measured(name: str, one_thread: bool = False, **arguments: Any) -> dict:
    """What a measure gives in a process of its own.

    Args:
        name: a key of MEASURES.
        one_thread: whatever computes in it has one thread.
        arguments: of the measure; JSON.

    Raises:
        RuntimeError: it failed; the message is the last line that it said.
    """
    environment = os.environ | (ONE_THREAD if one_thread else {}) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [
        sys.executable,
        "-m",
        "WorldModels.assembly.speed.measure",
        name,
        json.dumps(arguments),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(said[-1])
    return json.loads(done.stdout.splitlines()[-1])


def blocks(work: Callable[[], int], seconds: float, repeats: int) -> list[float]:
    """Items a second of each of `repeats` blocks of at least `seconds`, after a warm-up; `work()`
    gives its number of items.
    """
    started = time.perf_counter()
    while work() and time.perf_counter() - started < seconds / 3:
        pass
    rates = []
    for _ in range(repeats):
        started, items = time.perf_counter(), 0
        while items == 0 or time.perf_counter() - started < seconds:
            items += work()
        rates.append(items / (time.perf_counter() - started))
    return rates


def matrix_product(size: int, seconds: float, repeats: int, library: str = "numpy") -> dict:
    """GFLOP/s of a size x size float32 matrix product, by numpy or by Keras' backend; threads as
    the environment says.
    """
    a, b = np.random.default_rng(0).random((2, size, size), np.float32)
    if library == "numpy":
        name, product = f"numpy {np.__version__}", lambda: np.matmul(a, b)
    else:
        import keras

        name, one, other = (
            keras.backend.backend(),
            keras.ops.convert_to_tensor(a),
            keras.ops.convert_to_tensor(b),
        )
        product = lambda: float(keras.ops.matmul(one, other)[0, 0])  # noqa: E731   reading a number waits for the result
    return {
        "library": name,
        "rates": blocks(lambda: product() is not None and 1, seconds, repeats),
        "work": 2 * size**3 / 1e9,
    }


def main() -> None:
    """Run the measure that is named first with the arguments that follow as JSON."""
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    module = importlib.import_module(f"WorldModels.assembly.{MEASURES[name]}")
    print(json.dumps(getattr(module, name)(**arguments)))


if __name__ == "__main__":
    main()
