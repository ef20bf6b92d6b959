"""A small run like the one that is tried: random episodes and series, and timed work on them."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.assembly.speed.networks import fit_times
from WorldModels.experiment.choice import decided
from WorldModels.experiment.machine import trained_on
from WorldModels.experiment.run import Run
from WorldModels.interfaces import observation_dtype

ROOM = 4  # batches of V for which there are frames
LONGEST = 1000  # steps of a random episode

Pace = list[float]  # [once, each]; see paces.Pace


class SmallRun:
    """A small run, and what is measured in it.

    Args:
        run: in a folder of its own, with the settings of the run that is tried.
        plan: what that run trains on, as plain values: `shape` of an observation, `actions` (A),
            `lengths` of some episodes in steps, `training`, the number of series to train M on in
            each iteration, `held_out`, the number of episodes that are held out, `frames` that V
            trains on, and `began`: stage -> what V's or M's stage began with.
        seconds: how long to repeat what can be repeated.

    Attributes:
        paces: kind of work -> its pace; see paces.Trial.
    """

    def __init__(self, run: Run, plan: dict, seconds: float):
        self.run, self.plan, self.seconds = run, plan, seconds
        self.path, self.settings = run.path, run.experiment
        self.sizes = self.settings.vision.latent_size, plan["actions"]
        self.draw = np.random.default_rng(0)
        self.paces: dict[str, Pace] = {}

    def frames(self, count: int) -> np.ndarray:
        """Random observations (count, H, W, 3) uint8, or (count, D) float32."""
        shape = (count, *self.plan["shape"])
        if observation_dtype(shape[1:]) == "uint8":
            return self.draw.integers(0, 256, shape, np.uint8)
        return self.draw.standard_normal(shape, np.float32)

    def episodes(self) -> list[Path]:
        """Files of random episodes, with frames for a few batches of V; made by the first call."""
        from WorldModels.episodes.episode import Episode, list_episodes

        folder = self.path / "episodes"
        if there := list_episodes(folder):
            return there
        length = min(max(1, round(float(np.mean(self.plan["lengths"])))), LONGEST)
        for index in range(-(-ROOM * self.settings.vision.batch_size // (length + 1))):
            actions = self.draw.uniform(-1, 1, (length, self.plan["actions"]))
            steps = self.frames(length + 1), actions, np.zeros(length), True, False
            Episode(*steps, index, "trial").save(folder / f"{index:06}.npz")
        return list_episodes(folder)

    def series(self, count: int) -> list:
        """Series of random latents, as long as the plan's episodes in turns."""
        from WorldModels.episodes.series import Series

        longest = max(self.plan["lengths"])
        mean = self.draw.standard_normal((longest + 1, self.sizes[0]), np.float32)
        log_var = np.zeros_like(mean)
        actions = np.zeros((longest, self.sizes[1]), np.float32)
        rewards = np.zeros(longest, np.float32)
        of_length = {
            n: Series(mean[: n + 1], log_var[: n + 1], actions[:n], rewards[:n], True)
            for n in set(self.plan["lengths"])
        }
        turns = itertools.cycle(self.plan["lengths"])
        return [of_length[n] for n in itertools.islice(turns, count)]

    def fitted(
        self, model: Any, batches: Iterator, callbacks: Sequence = (), share: float = 1.0
    ) -> Pace:
        """The pace of the steps of fit(); once: what the first takes more than the others.

        Args:
            model: a compiled model.
            batches: to train on, without an end.
            callbacks: for fit().
            share: of `seconds`, for which it is trained.
        """

        def enough(times: list[float]) -> bool:
            return len(times) > 2 and times[-1] - times[1] >= share * self.seconds

        times = fit_times(model, batches, enough, callbacks)
        steady = times[2:] if len(times) > 4 else times[1:]
        each = (steady[-1] - steady[0]) / (len(steady) - 1)
        return [max(times[-1] - times[0] - each * (len(times) - 1), 0.0), each]

    def choice(
        self, stage: str, asked: dict[str, str], amount: float, sizes: dict, start: Callable
    ) -> dict[str, str]:
        """What V or M is going to train with; see experiment.choice.

        Where that has to be timed it is timed here, and the stage will find the times.
        """
        import keras

        began, where = self.plan["began"].get(stage), trained_on(keras)
        how = sizes, start, where, lambda line: None, Path(self.plan["cache"])
        return decided(stage, began, asked, amount, *how)[0]

    def repeated(self, work: Callable[[], int]) -> float:
        """Seconds per item of some work, which returns its number of items."""
        began, items = time.perf_counter(), 0
        while items == 0 or time.perf_counter() - began < self.seconds / 2:
            items += work()
        return (time.perf_counter() - began) / items


def timed(work: Callable[[], Any]) -> float:
    """Seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def twice(work: Callable[[], Any], again: bool = True) -> Pace:
    """[what the first call takes more than the second, what the second takes], in seconds.

    Args:
        work: is done twice.
        again: if not, it is done once, since the run does it only once; the second takes nothing.
    """
    first = timed(work)
    second = timed(work) if again else 0.0
    return [max(first - second, 0.0), second]
