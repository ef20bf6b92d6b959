"""Wrappers that decide when a recorded episode ends."""

import gymnasium

from WorldModels.experiment.errors import ForeignError


class IgnoreTermination(gymnasium.Wrapper):
    """Keeps playing after the game has ended, so that every episode has the same length.

    This is `full_episode` of hardmaru/WorldModelsExperiments.

    Raises:
        ValueError: the game cannot continue after its end: its metadata say so (`death_is_final`),
            or its step() raises.
    """

    def __init__(self, env: gymnasium.Env):
        if env.metadata.get("death_is_final"):
            raise _final(env, "whose episodes end when the player dies")
        super().__init__(env)
        self.over = False

    def reset(self, **kwargs):
        self.over = False
        return self.env.reset(**kwargs)

    def step(self, action):
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except ForeignError as error:
            if self.over:
                raise _final(self.env, "which cannot go on after its end") from error
            raise
        self.over = self.over or terminated
        return observation, reward, False, truncated, info


def _final(env: gymnasium.Env, why: str) -> ValueError:
    return ValueError(
        f"--record.full-episode: expected False for {type(env.unwrapped).__name__}, {why}; "
        "received True."
    )


class OffRoadLimit(gymnasium.Wrapper):
    """Truncates an episode once the car has been off the road for a number of steps in a row.

    Frames with nothing but grass teach V little.

    Args:
        env: an environment whose info has "on_road"; without it, episodes are never cut short.
        limit: steps in a row with no wheel on the road.
    """

    def __init__(self, env: gymnasium.Env, limit: int):
        super().__init__(env)
        self.limit, self.off_road = limit, 0

    def reset(self, **kwargs):
        self.off_road = 0
        return self.env.reset(**kwargs)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.off_road = 0 if info.get("on_road", True) else self.off_road + 1
        return observation, reward, terminated, truncated or self.off_road >= self.limit, info
