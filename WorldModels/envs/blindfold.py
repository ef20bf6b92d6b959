"""Wrappers that hide the game from a driver, to find out whether it was looking.

They show frames of another game, or the first frame at every step. They wrap the bare world: what V
sees is replaced, while the game itself is unchanged.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np


class AnotherGame(gymnasium.Wrapper):
    """Shows the frames of a recorded game, in a loop, instead of the game's own.

    Args:
        env: emits frames.
        games: the frames (T, H, W, 3) uint8 of each recorded game; a reset with seed s shows game
            s modulo the number of games.

    Raises:
        ValueError: there are no games, or their frames differ in shape from the environment's.
    """

    def __init__(self, env: gymnasium.Env, games: Sequence[np.ndarray]):
        super().__init__(env)
        shape = env.observation_space.shape
        if not len(games) or any(frames.shape[1:] != shape or not len(frames) for frames in games):
            raise ValueError(
                f"games: expected recorded frames of shape {shape}, "
                f"received {[frames.shape for frames in games] or 'none'}."
            )
        self.games, self.game, self.time = games, 0, 0

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        _, info = self.env.reset(seed=seed, options=options)
        self.game, self.time = (self.game + 1 if seed is None else seed) % len(self.games), 0
        return self._frame(), info

    def step(self, action):
        _, *result = self.env.step(action)
        self.time += 1
        return self._frame(), *result

    def _frame(self) -> np.ndarray:
        frames = self.games[self.game]
        return frames[self.time % len(frames)]


class FrozenFrame(gymnasium.Wrapper):
    """Shows the game's first frame at every step.

    Args:
        env: emits frames.
    """

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        self.first, info = self.env.reset(seed=seed, options=options)
        return self.first, info

    def step(self, action):
        _, *result = self.env.step(action)
        return self.first, *result
