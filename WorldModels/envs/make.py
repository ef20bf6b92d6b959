"""Makes an environment by its id that shows what V sees and takes actions in -1..1.

A game with a folder of its own is a line of WORLDS; any other id is Gymnasium's.
"""

import importlib

import gymnasium
from gymnasium.wrappers import TimeLimit

from WorldModels.envs.wrappers import CheckReward

CARRACING = "CarRacing-v3"
OBSERVATIONS = ("frame", "vector")
# Id -> the function that makes the environment from its own settings.
WORLDS = {
    CARRACING: "WorldModels.envs.carracing.game:make",
    "TakeCover": "WorldModels.envs.takecover.game:make",
}
REGISTERED = "WorldModels.envs.registered:make"


def make_env(
    id: str = CARRACING, *, observation: str = "frame", max_steps: int = 1000, **settings
) -> gymnasium.Env:
    """An environment whose observation is what V sees, and whose actions are (A,) float32 in -1..1.

    Args:
        id: a key of WORLDS, or an id of Gymnasium.
        observation: "frame": uint8 (frame_size, frame_size, 3); "vector": the environment's own
            numbers, float32 (D,).
        max_steps: steps after which an episode is truncated.
        settings: what the world's own `make` takes: frame_size, and for CarRacing renderer,
            lap_complete and random_start.

    Raises:
        ValueError: an unknown id or value, or a kind of action or observation that cannot be used.
        ImportError: a package that the world needs is not installed.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps: expected 1 step or more, received {max_steps!r}.")
    if observation not in OBSERVATIONS:
        raise ValueError(
            f"observation: expected one of {', '.join(OBSERVATIONS)}, received {observation!r}."
        )
    if observation == "vector" and id in WORLDS:
        raise ValueError(
            f"environment {id}: expected --env.observation frame, since it only has pictures, "
            "received vector."
        )
    if id in WORLDS:
        env = _function(WORLDS[id])(**settings)
    else:
        env = _function(REGISTERED)(id, observation, known=tuple(WORLDS), **settings)
    return TimeLimit(CheckReward(env), max_steps)


def _function(place: str):
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)
