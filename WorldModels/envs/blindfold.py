"""Wrappers that bind a driver's eyes, to see whether it looked: another game's frames, or the first
frame for ever.

They lie around the bare world; what they show is what V sees. The game itself goes on as it is.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np


class AnotherGame(gymnasium.Wrapper):
    """Shows the frames of a recorded game, from its first one on and over again, instead of the
    game's own.

    Args:
        env: emits frames.
        games: of each recorded game its frames (T, H, W, 3) uint8; a reset with seed s shows game s
            modulo their number.

    Raises:
        ValueError: there are none, or they are of another size than the environment's.
    """

    def __init__(self, env: gymnasium.Env, games: Sequence[np.ndarray]):
        super().__init__(env)
        shape = env.observation_space.shape
        if not len(games) or any(frames.shape[1:] != shape or not len(frames) for frames in games):
            raise ValueError(
                f"games: expected recorded frames of shape {shape}, received {[frames.shape for frames in games] or 'none'}."
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
