"""The facts of a game, for the code that records, drives, films or scores it.

No other code in the package tells games apart: it asks the Game. An environment without a file
here gets the neutral Game, which assumes nothing: its actions are symmetric numbers, and it has
neither laps nor a score that solves it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from WorldModels.experiment.settings.env import EnvSettings

# What helps V to see small things in a picture that is otherwise still (docs/settings.md).
SMALL_THINGS = {"rare_weight": 30.0, "kl_weight": 0.1, "median_start": True}


Scale = Mapping[str, Mapping[str, Any]]  # noun -> setting -> value


def over(base: Scale, scale: Scale) -> dict[str, dict[str, Any]]:
    """The presets of a scale on top of another's."""
    return {noun: {**base.get(noun, {}), **scale.get(noun, {})} for noun in {**base, **scale}}


@dataclass(frozen=True)
class Action:
    """One number of an action, -1..1, and what it means.

    Args:
        name: for people to read.
        kind: symmetric: 0 does nothing, and both directions act equally; gas: -1 is none and 1 is
            full; brake: 0 or less is none, and 1 is full; choice: 1 if this one of several actions
            is chosen, else 0.
    """

    name: str
    kind: Literal["symmetric", "gas", "brake", "choice"] = "symmetric"


def one_hot(values: Any, xp: Any = np) -> Any:
    """1 at the largest of the values (..., n) and 0 elsewhere, float32; of several, at the first.

    Args:
        values: numbers.
        xp: numpy, or keras.ops inside a compiled loop.
    """
    largest = values == xp.max(values, axis=-1, keepdims=True)
    first = xp.cumsum(xp.where(largest, 1.0, 0.0), axis=-1) == 1.0
    chosen = xp.where(xp.logical_and(largest, first), 1.0, 0.0)
    return chosen.astype(np.float32) if xp is np else xp.cast(chosen, "float32")


@dataclass(frozen=True)
class Game:
    """The facts of a game.

    Args:
        id: the environment's Gymnasium id, or a name of our own.
        experiment: the one that has these presets; empty if the environment has no file of its own.
        script: name of its launch script.
        actions: the numbers of an action, in order; empty if unknown.
        rest: the action (A,) while no key is held; empty: zeros.
        keys: arrow key -> (index into the action, what holding the key adds there).
        fps: frames per second; None: as the environment says.
        solved: mean return over 100 games at which it counts as solved.
        rules: name of each rule for counting a return -> suffix of its columns.
        has_laps: an episode is a lap, counted by two rules.
        has_road: the world has a road: episodes can start anywhere on it, or be cut short off it.
        noun: what one episode of a test is called.
        published: the game's name in the file of published learning curves.
        env_settings: the class of its environment's settings.
        as_scored: settings of the environment in a test: official pictures, and a rule under which
            one drive gives the scores of all rules.
        as_filmed: the same, but under the rule in force.
        as_shown: settings of the environment when only people look at it.
        presets: scale -> noun -> setting -> value, where it differs from settings/.
        vision: settings of a V that weighs pixels, for this game's pictures at the smaller scales;
            its presets come first.
        driven_steps: steps of an episode that a trained driver plays; None: --env.max-steps.
        stopped_share: the share of these that an episode lasts in a search that stops hopeless
            ones (--controller.hopeless-steps).
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
    published: str = ""
    env_settings: type[EnvSettings] = EnvSettings
    as_scored: Mapping[str, Any] = field(default_factory=dict)
    as_filmed: Mapping[str, Any] = field(default_factory=dict)
    as_shown: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    vision: Mapping[str, Any] = field(default_factory=lambda: dict(SMALL_THINGS))
    driven_steps: int | None = None
    stopped_share: float = 1.0

    def actions_of(self, space: Any) -> tuple[Action, ...]:
        """An Action for each number of an action.

        Args:
            space: a Box (A,), or the one-hot vectors of a choice (envs.one_hot.OneHot).
        """
        return self.named_actions(space.shape[0], getattr(space, "choice", False))

    def named_actions(self, size: int, choice: bool = False) -> tuple[Action, ...]:
        """An Action for each of `size` numbers; neutral ones if the game has another number.

        Args:
            size: numbers in an action.
            choice: whether they are one-hot vectors.
        """
        if len(self.actions) == size:
            return self.actions
        kind = "choice" if choice else "symmetric"
        return tuple(Action(f"action {i}", kind) for i in range(size))

    def pressed(self, held: Collection[str], size: int, choice: bool = False) -> np.ndarray:
        """The action (size,) float32 in -1..1 while some arrow keys are held.

        If the game names no keys, left and right set the first number to -1 and 1, and down and up
        the second, if there is one. Of a choice without keys of its own, no key is the first
        action, and left, up, right and down are those after it (LunarLander's order); of two
        actions left is the first and right the second.
        """
        if choice and not self.keys:
            order = ("left", "right") if size == 2 else ("", "left", "up", "right", "down")
            numbers = [i for i, key in enumerate(order[:size]) if key in held]
            return np.eye(size, dtype=np.float32)[numbers[0] if numbers else 0]
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
        """The settings of an environment for a test: see as_scored."""
        return replace(env, **self.as_scored)

    def filmed(self, env: EnvSettings) -> EnvSettings:
        """The settings of an environment for a film: official pictures, the rule in force."""
        return replace(env, **self.as_filmed)

    def shown(self, env: EnvSettings) -> EnvSettings:
        """The settings of an environment that is rendered only for people."""
        return replace(env, **self.as_shown)
