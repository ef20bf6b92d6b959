"""Any environment that Gymnasium can make: its picture area-resized, or its own numbers."""

import gymnasium
from gymnasium import spaces

from WorldModels.envs.wrappers import ObserveRender, ObserveVector, RescaleAction, ResizeFrame


def make(
    id: str, observation: str, known: tuple[str, ...] = (), /, *, frame_size: int = 64
) -> gymnasium.Env:
    """A Gymnasium environment whose actions are in a bounded Box.

    Args:
        id: an id of Gymnasium.
        observation: "frame": its rgb_array picture, area-resized to (frame_size, frame_size, 3);
            "vector": its own numbers as they are, float32 (D,), from a Box with one axis.
        known: ids of our own worlds, which the error message lists.
        frame_size: pixels.

    Raises:
        ValueError: Gymnasium cannot make it, or its actions or observations cannot be used.
    """
    if frame_size < 1:
        raise ValueError(f"frame_size: expected 1 pixel or more, received {frame_size!r}.")
    env = _made(id, observation, known)
    space = env.action_space
    if not isinstance(space, spaces.Box) or not space.is_bounded() or len(space.shape) != 1:
        raise ValueError(
            f"environment {id}: expected actions in a bounded Box with one axis, received {space}."
        )
    if observation == "vector":
        return RescaleAction(ObserveVector(env))
    return RescaleAction(ResizeFrame(ObserveRender(env), frame_size))


def _made(id: str, observation: str, known: tuple[str, ...]) -> gymnasium.Env:
    """Make the environment; errors of Gymnasium or of imports become a ValueError of one line."""
    try:
        return _rendering(id, observation)
    except (gymnasium.error.Error, ImportError) as error:
        expected = f"{', '.join(known)} or an id that Gymnasium can make"
        raise ValueError(
            f"environment: expected {expected}, received {id!r}. Gymnasium says: {_line(error)}"
        ) from error


def _rendering(id: str, observation: str) -> gymnasium.Env:
    try:
        return gymnasium.make(id, render_mode="rgb_array")
    except TypeError as error:  # its constructor may not take a render_mode
        if observation == "frame":
            raise ValueError(
                f"environment {id}: expected one that renders pictures (render_mode rgb_array), "
                f"received one that does not. Its constructor says: {_line(error)}"
            ) from error
        return gymnasium.make(id)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
