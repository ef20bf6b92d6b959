"""Entry points of gymnasium.make for WorldModels/DreamCarRacing-v0 and the other ids.

    gymnasium.make("WorldModels/DreamCarRacing-v0", results="results/carracing", temperature=1.1)

Each takes `results`, a run's folder (by default results/<experiment>), and `iteration` (by default
the latest with an M). The run remembers all other settings.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from WorldModels.assembly.worlds import chooses
from WorldModels.envs.one_hot import NumberedAction, NumberedActions
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.remedies import command_for
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stored import stored_experiment


def dream(
    experiment: str,
    results: str = "",
    temperature: float | None = None,
    iteration: int = -1,
    render_mode: str | None = None,
):
    """One dream: a DreamEnv.

    Raises:
        FileNotFoundError: the folder has no M; the message gives the command that makes it.
        ValueError: the folder holds a run of another environment, M lacks a head, or the
            temperature is not positive.
    """
    maker, settings = _dream_maker(experiment, results, temperature, iteration)
    world = maker(render_mode=render_mode)
    return NumberedAction(world) if chooses(settings.env) else world


def dream_vector(
    experiment: str,
    num_envs: int = 1,
    results: str = "",
    temperature: float | None = None,
    iteration: int = -1,
    render_mode: str | None = None,
):
    """Many dreams side by side: a DreamVectorEnv; raises as `dream` does."""
    maker, settings = _dream_maker(experiment, results, temperature, iteration)
    worlds = maker(num_envs, render_mode)
    return NumberedActions(worlds) if chooses(settings.env) else worlds


def latent(experiment: str, results: str = "", iteration: int = -1, render_mode: str | None = None):
    """The real world seen through V and M: a LatentObservation; raises as `dream` does."""
    from WorldModels.assembly.worlds import real_world

    folder, settings = _opened(experiment, results, iteration)
    controller = settings.controller
    seen = {"features": controller.features, "latent": controller.seen}
    world = real_world(folder, settings.env, **seen)()
    world.unwrapped.render_mode = render_mode
    return NumberedAction(world) if chooses(settings.env) else world


def latent_vector(experiment: str, num_envs: int = 1, **how: Any):
    """Many real worlds, stepped in turn in this process: a LatentVectorEnv; raises as `latent`."""
    from WorldModels.envs.latent import LatentVectorEnv

    return LatentVectorEnv([lambda: latent(experiment, **how)] * num_envs)


def _dream_maker(experiment: str, results: str, temperature: float | None, iteration: int):
    from WorldModels.assembly.worlds import dream_world

    folder, settings = _opened(experiment, results, iteration)
    changes = {} if temperature is None else {"temperature": temperature}
    return dream_world(folder, settings, **changes), settings


def _opened(experiment: str, results: str, iteration: int) -> tuple[Path, Experiment]:
    """The folder of a run's iteration, and the settings that the run remembers."""
    if not (results or experiment):
        raise ValueError(
            'results: expected the folder of a run, such as results="results/LunarLander", '
            "received none."
        )
    run = Path(results or f"results/{experiment}")
    settings = stored_experiment(run, iteration)
    expected = GAMES[experiment].id if experiment else settings.env.id
    if settings.env.id != expected:
        raise ValueError(
            f"results: expected a run of {expected}, received {run}, a run of {settings.env.id}; "
            "name another folder."
        )
    files = [path for path in run.glob("*/memory.keras") if path.parent.name.isdigit()]
    with_memory = sorted(int(path.parent.name) for path in files)
    if not with_memory or iteration not in (-1, *with_memory):
        raise FileNotFoundError(
            f"{run} has no M; make it first: {command_for(run, 'train_memory', settings.name)}"
        )
    folder = run / str(with_memory[-1] if iteration < 0 else iteration)
    return folder, replace(settings, results=str(run))
