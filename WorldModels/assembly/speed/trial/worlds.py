"""What worker processes play in a trial of a run: its recording, its search, its test, dreams.

All is played as the stages play it, but by an untrained driver, and ends when the time is over.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import gymnasium
import numpy as np

from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
from WorldModels.assembly.evaluation.tasks import LANES, SEEDS, Task
from WorldModels.assembly.recorder import FIRST_SEED, Recorder
from WorldModels.assembly.speed.paces import BLIND
from WorldModels.assembly.speed.road import KeptOnTheRoad
from WorldModels.assembly.speed.trial.clock import Clock, Clocked, TimeOverError
from WorldModels.assembly.worlds import WorldMaker
from WorldModels.control.scoring import Drive, DriverMaker
from WorldModels.experiment.games.registry import game_of


@dataclass(frozen=True)
class ClockedRecorder(Recorder):
    """A Recorder in clocked worlds, which keeps no episode; a driver's car stays on the road."""

    clock: Clock = field(default_factory=Clock)

    def __call__(self) -> Callable[[str, int], Any]:
        """See Recorder; what it makes also takes the name of a pace first."""
        record_one = super().__call__()
        return lambda name, index: record_one(index)

    def record(self, index: int, world: Any, policy: Any) -> tuple[int, float, str]:
        """See Recorder."""
        try:
            return super().record(index, world, policy)
        finally:
            (self.folder / f"{index:06}.npz").unlink(missing_ok=True)

    def world(self, random_start: bool, by_controller: bool) -> tuple[Any, Any]:
        """See Recorder."""
        world, driver = super().world(random_start, by_controller)
        return clocked(world, self.clock, self.experiment.env, by_controller), driver


@dataclass(frozen=True)
class Searcher:
    """Makes a callable(name, number) that drives an episode as the search does; picklable.

    Attributes:
        make_world: see control.scoring.DriverMaker.
        controller: the driver's shape.
        parameters: the driver's.
        env: settings of the environment.
        clock: counts.
    """

    make_world: WorldMaker
    controller: Any
    parameters: np.ndarray
    clock: Clock

    def __call__(self) -> Callable[[str, int], Any]:
        """Open the world."""
        env = self.make_world.env
        drive = DriverMaker(self._world, self.controller)()

        def drive_one(name: str, number: int) -> Any:
            return drive(Drive(self.parameters, FIRST_SEED + number, env.max_steps))

        return drive_one

    def _world(self) -> gymnasium.Env:
        return clocked(self.make_world(), self.clock, self.make_world.env, True)


@dataclass(frozen=True)
class ClockedExaminer(Examiner):
    """Makes a callable(name, number) that plays a game of the test in clocked worlds; picklable.

    Attributes:
        clock: counts.
        blind: the blind policies; they play where the name is BLIND, in turns.
    """

    clock: Clock = field(default_factory=Clock)
    blind: tuple[str, ...] = ()

    def __call__(self) -> Callable[[str, int], Any]:
        """Worlds open as they are needed."""
        play = super().__call__()

        def play_one(name: str, number: int) -> Any:
            driver = self.blind[number % len(self.blind)] if name == BLIND else DRIVER
            return play(Task("tracks", driver, (number,)))

        return play_one

    def world(self, view: str = DRIVER, env: Any = None) -> gymnasium.Env:
        """See Examiner."""
        return clocked(super().world(view, env), self.clock, self.env, bool(view))


@dataclass(frozen=True)
class Dreamer:
    """Makes a callable that plays a task's dreams to their limit; picklable.

    Attributes:
        examiner: whose driver dreams.
    """

    examiner: Examiner

    def __call__(self) -> Callable[[int], tuple[float, float]]:
        """Open nothing yet."""

        def dream(_: int) -> tuple[float, float]:
            """Seconds before the first step, and of each step."""
            times = [time.monotonic()]
            watch = lambda *_: times.append(time.monotonic())  # noqa: E731
            self.examiner.dreams(DRIVER, range(LANES), SEEDS["dreams"], watch)
            return times[1] - times[0], (times[-1] - times[1]) / (len(times) - 2)

        return dream


@dataclass(frozen=True)
class Player:
    """Makes a callable that plays for some seconds, in a worker process; picklable.

    Its task is (name, first, step, seconds): the pace that is measured, the first number to play,
    how far the numbers are apart, and for how long. It gives a Played, as a dict.

    Attributes:
        make: makes a callable(name, number), whose worlds have the clock.
        clock: of these worlds.
    """

    make: Callable[[], Callable[[str, int], Any]]
    clock: Clock

    def __call__(self) -> Callable[[tuple], dict]:
        """Build it; worlds open as they are needed, before the clock starts."""
        work = self.make()

        def play(task: tuple[str, int, int, float]) -> dict:
            name, first, step, seconds = task
            for number in (first, first + step):  # its first step opens a world
                self._plays(work, name, number, 0.0)
            for number in itertools.count(first, step):
                left = seconds if number == first else None
                if not self._plays(work, name, number, left):
                    return asdict(self.clock.stop())

        return play

    def _plays(self, work: Callable, name: str, number: int, seconds: float | None) -> bool:
        """Whether an episode ends before the time is over; `seconds` start the clock."""
        if seconds is not None:
            self.clock.start(seconds)
        try:
            work(name, number)
        except TimeOverError:
            return False
        self.clock.episode_ends()
        return True


def clocked(env: gymnasium.Env, clock: Clock, settings: Any, by_driver: bool) -> Clocked:
    """A clocked world, in which a driver's car is kept on the road.

    Args:
        env: the world.
        clock: counts.
        settings: of the environment.
        by_driver: a trained driver would act in it.
    """
    kept = by_driver and game_of(settings.id).has_road
    return Clocked(KeptOnTheRoad(env) if kept else env, clock)
