"""Plays for a while what each stage plays, in as many worker processes as it would use."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.assembly.evaluation.baselines import baseline_names
from WorldModels.assembly.evaluation.examiner import DRIVER
from WorldModels.assembly.speed.paces import BLIND, DRIVEN, TESTED, Pace
from WorldModels.assembly.speed.trial.clock import Clock, Played
from WorldModels.assembly.speed.trial.worlds import (
    ClockedExaminer,
    ClockedRecorder,
    Dreamer,
    Player,
    Searcher,
)
from WorldModels.assembly.worlds import dream_world, real_world
from WorldModels.control.controller import Controller
from WorldModels.control.executors import cores, open_executor
from WorldModels.experiment.run import Run

DREAM_STEPS = 50  # of a task's dreams


class Plays:
    """Plays one thing after another; an untrained driver drives.

    Args:
        run: the open run.
        folder: of a small run like it, which holds V, M and the driver once they are made.
        seconds: how long to play each.

    Attributes:
        processes: worker processes at once.
        paces: what was measured; see paces.Trial.
    """

    def __init__(self, run: Run, folder: Path, seconds: float):
        self.run, self.experiment, self.seconds = run, run.experiment, seconds
        self.folder, self.path = folder, folder / "0"
        self.driver = self.path / "controller" / "best.npz"
        self.processes = run.experiment.workers or cores()
        self.paces: dict[str, Pace] = {}

    def record(self, name: str, shares: dict[str, float]) -> list[Played]:
        """Record; what each process played.

        Args:
            name: the pace.
            shares: driver -> its share of the episodes.
        """
        controller = (self.driver, self.path) if "controller" in shares else None
        settings, clock = self.experiment.record, Clock()
        how = self.experiment, self.run.iteration, self.folder / "recorded", shares, controller
        recorder = ClockedRecorder(*how, clock=clock)
        return self._sit(recorder, clock, settings.episodes, [name], settings.min_frames)[name]

    def search(self) -> None:
        """Drive as the search in the real world does."""
        s, clock = self.experiment.controller, Clock()
        world = real_world(self.path, self.experiment.env, features=s.features, latent=s.seen)
        searcher = Searcher(world, *Controller.load(self.driver)[:2], clock)
        self._sit(searcher, clock, s.population_size * s.rollouts, [DRIVEN])

    def test(self) -> list[Played]:
        """Play as the driver and the blind policies do in a test, and dream if it has dreams.

        Returns:
            What the blind policies played in each process.
        """
        s, env, clock = self.experiment.evaluate, self.experiment.env, Clock()
        blind, driver = tuple(baseline_names(s.baselines)), {DRIVER: self.driver}
        examiner = ClockedExaminer(self.path, env, driver, clock=clock, blind=blind)
        most = s.tracks + s.baseline_tracks
        played = self._sit(examiner, clock, most, [TESTED, BLIND])[BLIND]
        if self.experiment.controller.world != "real":
            self._dream(driver, len(blind))
        return played

    def _dream(self, driver: dict[str, Path], policies: int) -> None:
        """Dream as in a test: the driver and some policies, in tasks of their own."""
        env = self.experiment.env
        changes = {"max_steps": min(DREAM_STEPS, env.max_steps), "termination": "never"}
        dream = dream_world(self.path, self.experiment, **changes)
        size = min(self.processes, 1 + policies)
        dreamer = Dreamer(ClockedExaminer(self.path, env, driver, dream))
        with open_executor(dreamer, size, say=self.run.say) as executor:
            found = [pace for _, pace in executor.map_unordered((k, k) for k in range(size))]
        self.paces["dreamt"] = Pace(*np.mean(found, axis=0).tolist())

    def _sit(
        self, make: Callable, clock: Clock, most: int, names: Sequence[str], least: int = 0
    ) -> dict[str, list[Played]]:
        """Play in as many processes as a stage would; note the paces, and give what was played.

        Args:
            make: see worlds.Player.
            clock: of its worlds.
            most: tasks of the stage.
            names: the paces.
            least: shorter episodes are played again.
        """
        size, found, began = max(min(self.processes, most), 1), {}, time.monotonic()
        with open_executor(Player(make, clock), size, say=self.run.say) as executor:
            for name in names:
                tasks: list[Any] = [(k, (name, k, size, self.seconds)) for k in range(size)]
                found[name] = [Played(**played) for _, played in executor.map_unordered(tasks)]
                self.paces[name] = pace_of(found[name], least)
        start = time.monotonic() - began - len(names) * self.seconds
        self.paces["workers"] = Pace(max(start, self.paces.get("workers", Pace()).once))
        return found


def pace_of(played: Sequence[Played], least: int = 0) -> Pace:
    """The pace of the steps in one of all processes.

    Args:
        played: what each process played.
        least: episodes with fewer steps are played again, so they count as lost.
    """
    short = [n for each in played for n in each.lengths if n < least]
    steps = max(sum(each.steps for each in played) - sum(short), 1)
    resets = max(sum(each.resets for each in played) - len(short), 1)
    resetting = sum(each.reset_seconds for each in played)
    stepping = sum(each.seconds for each in played) - resetting
    return Pace(resetting / resets, stepping / steps)
