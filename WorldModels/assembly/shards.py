"""Dreams of a population on all cores: in shards of drivers, the same whoever computes them.

A shard is large enough that a matrix product in one thread is as fast as it can be; two processes
of one thread each then dream a fifth more than one process of two.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LANES = 512  # in a shard, at least; with 256, two processes are slower than one


@dataclass(frozen=True)
class PopulationMaker:
    """Makes, in whatever process calls it, a memory.imagine.PopulationDream; picklable.

    Attributes:
        memory: M's file.
        controller: the control.controller.Controller of all drivers.
        how: arguments of envs.lanes.Dreaming.
        judge: the file of another M that decides what happens (memory/judged.py); empty: none.
    """

    memory: str
    controller: Any
    how: dict
    judge: str = ""

    def __call__(self) -> Any:
        """Open M.

        Raises:
            ValueError: M lacks what the dream needs.
        """
        from keras import ops

        from WorldModels.assembly.models import Imagination, load_memory
        from WorldModels.envs.lanes import Dreaming
        from WorldModels.interfaces import FEATURES
        from WorldModels.memory.imagine import PopulationDream
        from WorldModels.memory.judged import Judged

        how, memory = Dreaming(**self.how), load_memory(self.memory)
        imagination = Imagination(memory)
        how.check(imagination.sizes, imagination.heads)
        if self.judge:
            memory = Judged(memory, load_memory(self.judge))
        return PopulationDream(
            memory,
            lambda parameters, features: self.controller.act(parameters, features, ops),
            FEATURES[how.features],
            temperature=how.temperature,
            termination=how.termination,
            step_reward=how.step_reward if how.reward == "constant" else None,
            threshold=how.threshold,
            max_steps=how.max_steps,
        )


@dataclass(frozen=True)
class ShardMaker:
    """Makes a callable(shard) -> returns and lengths, for a worker process; picklable."""

    population: PopulationMaker

    def __call__(self) -> Callable[[tuple], tuple[np.ndarray, np.ndarray]]:
        """Open M."""
        dream = self.population()
        return lambda shard: dream.returns(*shard)


class ShardedDream:
    """A PopulationDream whose shards are shared among worker processes.

    One shard is dreamt in this process with all its threads. The workers start with the first
    population of several.

    Args:
        make: a PopulationMaker.
        workers: most processes; 1: all is dreamt in this one.
        cores: that the processes share.
        say: receives a line about every worker that is replaced.

    Raises:
        ValueError: M lacks what the dream needs.
    """

    def __init__(
        self,
        make: PopulationMaker,
        workers: int = 1,
        cores: int = 1,
        say: Callable[[str], None] = print,
    ):
        self.make, self.dream = make, make()
        self.workers, self.cores, self.say = workers, cores, say
        self.executor = None

    def returns(
        self,
        parameters: np.ndarray,
        first: np.ndarray,
        generator: np.random.Generator,
        heard: Callable[[int], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See PopulationDream.returns; with workers, `heard` is called after each shard."""
        shards = list(split(parameters, first, generator))
        if len(shards) == 1 or self.workers == 1:
            found = [self.dream.returns(*shard, heard) for shard in shards]
        else:
            found = self._shared(shards, heard or (lambda steps: None))
        returns, lengths = zip(*found, strict=True)
        return np.concatenate(returns), np.concatenate(lengths)

    def _shared(self, shards: list[tuple], heard: Callable[[int], None]) -> list[tuple]:
        from WorldModels.control.executors import Executor

        if self.executor is None:
            workers = min(self.workers, len(shards))
            threads = max(1, self.cores // workers)
            self.executor = Executor(ShardMaker(self.make), workers, threads=threads, say=self.say)
        found: dict[Any, tuple] = {}
        for number, result in self.executor.map_unordered(enumerate(shards)):
            found[number] = result
            heard(int(result[1].sum()))
        return [found[number] for number in range(len(shards))]

    def close(self) -> None:
        """End the workers."""
        if self.executor is not None:
            self.executor.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def split(parameters: np.ndarray, first: np.ndarray, generator: np.random.Generator):
    """Split a population into shards of LANES lanes or more: arguments of PopulationDream.returns.

    Drivers that share their dreams share the noise too; else each shard has a generator of its own.

    Args:
        parameters: (P, N).
        first: (R, Z), the same for all drivers, or (P, R, Z).
        generator: draws the noise.
    """
    common = first.ndim == 2
    lanes = len(parameters) * first.shape[-2]
    count = max(1, min(len(parameters), lanes // LANES))
    if count == 1:
        yield parameters, first, generator
        return
    parts = np.array_split(np.arange(len(parameters)), count)
    draws = [copy.deepcopy(generator) for _ in parts] if common else generator.spawn(count)
    for part, draw in zip(parts, draws, strict=True):
        yield parameters[part], first if common else first[part], draw
