"""Blind policies: they ignore what they see and act at random or by a rule.

They play any world whose actions are in -1..1, and are told what each number of an action means.
They record episodes, and are baselines for a trained driver.
"""

import math
from collections.abc import Sequence

import numpy as np

from WorldModels.experiment.games.game import Action, Game, one_hot

# An environment seeded with s draws from SeedSequence(s); this second word gives its policy a
# stream of its own.
_STREAM = 1


class BlindPolicy:
    """A policy that ignores its observations; `reset(seed)` fixes every action of an episode.

    Args:
        actions: what each number of an action means (Game.named_actions), or how many numbers an
            action has, if no more is known; then all of them are symmetric.

    Attributes:
        action_size: numbers in an action.
        chooses: whether actions are one-hot vectors.
        gas, brake: lists of the indices of the numbers of that kind.
        steering: index of the first symmetric number; 0 if there is none.
    """

    name = ""

    def __init__(self, actions: Sequence[Action] | int):
        if isinstance(actions, int):
            actions = Game("").named_actions(actions)
        self.kinds = [action.kind for action in actions]
        self.action_size = len(self.kinds)
        self.chooses = "choice" in self.kinds
        self.gas, self.brake = self._places("gas"), self._places("brake")
        self.steering = (self._places("symmetric") or [0])[0]

    def reset(self, seed: int) -> None:
        """Begin an episode; equal seeds give equal actions."""
        self.rng = np.random.default_rng([int(seed), _STREAM])
        self._begin()

    def act(self, observation: np.ndarray | None = None) -> np.ndarray:
        """The next action: (A,) float32 in -1..1, or one-hot; the observation is ignored."""
        return one_hot(self._next()) if self.chooses else self._next()

    def _begin(self) -> None:
        """Draw what is fixed for an episode."""

    def _next(self) -> np.ndarray:
        raise NotImplementedError

    def _places(self, kind: str) -> list[int]:
        return [i for i, own in enumerate(self.kinds) if own == kind]

    def _steer(self, value: float) -> np.ndarray:
        """An action that is zero except for the steering."""
        action = np.zeros(self.action_size, np.float32)
        action[self.steering] = value
        return action


class Uniform(BlindPolicy):
    """Draws a new action at every step, uniform in -1..1."""

    name = "uniform"

    def _next(self):
        return self.rng.uniform(-1, 1, self.action_size).astype(np.float32)


class Held(BlindPolicy):
    """Holds a uniform action for 4 to 24 steps, then draws another.

    In CarRacing it drives far and fast, and often off the road. Only one action in ten brakes;
    otherwise the car would hardly move.
    """

    name = "held"
    shortest, longest = 4, 24  # steps
    brakes = 0.1  # share of the actions

    def _begin(self):
        self.left = 0

    def _next(self):
        if self.left == 0:
            self.left = int(self.rng.integers(self.shortest, self.longest + 1))
            self.action = self.rng.uniform(-1, 1, self.action_size).astype(np.float32)
            for i in self.brake:  # below 0 it does not brake
                pressed = self.rng.random() < self.brakes
                self.action[i] = abs(self.action[i]) if pressed else -abs(self.action[i])
        self.left -= 1
        return self.action.copy()


class HeldShort(BlindPolicy):
    """Holds a uniform action for a few steps (hardmaru/WorldModelsExperiments, doomrnn/extract.py).

    As there, a new action and a new length in 1..10 are drawn at every step whose number is a
    multiple of the current length.
    """

    name = "held_short"
    longest = 10  # steps

    def _begin(self):
        self.step, self.length = 0, int(self.rng.integers(1, self.longest + 1))

    def _next(self):
        if self.step % self.length == 0:
            self.action = self.rng.uniform(-1, 1, self.action_size).astype(np.float32)
            self.length = int(self.rng.integers(1, self.longest + 1))
        self.step += 1
        return self.action.copy()


class Diverse(BlindPolicy):
    """Holds -1, 0 or 1 in a different style each episode: restless or slow, one-sided or idle.

    An episode draws the mean length of a hold, log-uniform in 2..200 steps, and for each number of
    the action the probabilities of the three values, Dirichlet(1, 1, 1). Each hold then draws its
    length (geometric) and its action. M dreams wrongly about whatever it has never seen, such as a
    long stay at a wall, and evolution exploits that.
    """

    name = "diverse"
    shortest, longest = 2, 200  # steps, mean length of a hold

    def _begin(self):
        scale = math.exp(self.rng.uniform(math.log(self.shortest), math.log(self.longest)))
        self.ends, self.left = 1 / scale, 0
        self.shares = self.rng.dirichlet((1, 1, 1), self.action_size)

    def _next(self):
        if self.left == 0:
            self.left = int(self.rng.geometric(self.ends))
            self.action = np.array(
                [self.rng.choice(3, p=shares) - 1 for shares in self.shares], np.float32
            )
        self.left -= 1
        return self.action.copy()


class Stay(BlindPolicy):
    """Every number is 0 (which is half gas in CarRacing)."""

    name = "stay"
    side = 0.0

    def _next(self):
        return self._steer(self.side)


class Left(Stay):
    """Always left: the steering is -1, every other number is 0."""

    name = "left"
    side = -1.0


class Right(Stay):
    """Always right: the steering is 1, every other number is 0."""

    name = "right"
    side = 1.0


class Sweep(BlindPolicy):
    """Goes left for 100 steps, then right for 100, and so on: hard to beat in Doom's Take Cover."""

    name = "sweep"
    half = 100  # steps

    def _begin(self):
        self.step = 0

    def _next(self):
        action = self._steer(1.0 if self.step // self.half % 2 else -1.0)
        self.step += 1
        return action


class Straight(BlindPolicy):
    """Drives straight ahead with gentle gas; if no number is gas, every number is 0."""

    name = "straight"
    pressure = 0.2  # of the gas, 0..1

    def _next(self):
        action = np.zeros(self.action_size, np.float32)
        action[self.gas] = 2 * self.pressure - 1
        return action
