"""Builds a run's worlds, and picklable makers of them for worker processes.

A maker holds plain values only, and imports what it needs when it is called: a worker that opens
perception.onnx never imports Keras.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WorldModels.assembly.opening import (
    first_latents,
    lazy_decode,
    open_imagination,
    open_perception,
)
from WorldModels.experiment.damage import check_own
from WorldModels.experiment.games.game import Action
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.remedies import command_for
from WorldModels.experiment.settings.env import EnvSettings

SHOWN = 10  # kept generations that an error lists


@dataclass(frozen=True)
class WorldMaker:
    """Makes a real world in whatever process calls it: `maker()` gives a Gymnasium environment.

    Args:
        env: settings of the environment (settings.env.EnvSettings, or a game's own).
        folder: an iteration's folder with V and M; not read for a bare world.
        features: "z", "zh" or "zch"; empty: the bare world, which emits what V sees.
        latent: z is the "mean" of V's posterior, or "sampled" from it.
        random_start: begin on a random tile, if the game has a road.
        max_steps: the limit of an episode; 0: the one in `env`.
    """

    env: EnvSettings
    folder: str = ""
    features: str = ""
    latent: str = "mean"
    random_start: bool = False
    max_steps: int = 0

    def __call__(self):
        """The environment.

        Raises:
            FileNotFoundError: V or M is missing.
            ValueError: a setting is out of range, or contradicts V and M.
            ForeignError: an environment of Gymnasium's failed.
        """
        from WorldModels.envs.make import make_env

        game = game_of(self.env.id)
        how = vars(self.env) | {"max_steps": self.max_steps or self.env.max_steps}
        how["kwargs"] = {} if game.experiment else self.env.arguments
        if game.has_road:
            how["random_start"] = self.random_start
        env = make_env(**how)
        if not self.features:
            return env
        from WorldModels.envs.latent import LatentObservation

        return LatentObservation(env, open_perception(self.folder), self.features, self.latent)


def real_world(
    folder: str | Path, env: EnvSettings, *, features: str = "", latent: str = "mean", **how: Any
) -> WorldMaker:
    """A maker of an experiment's real world; see WorldMaker.

    Args:
        folder: the iteration's folder.
        env: settings of the environment.
        features: what the controller sees; empty: the bare world.
        latent: "mean" or "sampled".
        how: random_start, max_steps.
    """
    return WorldMaker(env, str(folder), features, latent, **how)


@functools.cache
def actions_in(env: EnvSettings) -> tuple[Action, ...]:
    """What each number of an action means; a game without a file of its own is opened to see.

    Args:
        env: settings of the environment.
    """
    game = game_of(env.id)
    if game.actions:
        return game.actions
    world = real_world("", env)()
    try:
        return game.actions_of(world.action_space)
    finally:
        world.close()


def chooses(env: EnvSettings) -> bool:
    """Whether an environment's actions are one of several, as one-hot vectors."""
    return any(action.kind == "choice" for action in actions_in(env))


@dataclass(frozen=True)
class DreamMaker:
    """Makes dreams in whatever process calls it.

    `maker()` gives a DreamEnv, `maker(100)` a DreamVectorEnv of 100 lanes.

    Args:
        folder: an iteration's folder with M, its first latents, and V, which draws the dream.
        how: fields of envs.lanes.Dreaming by name.
    """

    folder: str
    how: dict

    def __call__(self, num_envs: int = 0, render_mode: str | None = None):
        """The dream.

        Raises:
            FileNotFoundError: M or the first latents are missing.
            ValueError: M lacks what the dream needs, or a setting is out of range.
        """
        from WorldModels.envs.dream import DreamEnv, DreamVectorEnv

        folder = self.folder
        parts = open_imagination(folder), lazy_decode(folder), first_latents(folder)
        if num_envs:
            return DreamVectorEnv(*parts, num_envs=num_envs, render_mode=render_mode, **self.how)
        return DreamEnv(*parts, render_mode=render_mode, **self.how)


def dream_world(folder: str | Path, experiment: Any, **changes: Any) -> DreamMaker:
    """A maker of an experiment's dream.

    Args:
        folder: the iteration's folder.
        experiment: settings with dream, env and controller.features.
        changes: fields of envs.lanes.Dreaming that differ from the settings.
    """
    dream = experiment.dream
    how = {
        "features": experiment.controller.features,
        "temperature": dream.temperature,
        "reward": dream.reward,
        "step_reward": dream.step_reward,
        "termination": dream.termination,
        "threshold": dream.threshold,
        "max_steps": dream.max_steps or experiment.env.max_steps,
    }
    return DreamMaker(str(folder), how | changes)


def controller_file(run: Any, iteration: int | None = None) -> Path:
    """The file of the driver: the mean kept at --controller.generation, or the best validated one.

    Args:
        run: the open experiment.run.Run.
        iteration: its number; by default the run's.

    Raises:
        FileNotFoundError: there is no driver yet, or that generation was not kept; the message
            lists the kept ones.
        ValueError: the file is damaged.
    """
    folder = (run.path if iteration is None else run.folder / str(iteration)) / "controller"
    wanted, remedy = (
        run.experiment.controller.generation,
        run.command("train_controller", iteration),
    )
    if wanted >= 0:
        files = folder.glob("generations/*.npz")
        kept = sorted(int(path.stem) for path in files if path.stem.isdigit())
        if wanted in kept:
            return _sound(folder / "generations" / f"{wanted}.npz")
        shown = kept if len(kept) <= SHOWN else [*kept[: SHOWN // 2], "...", *kept[-SHOWN // 2 :]]
        there = ", ".join(map(str, shown)) or f"none yet: {remedy}"
        raise FileNotFoundError(
            f"--controller.generation: expected a kept generation ({there}), received {wanted}."
        )
    # A run that was stopped before its first validation has a mean, but no best yet.
    for name in ("best.npz", "mean.npz"):
        if (folder / name).exists():
            return _sound(folder / name)
    raise FileNotFoundError(f"{folder / 'best.npz'} is missing; make it first: {remedy}")


def _sound(file: Path) -> Path:
    check_own(file)
    return file


def driver_before(run: Any) -> Path:
    """The file of the previous iteration's driver; at iteration 0, its own driver.

    Raises:
        FileNotFoundError: it is missing; the message gives the command that evolves it.
    """
    return controller_file(run, max(run.iteration - 1, 0))


def driven(env: Any, controller: str | Path, folder: str | Path) -> tuple[Any, Any]:
    """A world seen through V and M, and the driver for it: (environment of features, policy).

    Args:
        env: emits what V sees.
        controller: the driver's file, which says what it sees, and whether z is sampled.
        folder: the iteration's folder with V and M.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, or V, M, C and the environment do not fit together.
    """
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.envs.latent import LatentObservation

    shape, parameters, _ = Controller.load(controller)
    world = LatentObservation(env, open_perception(folder), shape.features, shape.latent)
    given = world.observation_space.shape
    if given != (shape.feature_size,):
        raise ValueError(
            f"{controller}: expected a driver for the {given[0]} features that V and M give, "
            f"received one for {shape.feature_size}; evolve it again: "
            f"{command_for(folder, 'train_controller')}"
        )
    return world, ControllerPolicy(shape, parameters)
