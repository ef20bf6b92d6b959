"""Faults of an environment, told as such: each wrapper names the environment in one line."""

import contextlib
import math
from typing import Any

import gymnasium
import numpy as np

from WorldModels.experiment.errors import ForeignError, flattened

LONGEST = 400  # characters of an environment's own message that a line repeats
AT_FAULT = "in the environment or in what it needs on this machine"


class CheckReward(gymnasium.Wrapper):
    """Refuses rewards that are not finite numbers.

    Raises:
        ValueError: the environment gave such a reward.
    """

    def step(self, action):
        result = self.env.step(action)
        reward = result[1]
        try:
            finite = math.isfinite(reward)
        except TypeError:  # not a number
            finite = False
        if not finite:
            raise ValueError(
                f"environment {name_of(self.env)}: expected a finite number as the reward from its "
                f"step(), received {reward!r} for action {action}; the fault is in the environment."
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
        self.blank = self.black = True

    def reset(self, **how):
        self.blank = self.black = True
        observation, info = self.env.reset(**how)
        self._note(observation)
        return observation, info

    def _note(self, observation: np.ndarray) -> None:
        self.blank = self.blank and is_blank(observation)
        self.black = self.black and not observation.any()

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self.blank:
            self._note(observation)
        if self.blank and (terminated or truncated):
            colour = "black" if self.black else "of a single colour each"
            raise ValueError(
                f"environment {name_of(self.env)}: expected pictures that show something, received "
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
        ForeignError: reset, step or render raised, or returned something else than Gymnasium
            defines. What close raises is ignored: everything is done by then.
    """

    begun = False

    def reset(self, **how):
        self.begun = True
        return self._asked("reset", 2, **how)

    def step(self, action):
        return self._asked("step", 5, action)

    def render(self):
        return self._asked("render", None)

    def close(self):
        with contextlib.suppress(Exception):
            self.env.close()

    def _asked(self, name: str, values: int | None, *arguments: Any, **how: Any) -> Any:
        try:
            answer = getattr(self.env, name)(*arguments, **how)
        except (Exception, SystemExit) as error:
            if isinstance(error, gymnasium.error.ResetNeeded) and not self.begun:
                raise  # the fault is its caller's
            raise fault_of(f"environment {name_of(self.env)}: its {name}()", error) from error
        if values and not (isinstance(answer, tuple) and len(answer) == values):
            received = len(answer) if isinstance(answer, tuple) else type(answer).__name__
            raise ForeignError(
                f"environment {name_of(self.env)}: expected {values} values from its {name}(), as "
                f"Gymnasium defines it, received {received}; the fault is in the environment."
            )
        if values and not isinstance(answer[-1], dict):
            raise ForeignError(
                f"environment {name_of(self.env)}: expected a dict as the last value from its "
                f"{name}(), received {type(answer[-1]).__name__}; the fault is in the environment."
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


def name_of(env: gymnasium.Env) -> str:
    """What an error message calls an environment: its id, or its class if it has none."""
    spec = env.unwrapped.spec
    return spec.id if spec else type(env.unwrapped).__name__
