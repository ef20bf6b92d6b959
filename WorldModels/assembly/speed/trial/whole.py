"""Tries a run for a while: each stage's own work, with the run's own networks, worlds and workers.

Nothing of it stays: it happens in a temporary folder on the run's disk.
"""

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.assembly.speed.paces import BY_DRIVER, RECORDED, Pace, Trial
from WorldModels.assembly.speed.work import Work
from WorldModels.experiment.fields import named, plain
from WorldModels.experiment.files import TEMPORARY, host, process_began, remove
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import stage_facts
from WorldModels.interfaces import observation_dtype

# Seconds for which each kind of work is repeated, by scale; else USUAL.
SECONDS, USUAL = {"smoke": 0.2}, 2.5
SOME = 200  # lengths of episodes that stand for all of them
SUMMED = 2**24  # bytes whose sum is timed


def tried(
    run: Run,
    work: Work,
    todo: Mapping[str, Sequence[int]],
    plays: Callable[[Run, Path, float], Any],
) -> Trial:
    """Try what some stages do.

    Args:
        run: the open run.
        work: of all its stages.
        todo: stage -> the iterations in which some of its work is left.
        plays: makes a plays.Plays.

    Raises:
        ValueError: a setting, an environment or a network cannot be used.
    """
    from WorldModels.assembly.speed.others import others

    began = time.monotonic()
    with others() as rest, _small_run(run) as folder:
        seconds = SECONDS.get(run.experiment.scale, USUAL)
        trial = _RunTrial(work, todo, folder, plays(run, folder, seconds))
        trial.record()
        trial.try_networks()
        trial.play()
    return trial.found(time.monotonic() - began, rest.share)


@contextlib.contextmanager
def _small_run(run: Run) -> Iterator[Path]:
    """A temporary folder in the run's, removed at the end; if this is killed, by the next verb."""
    process = f"{os.getpid()}.{process_began(os.getpid())}"
    folder = run.folder / f"{TEMPORARY}{host()}-{process}-estimate"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(folder)


