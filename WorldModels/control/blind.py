"""Players who look at nothing: they play any world with actions in -1..1, at random or by rule.
Know no environment.

The one thing taken for granted is the published meaning of CarRacing's three actions (steer = a0,
gas = (a1 + 1) / 2,
brake = clip(a2, 0, 1)), which `pedals=False` switches off. For Doom's Take Cover, where one number
says left, stay or
right, most of these are its recorders and the yardsticks beside a learned player.
"""

import math

import numpy as np

# An environment seeded with s draws from SeedSequence(s); this second word gives its driver a
# stream of his own.
_STREAM = 1


class RandomPolicy:
    """A driver that ignores what it sees; `reset(seed)` begins an episode and fixes every action of
    it.

    Args:
        action_size: numbers in an action.
        pedals: with three actions, take them for CarRacing's steer, gas and brake.
    """

    name = ""

    def __init__(self, action_size: int = 3, pedals: bool = True):
        self.action_size = action_size
        self.pedals = pedals and action_size == 3

    def reset(self, seed: int) -> None:
        """Begin an episode; equal seeds give equal actions."""
        self.rng = np.random.default_rng([int(seed), _STREAM])
        self._begin()

    def act(self, observation: np.ndarray | None = None) -> np.ndarray:
        """The next action: (A,) float32 in -1..1; the observation is not looked at."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Draw what holds for a whole episode."""


class Uniform(RandomPolicy):
    """Every action drawn anew, uniform in -1..1."""

    name = "uniform"

    def act(self, observation=None):
        return self.rng.uniform(-1, 1, self.action_size).astype(np.float32)


class Held(RandomPolicy):
    """A uniform action held for 4 to 24 steps, then another: drives far and fast, and often off the
    road.

    With pedals one foot drives: the brake is touched in one action of ten only, else the car would
    hardly move.
    """

    name = "held"
    shortest, longest = 4, 24  # steps
    brakes = 0.1  # share of the actions

    def _begin(self):
        self.left = 0

    def act(self, observation=None):
        if self.left == 0:
            self.left = int(self.rng.integers(self.shortest, self.longest + 1))
            self.action = self.rng.uniform(-1, 1, self.action_size).astype(np.float32)
            if self.pedals:
                pressed = self.rng.random() < self.brakes
                self.action[2] = (
                    abs(self.action[2]) if pressed else -abs(self.action[2])
                )  # below 0 is no brake
        self.left -= 1
        return self.action.copy()


class HeldShort(RandomPolicy):
    """A uniform action held for a few steps (hardmaru/WorldModelsExperiments, doomrnn/extract.py).

    As there, a new action and a new length in 1..10 are drawn at every step whose number the
    present length divides.
    """

    name = "held_short"
    longest = 10  # steps

    def _begin(self):
        self.step, self.length = 0, int(self.rng.integers(1, self.longest + 1))

    def act(self, observation=None):
        if self.step % self.length == 0:
            self.action = self.rng.uniform(-1, 1, self.action_size).astype(np.float32)
            self.length = int(self.rng.integers(1, self.longest + 1))
        self.step += 1
        return self.action.copy()


class Diverse(RandomPolicy):
    """Holds -1, 0 or 1 in a manner of its own in every episode: restless or slow, one-sided or
    standing still.

    An episode draws the mean length of a hold, log-uniform in 2..200 steps, and for each number of
    the action how
    likely each of the three is, Dirichlet(1, 1, 1); each hold then draws its length (geometric) and
    its action. What a
    memory has never seen, such as a long stay at a wall, it dreams wrongly, and evolution finds
    that.
    """

    name = "diverse"
    shortest, longest = 2, 200  # steps, mean length of a hold

    def _begin(self):
        scale = math.exp(self.rng.uniform(math.log(self.shortest), math.log(self.longest)))
        self.ends, self.left = 1 / scale, 0
        self.shares = self.rng.dirichlet((1, 1, 1), self.action_size)

    def act(self, observation=None):
        if self.left == 0:
            self.left = int(self.rng.geometric(self.ends))
            self.action = np.array(
                [self.rng.choice(3, p=shares) - 1 for shares in self.shares], np.float32
            )
        self.left -= 1
        return self.action.copy()


class Stay(RandomPolicy):
    """Does nothing: every number is 0."""

    name = "stay"
    first = 0.0

    def act(self, observation=None):
        action = np.zeros(self.action_size, np.float32)
        action[0] = self.first
        return action


class Left(Stay):
    """Always left: the first number is -1, the others 0."""

    name = "left"
    first = -1.0


class Right(Stay):
    """Always right: the first number is 1, the others 0."""

    name = "right"
    first = 1.0


class Sweep(RandomPolicy):
    """Left for 100 steps, then right for 100, and so on, with closed eyes: hard to beat in Doom's
    Take Cover.
    """

    name = "sweep"
    half = 100  # steps

    def _begin(self):
        self.step = 0

    def act(self, observation=None):
        action = np.zeros(self.action_size, np.float32)
        action[0] = 1.0 if self.step // self.half % 2 else -1.0
        self.step += 1
        return action


class Straight(RandomPolicy):
    """Drives straight ahead: no steering, gentle gas, no brake. Without pedals every number is 0."""

    name = "straight"
    gas = 0.2  # of CarRacing's 0..1

    def act(self, observation=None):
        action = np.zeros(self.action_size, np.float32)
        if self.pedals:
            action[1] = 2 * self.gas - 1
        return action
