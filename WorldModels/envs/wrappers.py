"""Small wrappers that change what an environment shows and takes, each named after its effect."""

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from WorldModels.experiment.errors import ForeignError, flattened

LONGEST = 400  # characters of an environment's own message that a line repeats
AT_FAULT = "in the environment or in what it needs on this machine"


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
                f"environment {_name(self.env)}: expected a picture, uint8 (H, W, 3), from its "
                f"render(), received {what}; the fault is in the environment."
            )
        return picture


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


class CheckFrames(gymnasium.Wrapper):
    """Refuses an episode in which every frame was of one colour, as where nothing can be drawn.

    Args:
        env: emits frames, uint8 (H, W, 3).

    Raises:
        ValueError: such an episode has ended.
    """

    def __init__(self, env):
        super().__init__(env)
        self.blank = True

    def reset(self, **how):
        observation, info = self.env.reset(**how)
        self.blank = is_blank(observation)
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.blank = self.blank and is_blank(observation)
        if self.blank and (terminated or truncated):
            colour = "black" if not observation.any() else "of one colour"
            raise ValueError(
                f"environment {_name(self.env)}: expected pictures that show something, received "
                f"an episode whose pictures are all {colour}; the fault is in the environment, "
                "which may need a display, or another --env.kwargs to draw without one."
            )
        return observation, reward, terminated, truncated, info


def is_blank(observation: np.ndarray) -> bool:
    """Whether an observation is a frame (H, W, 3) of one colour."""
    return observation.ndim == 3 and bool((observation == observation[0, 0]).all())


class NameFaults(gymnasium.Wrapper):
    """Turns whatever the environment's own code raises into a ForeignError that names it.

    Raises:
        ForeignError: reset, step or render raised, or returned another number of values than
            Gymnasium defines.
    """

    def reset(self, **how):
        return self._asked("reset", 2, **how)

    def step(self, action):
        return self._asked("step", 5, action)

    def render(self):
        return self._asked("render", None)

    def _asked(self, name: str, values: int | None, *arguments: Any, **how: Any) -> Any:
        try:
            answer = getattr(self.env, name)(*arguments, **how)
        except gymnasium.error.ResetNeeded:  # the fault is its caller's
            raise
        except (Exception, SystemExit) as error:
            raise fault_of(f"environment {_name(self.env)}: its {name}()", error) from error
        if values and not (isinstance(answer, tuple) and len(answer) == values):
            received = len(answer) if isinstance(answer, tuple) else type(answer).__name__
            raise ForeignError(
                f"environment {_name(self.env)}: expected {values} values from its {name}(), as "
                f"Gymnasium defines it, received {received}; the fault is in the environment."
            )
        return answer


def fault_of(what: str, error: BaseException, where: str = AT_FAULT) -> ForeignError:
    """The ForeignError of code that is not ours.

    Args:
        what: what raised, in words.
        error: what it raised.
        where: the fault is, in words.
    """
    said = flattened(error)[:LONGEST].rstrip(".")
    kind = type(error).__name__
    return ForeignError(f"{what} raised {kind}{': ' if said else ''}{said}; the fault is {where}.")


def _name(env: gymnasium.Env) -> str:
    """What an error message calls an environment: its id, or its class if it has none."""
    spec = env.unwrapped.spec
    return spec.id if spec else type(env.unwrapped).__name__
