"""Small wrappers that change what an environment shows and takes, each named after its effect."""

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
    """Area-resizes a (H, W, 3) uint8 frame to (size, size, 3) (PIL's BOX filter)."""

    def __init__(self, env, size):
        super().__init__(env)
        self.size = size
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)

    def observation(self, observation):
        image = Image.fromarray(np.ascontiguousarray(observation))
        return np.array(image.resize((self.size, self.size), Image.Resampling.BOX))


class ObserveRender(gymnasium.ObservationWrapper):
    """Observes what the environment renders with render_mode "rgb_array": (H, W, 3) uint8."""

    def __init__(self, env):
        super().__init__(env)
        env.reset(seed=0)
        self.observation_space = spaces.Box(0, 255, env.render().shape, np.uint8)

    def observation(self, observation):
        return self.env.render()


class ObserveVector(gymnasium.ObservationWrapper):
    """Observes the environment's own numbers as float32 (D,), in its own units.

    Raises:
        ValueError: its observation space is not a Box with one axis.
    """

    def __init__(self, env):
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ValueError(
                f"environment {_name(env)}: expected observations in a Box with one axis for "
                f"--env.observation vector, received {space}."
            )
        low, high = (np.asarray(bound, np.float32) for bound in (space.low, space.high))
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def observation(self, observation):
        return np.asarray(observation, np.float32)


class DriveAction(gymnasium.ActionWrapper):
    """Maps three numbers in -1..1, float32 (3,), to CarRacing's action, float32 (3,).

    steer = a0, gas = (a1 + 1) / 2, brake = clip(a2, 0, 1), as in the original
    (hardmaru/WorldModelsExperiments, carracing/model.py).
    """

    def __init__(self, env):
        super().__init__(env)
        self.action_space = spaces.Box(-1.0, 1.0, (3,), np.float32)

    def action(self, action):
        steer, gas, brake = action
        return np.array((steer, (gas + 1.0) / 2.0, min(max(brake, 0.0), 1.0)), np.float32)


class RescaleAction(gymnasium.ActionWrapper):
    """Maps (A,) float32 in -1..1 linearly to the environment's own Box, (A,) in its dtype."""

    def __init__(self, env):
        super().__init__(env)
        self.low, self.high = env.action_space.low, env.action_space.high
        self.action_space = spaces.Box(-1.0, 1.0, env.action_space.shape, np.float32)

    def action(self, action):
        share = (np.clip(action, -1.0, 1.0) + 1.0) / 2.0
        return (self.low + share * (self.high - self.low)).astype(self.low.dtype)


class CheckReward(gymnasium.Wrapper):
    """Refuses rewards that are not finite numbers.

    Raises:
        ValueError: the environment gave such a reward.
    """

    def step(self, action):
        result = self.env.step(action)
        if not math.isfinite(result[1]):
            raise ValueError(
                f"environment {_name(self.env)}: expected a finite reward from its step(), "
                f"received {result[1]} for action {action}; the fault is in the environment."
            )
        return result


def _name(env: gymnasium.Env) -> str:
    """What an error message calls an environment: its id, or its class if it has none."""
    spec = env.unwrapped.spec
    return spec.id if spec else type(env.unwrapped).__name__
