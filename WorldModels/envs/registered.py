"""Any environment that Gymnasium can make: its picture area-resized, or its own numbers."""

import importlib
import json
import multiprocessing
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation

from WorldModels.envs.faults import NameFaults, fault_of
from WorldModels.envs.one_hot import ChooseAction
from WorldModels.envs.wrappers import (
    ObservePart,
    ObserveRender,
    ObserveVector,
    RescaleAction,
    ResizeFrame,
    is_picture,
    is_vector,
)
from WorldModels.experiment.errors import flattened
from WorldModels.experiment.games.gymnasium import module_of


def make(
    id: str,
    observation: str,
    known: tuple[str, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    /,
    *,
    frame_size: int = 64,
) -> gymnasium.Env:
    """A Gymnasium environment whose actions are Discrete or in a bounded Box.

    Args:
        id: an id of Gymnasium, or `module:id`, where importing the module registers it.
        observation: "frame": the picture in its observation, else its rgb_array picture,
            area-resized to (frame_size, frame_size, 3); "vector": its own numbers as they are,
            float32 (D,); other observations than a Box with one axis are flattened.
        known: ids of our own worlds, which the error message lists.
        kwargs: arguments of its constructor, beside those that it is registered with.
        frame_size: pixels.

    Raises:
        ValueError: Gymnasium cannot make it, its constructor does not take these arguments, or its
            actions or observations cannot be used.
        ForeignError: its module, its constructor or a later call of it raised.
    """
    if frame_size < 1:
        raise ValueError(f"frame_size: expected 1 pixel or more, received {frame_size!r}.")
    env = NameFaults(_made(id, observation, known, dict(kwargs or {})))
    env = _with_actions(id, env)
    if observation == "vector":
        return ObserveVector(env if is_vector(env.observation_space) else _flattened(id, env))
    return ResizeFrame(_picture(env), frame_size)


def _with_actions(id: str, env: gymnasium.Env) -> gymnasium.Env:
    """The environment with actions (A,) in -1..1, or one-hot vectors for a choice."""
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return ChooseAction(env)
    if isinstance(space, spaces.Box) and space.is_bounded() and len(space.shape) == 1:
        return RescaleAction(env)
    raise ValueError(
        f"environment {id}: expected actions that are Discrete or in a bounded Box with one axis, "
        f"received {space}."
    )


def _picture(env: gymnasium.Env) -> gymnasium.Env:
    """The environment with its own picture as the observation, else with what it renders."""
    space = env.observation_space
    if is_picture(space):
        return env
    if isinstance(space, spaces.Dict):
        for name, part in space.spaces.items():
            if is_picture(part):
                return ObservePart(env, name)
    return ObserveRender(env)


def _flattened(id: str, env: gymnasium.Env) -> gymnasium.Env:
    """The environment with all of its observation in one vector, as Gymnasium flattens it."""
    try:
        return FlattenObservation(env)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"environment {id}: expected observations that Gymnasium can flatten for "
            f"--env.observation vector, received {env.observation_space}."
        ) from error


def _made(id: str, observation: str, known: tuple[str, ...], kwargs: dict) -> gymnasium.Env:
    """Make the environment; what is raised becomes a ValueError or a ForeignError of one line."""
    try:
        _import_module(id)
        return _rendering(id, observation, kwargs)
    except (gymnasium.error.Error, ImportError) as error:
        expected = f"{', '.join(known)} or an id that Gymnasium can make"
        unknown = isinstance(error, gymnasium.error.UnregisteredEnv)
        raise ValueError(
            f"environment: expected {expected}, received {id!r}. Gymnasium says: "
            f"{flattened(error)}{_of_a_worker(id) if unknown else ''}"
        ) from error


def _import_module(id: str) -> None:
    """Import the module of an id such as maze:Maze-v0, or Atari's, which registers it."""
    if id.count(":") > 1 or id.startswith(":"):
        raise ValueError(f"environment: expected an id or MODULE:ID, received {id!r}.")
    if not (module := module_of(id)):
        return
    try:
        importlib.import_module(module)
    except ImportError as error:
        if module == "ale_py":
            raise ImportError(f"{error}; install it: pip install ale-py") from error
        raise
    except (Exception, SystemExit) as error:
        raise fault_of(f"environment {id}: importing {module}", error, "in that module") from error


def _rendering(id: str, observation: str, kwargs: dict) -> gymnasium.Env:
    """Make it with render_mode rgb_array; for vectors also without, if it knows none."""
    for how in ({"render_mode": "rgb_array"}, {}):
        try:
            return gymnasium.make(id, **how, **kwargs)
        except (gymnasium.error.Error, ImportError):
            raise
        except (Exception, SystemExit) as error:
            if not (how and _knows_no_render_mode(error)):
                raise _of_constructor(id, kwargs, error) from error
            if observation == "frame":
                raise ValueError(
                    f"environment {id}: expected one that renders pictures (render_mode "
                    "rgb_array), received one that does not. Its constructor says: "
                    f"{flattened(error)}"
                ) from error


def _knows_no_render_mode(error: BaseException) -> bool:
    says = str(error.__cause__)  # Python's own words; Gymnasium's always name the argument
    return isinstance(error, TypeError) and (
        "keyword argument 'render_mode'" in says or "takes no arguments" in says
    )


def _of_constructor(id: str, kwargs: dict, error: BaseException) -> Exception:
    """What a constructor's error becomes: a ValueError if it does not take these arguments."""
    given = json.dumps(kwargs, default=str)
    cause = error.__cause__ if isinstance(error, TypeError) else None  # shorter than Gymnasium's
    # Raised by the call itself, not by a line of the constructor.
    if isinstance(cause, TypeError) and cause.__traceback__ and not cause.__traceback__.tb_next:
        return ValueError(
            f"environment {id}: expected the arguments of its constructor in --env.kwargs, "
            f"received {given}. Its constructor says: {flattened(cause)}"
        )
    where = f"in the environment, in its --env.kwargs ({given}) or in what it needs on this machine"
    return fault_of(f"environment {id}: its constructor", cause or error, where)


def _of_a_worker(id: str) -> str:
    """What to add where an id is missing in a worker process."""
    if multiprocessing.parent_process() is None or ":" in id:
        return ""
    return (
        " A worker process knows the environments that importing a module registers: put it into a "
        f"module, and give --env.id MODULE:{id}"
    )
