"""Makes an environment from its id: it shows what V sees and takes actions in -1..1.

A game with its own folder has a line in WORLDS; any other id is Gymnasium's.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
from gymnasium.wrappers import TimeLimit

from WorldModels.envs.faults import CheckFrames, CheckReward

CARRACING = "CarRacing-v3"
OBSERVATIONS = ("frame", "vector")
# Id -> the function that makes the environment from its settings.
WORLDS = {
    CARRACING: "WorldModels.envs.carracing.game:make",
    "TakeCover": "WorldModels.envs.takecover.game:make",
}
REGISTERED = "WorldModels.envs.registered:make"


def make_env(
    id: str = CARRACING,
    *,
    observation: str = "frame",
    max_steps: int = 1000,
    kwargs: Mapping[str, Any] | None = None,
    **settings,
) -> gymnasium.Env:
    """An environment whose observation is what V sees, and whose actions are (A,) float32 in -1..1.

    Args:
        id: a key of WORLDS, or an id of Gymnasium.
        observation: "frame": uint8 (frame_size, frame_size, 3); "vector": the environment's own
            numbers, float32 (D,).
        max_steps: steps after which an episode is truncated.
        kwargs: arguments of the constructor of an environment of Gymnasium's.
        settings: what the world's own `make` takes: frame_size, and for CarRacing renderer,
            lap_complete and random_start.

    Raises:
        ValueError: an unknown id, setting or value, or actions or observations that cannot be used.
        ImportError: a package that the world needs is not installed.
        ForeignError: an environment of Gymnasium's failed, when it was made or later.
    """
    _check(id, observation, max_steps, kwargs)
    make, given = _function(WORLDS.get(id, REGISTERED)), ()
    if id not in WORLDS:
        given = (id, observation, tuple(WORLDS), kwargs)
    _check_settings(id, make, settings)
    env = TimeLimit(CheckReward(make(*given, **settings)), max_steps)
    return CheckFrames(env) if observation == "frame" else env


def _check(id: str, observation: str, max_steps: int, kwargs: Mapping | None) -> None:
    if max_steps < 1:
        raise ValueError(f"max_steps: expected 1 step or more, received {max_steps!r}.")
    if observation not in OBSERVATIONS:
        raise ValueError(
            f"observation: expected one of {', '.join(OBSERVATIONS)}, received {observation!r}."
        )
    if observation == "vector" and id in WORLDS:
        raise ValueError(
            f"environment {id}: expected --env.observation frame, since it has only pictures, "
            "received vector."
        )
    if kwargs and id in WORLDS:
        raise ValueError(
            f"environment {id}: expected no --env.kwargs, which go to environments of Gymnasium, "
            f"received {dict(kwargs)}."
        )


def _function(place: str) -> Callable[..., gymnasium.Env]:
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def _check_settings(id: str, make: Callable, settings: dict) -> None:
    """Refuse settings that a world's `make` does not take."""
    parameters = inspect.signature(make).parameters.values()
    known = [p.name for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_ONLY]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ValueError(
            f"environment {id}: expected settings among {', '.join(known)}, "
            f"received {', '.join(unknown)}."
        )
