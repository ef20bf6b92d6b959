"""What is particular to a game, for whoever records, drives, films or scores it.

Nothing else in the package knows one game from another: it asks the Game. An environment that has
no file here gets the neutral Game, which takes nothing for granted: its actions are symmetric
numbers, and it has neither laps nor a score that solves it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from WorldModels.experiment.settings.env import EnvSettings


@dataclass(frozen=True)
class Action:
    """One number of an action, -1..1, and what it means.

    Args:
        name: as people call it.
        kind: symmetric: both directions count alike, and 0 does nothing; gas: -1 is none and 1 is
            full; brake: up to 0 is none and 1 is full.
    """

    name: str
    kind: Literal["symmetric", "gas", "brake"] = "symmetric"


@dataclass(frozen=True)
class Game:
    """The facts of a game.

    Args:
        id: of the environment: a Gymnasium id, or a name of our own.
        experiment: whose presets these are; empty for an environment without a file of its own.
        script: name of its launch script.
        actions: the numbers of an action, in their order; empty where nothing is known.
        rest: the action while no key is held; zeros where it is empty.
        keys: arrow key -> (number of the action, what holding the key adds to it).
        fps: frames a second; None: as the environment says.
        solved: mean return over 100 games at which it counts as solved.
        rules: name of each rule that a return is counted by -> suffix of its columns.
        has_laps: an episode is a lap, counted by two rules.
        has_road: the world knows a road: episodes can start anywhere on it, or be cut off it.
        noun: what one episode of a test is called.
        gate_games: real games of each policy before an evolution in the dream.
        published: its name in the file of published learning curves.
        env_settings: the class of its own settings.
        as_scored: settings of the environment in a test: official pictures, and a rule under which
            one drive gives the scores of all rules.
        as_filmed: the same under the rule in force.
        as_shown: settings of the environment where only people look at it.
        presets: scale -> noun -> how it differs from the numbers in settings/.
        random_steps, driven_steps: length of an episode driven at random, and by a driver; None:
            --env.max-steps.
        speed: stage -> how many times as fast its steps are as CarRacing's.
    """

    id: str
    experiment: str = ""
    script: str = ""
    actions: tuple[Action, ...] = ()
    rest: tuple[float, ...] = ()
    keys: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    fps: float | None = None
    solved: float | None = None
    rules: Mapping[str, str] = field(default_factory=lambda: {"return": ""})
    has_laps: bool = False
    has_road: bool = False
    noun: str = "game"
    gate_games: int = 30
    published: str = ""
    env_settings: type[EnvSettings] = EnvSettings
    as_scored: Mapping[str, Any] = field(default_factory=dict)
    as_filmed: Mapping[str, Any] = field(default_factory=dict)
    as_shown: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    random_steps: int | None = None
    driven_steps: int | None = None
    speed: Mapping[str, float] = field(default_factory=dict)

    def named_actions(self, size: int) -> tuple[Action, ...]:
        """The numbers of an action of `size` numbers; where nothing is known, symmetric ones."""
        if len(self.actions) == size:
            return self.actions
        return tuple(Action(f"action {i}") for i in range(size))

    def pressed(self, held: Collection[str], size: int) -> np.ndarray:
        """The action (size,) float32 in -1..1 while some arrow keys are held.

        Where the game says nothing, left and right are -1 and 1 of the first number, and down and
        up of the second, if there is one.
        """
        keys = self.keys or {
            "left": (0, -1.0),
            "right": (0, 1.0),
            "down": (1, -1.0),
            "up": (1, 1.0),
        }
        action = np.array(self.rest or [0.0] * size, np.float32)
        for key in held:
            number, change = keys.get(key, (size, 0.0))
            if number < size:
                action[number] += change
        return np.clip(action, -1, 1)

    def scored(self, env: EnvSettings) -> EnvSettings:
        """The settings of an environment as a test wants them: see as_scored."""
        return replace(env, **self.as_scored)

    def filmed(self, env: EnvSettings) -> EnvSettings:
        """The settings of an environment for a film: official pictures, the rule in force."""
        return replace(env, **self.as_filmed)

    def shown(self, env: EnvSettings) -> EnvSettings:
        """The settings of an environment that is rendered for people alone."""
        return replace(env, **self.as_shown)
