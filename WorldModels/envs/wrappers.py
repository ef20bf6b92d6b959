"""Small wrappers named by their effect: crop, resize, render, observe numbers, rescale actions,
refuse rewards that are none.
"""

import math

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image


class CropFrame(gymnasium.ObservationWrapper):
    """Keeps the first `rows` rows of a (H, W, 3) uint8 frame."""

    def __init__(self, env, rows):
        super().__init__(env)
        self.rows = rows
        _, width, channels = env.observation_space.shape
        self.observation_space = spaces.Box(0, 255, (rows, width, channels), np.uint8)

    def observation(self, observation):
        return observation[: self.rows]


class ResizeFrame(gymnasium.ObservationWrapper):
    """Resizes a (H, W, 3) uint8 frame to (size, size, 3) by area (PIL's BOX filter)."""

    def __init__(self, env, size):
        super().__init__(env)
        self.size = size
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)

    def observation(self, observation):
        image = Image.fromarray(np.ascontiguousarray(observation))
        return np.array(image.resize((self.size, self.size), Image.Resampling.BOX))


class ObserveRender(gymnasium.ObservationWrapper):
    """Observes the picture that the environment renders: (H, W, 3) uint8 of
    `render_mode="rgb_array"`.
    """

    def __init__(self, env):
        super().__init__(env)
        env.reset(seed=0)
        self.observation_space = spaces.Box(0, 255, env.render().shape, np.uint8)

    def observation(self, observation):
        return self.env.render()


class ObserveVector(gymnasium.ObservationWrapper):
    """Observes the environment's own numbers as float32 (D,), in its own units; its space must be a
    Box with one axis.

    Raises:
        ValueError: it is another space.
    """

    def __init__(self, env):
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ValueError(
                f"environment {env.spec.id if env.spec else env}: expected observations in a Box with one axis for "
                f"--env.observation vector, received {space}."
            )
        low, high = (np.asarray(bound, np.float32) for bound in (space.low, space.high))
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def observation(self, observation):
        return np.asarray(observation, np.float32)


class DriveAction(gymnasium.ActionWrapper):
    """Three numbers in -1..1 to CarRacing's action: steer = a0, gas = (a1 + 1) / 2, brake =
    clip(a2, 0, 1).

    float32 (3,) to float32 (3,). The mapping is the original's (hardmaru/WorldModelsExperiments,
    carracing/model.py).
    """

    def __init__(self, env):
        super().__init__(env)
        self.action_space = spaces.Box(-1.0, 1.0, (3,), np.float32)

    def action(self, action):
        steer, gas, brake = action
        return np.array((steer, (gas + 1.0) / 2.0, min(max(brake, 0.0), 1.0)), np.float32)


class RescaleAction(gymnasium.ActionWrapper):
    """Numbers in -1..1 to the bounds of the environment's own Box, linearly: float32 (A,) to the
    Box's dtype (A,).
    """

    def __init__(self, env):
        super().__init__(env)
        self.low, self.high = env.action_space.low, env.action_space.high
        self.action_space = spaces.Box(-1.0, 1.0, env.action_space.shape, np.float32)

    def action(self, action):
        share = (np.clip(action, -1.0, 1.0) + 1.0) / 2.0
        return (self.low + share * (self.high - self.low)).astype(self.low.dtype)


class CheckReward(gymnasium.Wrapper):
    """Raises ValueError when the environment gives a reward that is not a finite number."""

    def step(self, action):
        result = self.env.step(action)
        if not math.isfinite(result[1]):
            raise ValueError(
                f"{self.unwrapped}: expected a finite reward, received {result[1]} for action {action}."
            )
        return result
