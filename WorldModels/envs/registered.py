"""Any environment that Gymnasium can make: its picture area-resized, or its own numbers."""

import importlib
import json
import multiprocessing
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium import spaces

from WorldModels.envs.wrappers import (
    NameFaults,
    ObserveRender,
    ObserveVector,
    RescaleAction,
    ResizeFrame,
    fault_of,
)
from WorldModels.experiment.errors import flattened


def make(
    id: str,
    observation: str,
    known: tuple[str, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    /,
    *,
    frame_size: int = 64,
) -> gymnasium.Env:
    """A Gymnasium environment whose actions are in a bounded Box.

    Args:
        id: an id of Gymnasium, or `module:id`, where importing the module registers it.
        observation: "frame": its rgb_array picture, area-resized to (frame_size, frame_size, 3);
            "vector": its own numbers as they are, float32 (D,), from a Box with one axis.
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
    space = env.action_space
    if not isinstance(space, spaces.Box) or not space.is_bounded() or len(space.shape) != 1:
        raise ValueError(
            f"environment {id}: expected actions in a bounded Box with one axis, received {space}."
        )
    if observation == "vector":
        return RescaleAction(ObserveVector(env))
    return RescaleAction(ResizeFrame(ObserveRender(env), frame_size))


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
    """Import the module of an id such as maze:Maze-v0, which registers it."""
    module, *names = id.split(":")
    if not names:
        return
    if not module or len(names) > 1:
        raise ValueError(f"environment: expected an id or MODULE:ID, received {id!r}.")
    try:
        importlib.import_module(module)
    except ImportError:
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
