"""Makes an environment by its id that shows what V sees and takes actions in -1..1; knows nothing
of V, M and C.
"""

import gymnasium
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from WorldModels.envs.wrappers import (
    CheckReward,
    CropFrame,
    DriveAction,
    ObserveRender,
    ObserveVector,
    RescaleAction,
    ResizeFrame,
)

ROAD_ROWS = 84  # rows of CarRacing's 96 above its status bar
CARRACING = "CarRacing-v3"
TAKECOVER = "TakeCover"
OBSERVATIONS = ("frame", "vector")


def make_env(
    id=CARRACING,
    *,
    observation="frame",
    renderer="fast",
    lap_complete=0.95,
    frame_size=64,
    random_start=False,
    max_steps=1000,
):
    """An environment whose observation is V's frame: uint8 (frame_size, frame_size, 3); actions
    float32 (A,) in -1..1.

    CarRacing-v3: `renderer` fast | official | exact, `lap_complete` 0.95 | 1.0, `frame_size` 64
    (the 84 rows above the
    status bar, area-resized) or 96 (the whole official frame; fast means exact there),
    `random_start` as in CarRacing.
    TakeCover: Doom's, by ViZDoom; a frame of any size, one action. `random_start` and CarRacing's
    settings mean nothing there.
    Any other id of Gymnasium with a bounded Box of actions and rgb_array pictures: the picture,
    area-resized; or with
    `observation` "vector" its own numbers as they are, float32 (D,), which must be a Box with one
    axis.
    Truncates after `max_steps` steps. Raises ValueError for an unknown id or value, or for a kind
    of action or observation
    it lacks; ImportError where TakeCover lacks ViZDoom.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps: expected 1 step or more, received {max_steps!r}.")
    if observation not in OBSERVATIONS:
        raise ValueError(
            f"observation: expected one of {', '.join(OBSERVATIONS)}, received {observation!r}."
        )
    if observation == "vector" and id in (CARRACING, TAKECOVER):
        raise ValueError(
            f"environment {id}: expected --env.observation frame, as it has pictures alone, received vector."
        )
    if id == CARRACING:
        env = _make_carracing(renderer, lap_complete, frame_size, random_start)
    elif id == TAKECOVER:
        from WorldModels.envs.takecover.game import TakeCover

        env = TakeCover(frame_size=frame_size)
    else:
        env = _make_registered(id, observation, frame_size)
    return TimeLimit(CheckReward(env), max_steps)


def _make_carracing(renderer, lap_complete, frame_size, random_start):
    from WorldModels.envs.carracing.game import CarRacing

    if frame_size not in (64, 96):
        raise ValueError(
            f"frame_size: expected 64 (cropped) or 96 (whole) for {CARRACING}, received {frame_size!r}."
        )
    if frame_size == 96 and renderer == "fast":
        renderer = "exact"
    env = CarRacing(renderer=renderer, lap_complete=lap_complete, random_start=random_start)
    if frame_size == 64 and renderer != "fast":
        env = ResizeFrame(CropFrame(env, ROAD_ROWS), frame_size)
    return DriveAction(env)


def _made(id, observation):
    try:
        return gymnasium.make(id, render_mode="rgb_array")
    except TypeError:  # it takes no render_mode
        if observation == "frame":
            raise ValueError(
                f"environment {id}: expected pictures of render_mode rgb_array, received an environment without."
            ) from None
        return gymnasium.make(id)


def _make_registered(id, observation, frame_size):
    if frame_size < 1:
        raise ValueError(f"frame_size: expected 1 pixel or more, received {frame_size!r}.")
    try:
        env = _made(id, observation)
    except (gymnasium.error.Error, ImportError) as error:
        reason = " ".join(str(error).split())
        known = f"{CARRACING}, {TAKECOVER} or an id that Gymnasium can make"
        raise ValueError(f"environment: expected {known}, received {id!r}: {reason}") from error
    space = env.action_space
    if not isinstance(space, spaces.Box) or not space.is_bounded() or len(space.shape) != 1:
        raise ValueError(
            f"environment {id}: expected actions in a bounded Box with one axis, received {space}."
        )
    return RescaleAction(
        ObserveVector(env)
        if observation == "vector"
        else ResizeFrame(ObserveRender(env), frame_size)
    )
