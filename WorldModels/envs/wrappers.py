"""Small wrappers that change what an environment shows and takes, each named after its effect."""

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from WorldModels.envs.faults import name_of


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
    """Observes what the environment renders with render_mode "rgb_array": (H, W, 3) uint8.

    Raises:
        ValueError: it renders something else, at first or later.
    """

    def __init__(self, env):
        super().__init__(env)
        env.reset(seed=0)
        self.observation_space = spaces.Box(0, 255, self.observation(None).shape, np.uint8)

    def observation(self, observation):
        picture = self.env.render()
        shape, dtype = getattr(picture, "shape", None), getattr(picture, "dtype", None)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            what = type(picture).__name__ if shape is None else f"{dtype} {shape}"
            raise ValueError(
                f"environment {name_of(self.env)}: expected a picture, uint8 (H, W, 3), from its "
                f"render(), received {what}; the fault is in the environment."
            )
        return picture


class ObservePart(gymnasium.ObservationWrapper):
    """Observes one part of an observation in a Dict.

    Args:
        env: the environment.
        name: of the part.
    """

    def __init__(self, env, name):
        super().__init__(env)
        self.name = name
        self.observation_space = env.observation_space[name]

    def observation(self, observation):
        return observation[self.name]


def is_picture(space: spaces.Space) -> bool:
    """Whether observations are pictures (H, W, 3) uint8."""
    box = isinstance(space, spaces.Box) and space.dtype == np.uint8
    return box and len(space.shape) == 3 and space.shape[2] == 3


def is_vector(space: spaces.Space) -> bool:
    """Whether observations are numbers (D,)."""
    return isinstance(space, spaces.Box) and len(space.shape) == 1


class ObserveVector(gymnasium.ObservationWrapper):
    """Observes the environment's own numbers as float32 (D,), in its own units.

    Raises:
        ValueError: its observation space is not a Box with one axis.
    """

    def __init__(self, env):
        super().__init__(env)
        space = env.observation_space
        if not is_vector(space):
            raise ValueError(
                f"environment {name_of(env)}: expected observations in a Box with one axis for "
                f"--env.observation vector, received {space}."
            )
        low, high = (np.asarray(bound, np.float32) for bound in (space.low, space.high))
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def observation(self, observation):
        try:
            vector = np.asarray(observation, np.float32)
        except (TypeError, ValueError):
            vector = None
        if vector is None or vector.shape != self.observation_space.shape:
            received = type(observation).__name__ if vector is None else f"shape {vector.shape}"
            raise ValueError(
                f"environment {name_of(self.env)}: expected observations of shape "
                f"{self.observation_space.shape}, as its observation space says, received "
                f"{received}; the fault is in the environment."
            )
        return vector


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
