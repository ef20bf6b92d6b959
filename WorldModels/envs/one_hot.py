"""Discrete actions as one-hot vectors: every policy and M see vectors, the game a number."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorActionWrapper, VectorEnv
from gymnasium.vector.utils import batch_space


class OneHot(spaces.Box):
    """The one-hot vectors (n,) float32: 1 at the action that is chosen, else 0.

    A Box, whose vectors a wrapper takes as a choice all the same: that of the largest number, of
    several the first.

    Args:
        n: number of actions.
        seed: of its samples.
    """

    choice = True  # by which Game.actions_of tells it from other Boxes

    def __init__(self, n: int, seed: Any = None):
        super().__init__(0.0, 1.0, (int(n),), np.float32, seed)

    def sample(self, mask: Any = None, probability: Any = None) -> np.ndarray:
        """A random action."""
        drawn = np.zeros(self.shape, np.float32)
        drawn[self.np_random.integers(self.shape[0])] = 1
        return drawn


class ChooseAction(gymnasium.ActionWrapper):
    """Takes one-hot vectors where the environment takes a number.

    Args:
        env: with a Discrete action space.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.start = int(env.action_space.start)
        self.action_space = OneHot(env.action_space.n)

    def action(self, action: np.ndarray) -> int:
        """The number of the largest entry, of several the first."""
        return self.start + int(np.argmax(action))


class NumberedAction(gymnasium.ActionWrapper):
    """Takes a number where the world takes a one-hot vector: for agents that choose numbers.

    Args:
        env: takes one-hot vectors (n,).
        start: the number of the first action.
    """

    def __init__(self, env: gymnasium.Env, start: int = 0):
        super().__init__(env)
        self.action_space = spaces.Discrete(env.action_space.shape[0], start=start)

    def action(self, action: int) -> np.ndarray:
        """The one-hot vector (n,) of a number.

        Raises:
            ValueError: it is none of the actions.
        """
        if not self.action_space.contains(action):
            last = self.action_space.start + self.action_space.n - 1
            raise ValueError(
                f"action: expected a number from {self.action_space.start} to {last}, received "
                f"{action!r}."
            )
        chosen = np.zeros(self.action_space.n, np.float32)
        chosen[int(action) - int(self.action_space.start)] = 1
        return chosen


class NumberedActions(VectorActionWrapper):
    """Takes numbers (num_envs,) where the worlds take one-hot vectors (num_envs, n).

    Args:
        env: takes one-hot vectors.
    """

    def __init__(self, env: VectorEnv):
        super().__init__(env)
        self.single_action_space = spaces.Discrete(env.single_action_space.shape[0])
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def actions(self, actions: Any) -> np.ndarray:
        """The one-hot vectors (num_envs, n) of numbers.

        Raises:
            ValueError: they are not numbers of actions, one for each world.
        """
        if not self.action_space.contains(np.asarray(actions)):
            raise ValueError(
                f"actions: expected {self.num_envs} numbers from 0 to "
                f"{self.single_action_space.n - 1}, received {actions!r}."
            )
        return np.eye(self.single_action_space.n, dtype=np.float32)[np.asarray(actions)]
