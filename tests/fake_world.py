"""A cheap world for tests: follow a random line, seen as four features.

Its makers can be pickled and sent to workers.

`python fake_world.py FOLDER WORKERS` evolves a driver in it.
"""

import sys
import time
import zipfile
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from WorldModels.control.controller import Controller
from WorldModels.experiment.sums import ARRAYS

CONTROLLER = Controller("z", latent_size=4, action_size=2)
FIVE = dict(
    population_size=6,
    rollouts=3,
    generations=5,
    validation_every=2,
    validation_rollouts=4,
)


def fake_network(path, weights):
    """A .keras file with a text in place of weights, for verbs that ask only if they changed."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ARRAYS, weights)


class Line(gymnasium.Env):
    """Reward: 1 minus the action's distance from a random target; 20 to 39 steps an episode."""

    observation_space = Box(-np.inf, np.inf, (4,), np.float32)
    action_space = Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(20, 40))
        return self._see(), {}

    def step(self, action):
        reward = 1 - float(np.abs(action - self.features[:2]).sum())
        self.left -= 1
        return self._see(), reward, self.left == 0, False, {}

    def _see(self):
        self.features = self.np_random.uniform(-1, 1, 4).astype(np.float32)
        return self.features


class Script(gymnasium.Env):
    """Replays given rewards, infos and a bad observation; every step has a frame."""

    action_space = Box(-1, 1, (2,), np.float32)
    observation_space = Box(-np.inf, np.inf, (4,), np.float32)

    def __init__(self, rewards, infos=None, terminated=True, bad_observation_at=None):
        self.rewards, self.infos, self.terminated, self.bad = (
            rewards,
            infos or {},
            terminated,
            bad_observation_at,
        )

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.zeros(4, np.float32), {"frame": np.full((8, 8, 3), 0, np.uint8)}

    def step(self, action):
        self.t += 1
        last = self.t == len(self.rewards)
        observation = np.full(4, np.nan if self.t == self.bad else self.t, np.float32)
        info = {"frame": np.full((8, 8, 3), self.t, np.uint8)} | self.infos.get(self.t, {})
        return (
            observation,
            self.rewards[self.t - 1],
            last and self.terminated,
            last and not self.terminated,
            info,
        )


def nan_world():
    return Script([1.0, float("nan"), 1.0])


def main(folder, workers):
    from WorldModels.control.executors import Executor
    from WorldModels.control.generations import Generations
    from WorldModels.control.scoring import DriverMaker, lengths_of, returns_of, score
    from WorldModels.control.strategies.cmaes import CMAES
    from WorldModels.experiment.settings.controller import ControllerSettings

    settings = ControllerSettings(**{**FIVE, "generations": 12})
    with Executor(DriverMaker(Line, CONTROLLER), int(workers)) as executor:

        def drive(parameters, generation, rollouts, heard):
            tracks = np.random.default_rng(generation).integers(10**6, size=rollouts)
            results = score(
                executor, parameters, tracks, 100, heard=lambda result: heard(result.length)
            )
            time.sleep(0.05)
            return returns_of(results), lengths_of(results)

        def validate(mean):
            return returns_of(score(executor, mean[None], range(4), 100))[0]

        evolution = CMAES(CONTROLLER.num_parameters, 6, 0.1, np.random.default_rng(0))
        Generations(Path(folder), CONTROLLER, evolution, settings, drive, validate).run(show=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
