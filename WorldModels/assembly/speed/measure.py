"""Measures speeds in child processes: `python -m WorldModels.assembly.speed.measure NAME JSON`.

Each measure warms up, then times blocks of at least `seconds`. The last line that it prints is its
result as JSON.
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

from WorldModels.experiment.machine import ONE_THREAD
from WorldModels.experiment.quiet import quiet_tensorflow

# Measure -> its module in this folder.
MEASURES = {
    "matrix_product": "measure",
    "environment": "worlds",
    "perception": "worlds",
    "dream": "worlds",
    "rollouts": "workers",
    "worker": "workers",
    "prepare": "networks",
    "vision": "networks",
    "memory": "networks",
    "short_memory": "networks",
    "encoding": "networks",
    "loader": "networks",
    "population": "networks",
    "transformer": "transformer",
    "training": "turns",
    "driving": "turns",
    "own_networks": "trial.networks",
}


def measured(name: str, one_thread: bool = False, **arguments: Any) -> dict:
    """Run a measure in a separate process and return its result.

    Args:
        name: a key of MEASURES.
        one_thread: libraries compute with one thread in that process.
        arguments: passed to the measure as JSON.

    Raises:
        RuntimeError: it failed; the message is the last line of its error output.
    """
    environment = os.environ | (ONE_THREAD if one_thread else {}) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "WorldModels.assembly.speed.measure"]
    command += [name, json.dumps(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(said[-1])
    return json.loads(done.stdout.splitlines()[-1])


def blocks(work: Callable[[], int], seconds: float, repeats: int) -> list[float]:
    """Items per second in each of several blocks, after a warm-up.

    Args:
        work: does some work and returns its number of items.
        seconds: minimum length of a block.
        repeats: number of blocks.
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
    """Products per second of two square matrices.

    Args:
        size: length of a matrix's side.
        seconds: minimum length of a block.
        repeats: number of blocks.
        library: "numpy" or "keras", Keras's backend, in float32; or "keras_bfloat16".

    Returns:
        library, rates, and work, the GFLOP of one product.
    """
    a, b = np.random.default_rng(0).random((2, size, size), np.float32)
    name, product = _product(library, a, b)

    def work() -> int:
        product()
        return 1

    return {"library": name, "rates": blocks(work, seconds, repeats), "work": 2 * size**3 / 1e9}


def _product(library: str, a: np.ndarray, b: np.ndarray) -> tuple[str, Callable]:
    """A library's name, and a function that multiplies two matrices with it."""
    if library == "numpy":
        return f"numpy {np.__version__}", lambda: np.matmul(a, b)
    import keras

    dtype = "bfloat16" if library == "keras_bfloat16" else "float32"
    a, b = (keras.ops.cast(matrix, dtype) for matrix in (a, b))
    # Reading a number waits for the result.
    return keras.backend.backend(), lambda: float(keras.ops.matmul(a, b)[0, 0])


def main() -> None:
    """Run the measure NAME with the arguments JSON, and print its result."""
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    quiet_tensorflow()  # this shortens its import, too
    module = importlib.import_module(f"WorldModels.assembly.speed.{MEASURES[name]}")
    print(json.dumps(getattr(module, name)(**arguments)))


if __name__ == "__main__":
    main()