class _RunTrial:
    """Tries one part of a run after another.

    Args:
        work: of all its stages.
        todo: see `tried`.
        folder: an empty one, for a small run like it.
        plays: plays in this folder.
    """

    def __init__(self, work: Work, todo: Mapping[str, Sequence[int]], folder: Path, plays: Any):
        self.experiment, self.work, self.folder = work.experiment, work, folder
        self.todo = {stage: iterations for stage, iterations in todo.items() if iterations}
        self.iterations = sorted({k for iterations in todo.values() for k in iterations})
        self.by_controller = any("controller" in work.shares(k) for k in todo["episodes"])
        self.plays = plays
        self.shape, self.actions = self._opened()
        self.networks: dict = {"paces": {}, "memory_epoch": []}
        self.lengths: list[int] = []
        self.recorded, self.terminated, self.blind = 0.0, np.inf, 0.0
        if work.there:  # most of the first iteration's episodes are driven blindly
            there = work.there[min(work.there)]
            self._note(list(there.lengths.values()), there.terminated * len(there.lengths))

    def _opened(self) -> tuple[tuple[int, ...], int]:
        """The shape of an observation, and the numbers in an action."""
        from WorldModels.assembly.worlds import real_world

        world = real_world("", self.experiment.env)()
        try:
            return world.observation_space.shape, world.action_space.shape[0]
        finally:
            world.close()

    def _note(self, lengths: list[int], ends: float, steps: float = 0) -> None:
        """Note how long episodes are, and how many the game ended."""
        self.lengths, longest = lengths[:SOME], self.experiment.record.max_frames
        self.recorded = min((steps or sum(lengths)) / len(lengths), longest)
        self.terminated = (steps or sum(lengths)) / ends if ends else np.inf

    def found(self, seconds: float, others: float) -> Trial:
        """What was measured.

        Args:
            seconds: that it took.
            others: share of the processor that other programs took.
        """
        paces = {name: Pace(*pace) for name, pace in self.networks["paces"].items()}
        paces |= self.plays.paces | {"sum": Pace(0.0, _summed(self.shape))}
        epochs = dict(zip(self.iterations, self.networks["memory_epoch"], strict=False))
        lengths = self.recorded, self.terminated, self.blind
        return Trial(paces, *lengths, epochs, self.plays.processes, seconds, others)

    def record(self) -> None:
        """Record by the blind policies, if their speed or the length of episodes is wanted."""
        longest = self.experiment.record.max_frames
        rest = {name: x for name, x in self.work.shares(0).items() if name != "controller"}
        if rest and ("episodes" in self.todo or not self.lengths):
            blind = {name: share / sum(rest.values()) for name, share in rest.items()}
            played = self.plays.record(RECORDED, blind)
            least = self.experiment.record.min_frames
            kept = [n for each in played for n in each.lengths if n >= least]
            short = sum(n for each in played for n in each.lengths if n < least)
            if not self.lengths and kept:
                ends = sum(each.terminated for each in played)
                self._note(kept, ends, sum(each.steps for each in played) - short)
        if not self.lengths:
            self._note([longest], 0)
        if self.experiment.record.full_episode:
            self.recorded = longest

    def try_networks(self) -> None:
        """Try the networks in a process of their own, which leaves what workers open.

        Raises:
            ValueError: they cannot be made, or M lacks what the dream needs.
        """
        from WorldModels.assembly.speed.measure import measured

        stages = [stage for stage in self.todo if stage != "episodes"]
        if not stages and not self.by_controller:
            return
        values = {name: plain(value) for name, _, value in named(self.experiment)}
        values |= {"results": str(self.folder), "iteration": 0, "iterations": 1, "reuse": ""}
        how = {"folder": str(self.folder), "settings": values | {"force": False}, "stages": stages}
        how |= {"plan": self._plan(), "seconds": self.plays.seconds, "spawned": time.time()}
        try:
            self.networks = measured("own_networks", **how)
        except RuntimeError as error:
            name, _, reason = str(error).partition(": ")
            raise ValueError(f"estimate: {reason or name}") from None

    def _plan(self) -> dict:
        """See small_run.SmallRun."""
        trial = self.found(0.0, 0.0)
        parts = [self.work.parts(trial, k) for k in self.iterations]
        path = self.work.folder / str(self.iterations[0])
        facts = {name: stage_facts(path, name) for name in ("vision", "memory")}
        return {
            "shape": self.shape,
            "actions": self.actions,
            "lengths": self.lengths,
            "training": [training.episodes for training, _ in parts],
            "held_out": parts[0][1].episodes,
            "frames": parts[0][0].frames,
            "began": {} if self.experiment.force else {n: f for n, f in facts.items() if f},
            "cache": str(self.work.folder / "cache"),
        }

    def play(self) -> None:
        """Drive as the recording, the search and the test do, in worker processes."""
        world = self.experiment.controller.world
        if self.by_controller:
            self.plays.record(BY_DRIVER, {"controller": 1.0})
        if "controller" in self.todo and world != "dream":
            self.plays.search()
        if "evaluation" in self.todo or ("controller" in self.todo and world != "real"):
            played = self.plays.test()
            longest, ends = self.experiment.env.max_steps, sum(len(each.lengths) for each in played)
            steps = sum(each.steps for each in played)
            self.blind = min(steps / ends if ends else max(self.terminated, steps), longest)


def _summed(shape: tuple[int, ...]) -> float:
    """Seconds that the sum of an observation takes, which is listed with its episode's file."""
    content = bytes(SUMMED)
    began = time.perf_counter()
    hashlib.sha256(content)
    size = np.dtype(observation_dtype(shape)).itemsize * math.prod(shape)
    return (time.perf_counter() - began) / SUMMED * size
