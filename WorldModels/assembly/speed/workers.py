"""Measures how fast workers drive, how soon they are ready, and how much memory they take."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from WorldModels.assembly.speed.road import TRACK, OnTheRoad
from WorldModels.experiment.settings.experiment import Experiment


@dataclass(frozen=True)
class Driver:
    """Makes a function that drives an episode in a worker process; picklable.

    The function takes (seed, steps) and returns the steps driven and the MB of private memory of
    its process.

    Attributes:
        folder: the one with V and M.
    """

    folder: str

    def __call__(self) -> Callable[[tuple[int, int]], tuple[int, float]]:
        from WorldModels.assembly.worlds import real_world
        from WorldModels.control.controller import Controller, ControllerPolicy
        from WorldModels.control.rollout import rollout

        world = real_world(self.folder, Experiment().env, features="zh")()
        controller = Controller("zh")
        parameters = np.full(controller.num_parameters, 0.01)
        policy = OnTheRoad(ControllerPolicy(controller, parameters), world)

        def drive(task: tuple[int, int]) -> tuple[int, float]:
            seed, steps = task
            return (rollout(world, policy, seed, steps).length if steps else 0), private_memory()

        return drive


def private_memory() -> float:
    """MB (10^6 bytes) that this process shares with no other; NaN if the system does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return float("nan")
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


def rollouts(seconds: float, repeats: int, folder: str, steps: int, workers: int) -> dict:
    """Steps/s of a controller in the fast environment, all worker processes together."""
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.control.executors import open_executor

    tracks = itertools.count(TRACK)
    with open_executor(Driver(folder), workers) as executor:

        def generation() -> int:
            tasks = [(seed, (seed, steps)) for seed in itertools.islice(tracks, 4 * workers)]
            return sum(done for _, (done, _) in executor.map_unordered(tasks))

        return {"rates": blocks(generation, seconds, repeats), "note": f"{workers} workers"}


def worker(repeats: int, folder: str, steps: int) -> dict:
    """Seconds from a worker's start to its first answer, and its private MB after an episode."""
    from WorldModels.control.executors import open_executor

    ready, memory = [], []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with open_executor(Driver(folder), 1) as executor:
            list(executor.map_unordered([(0, (TRACK, 0))]))
            ready.append(time.perf_counter() - started)
            [(_, (_, megabytes))] = executor.map_unordered([(0, (TRACK, steps))])
            memory.append(megabytes)
    return {"ready": ready[1:], "memory": memory[1:]}  # the first worker read the files from disk
