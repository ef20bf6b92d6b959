"""Worlds that count and time what is played in them, and end it when the time is over."""

import math
import time
from dataclasses import dataclass, field

import gymnasium


class TimeOverError(Exception):
    """The time is over; raised by a step, so that an episode of any length ends."""


@dataclass
class Played:
    """What was played.

    Attributes:
        seconds: in all.
        reset_seconds: of these, in resets.
        resets: number of episodes begun.
        steps: of all episodes.
        lengths: steps of each that has ended.
        terminated: how many the game itself ended.
    """

    seconds: float = 0.0
    reset_seconds: float = 0.0
    resets: int = 0
    steps: int = 0
    lengths: list[int] = field(default_factory=list)
    terminated: int = 0


@dataclass
class Clock:
    """Counts what is played in clocked worlds until its time is over.

    Attributes:
        played: since `start`.
        length: steps of the present episode.
    """

    played: Played = field(default_factory=Played)
    length: int = 0
    began: float = 0.0
    end: float = math.inf

    def start(self, seconds: float) -> None:
        """Begin to count, for some seconds."""
        self.played, self.length, self.began = Played(), 0, time.monotonic()
        self.end = self.began + seconds

    def episode_ends(self) -> None:
        """Count the present episode, if one has begun."""
        if self.length:
            self.played.lengths.append(self.length)
        self.length = 0

    def stop(self) -> Played:
        """What was played since the start."""
        self.played.seconds = time.monotonic() - self.began
        return self.played


class Clocked(gymnasium.Wrapper):
    """A world whose resets and steps a clock counts.

    Args:
        env: the world.
        clock: one for all worlds of a process.

    Raises:
        TimeOverError: by the first step that ends after the clock's time.
    """

    def __init__(self, env: gymnasium.Env, clock: Clock):
        super().__init__(env)
        self.clock = clock

    def reset(self, **kwargs):
        self.clock.episode_ends()
        began = time.monotonic()
        found = self.env.reset(**kwargs)
        self.clock.played.reset_seconds += time.monotonic() - began
        self.clock.played.resets += 1
        return found

    def step(self, action):
        found = self.env.step(action)
        self.clock.length += 1
        self.clock.played.steps += 1
        self.clock.played.terminated += bool(found[2])
        if time.monotonic() > self.clock.end:
            raise TimeOverError
        return found
