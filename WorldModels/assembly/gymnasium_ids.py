"""What gymnasium.make and make_vec call for WorldModels/DreamCarRacing-v0 and its kin: worlds out
of a run's folder.

    gymnasium.make("WorldModels/DreamCarRacing-v0", results="results/carracing-smoke",
    temperature=1.1)

Each takes `results`, a run's folder (default results/<experiment>), and `iteration` (default the
latest that has an M).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from WorldModels.experiment.presets import preset
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
        FileNotFoundError: the folder has no M; the message has the command that makes it.
        ValueError: the folder is another environment's, M lacks a head, or the temperature is not
        above 0.
    """
    return _dream_maker(experiment, results, temperature, iteration)(render_mode=render_mode)


def dream_vector(
    experiment: str,
    num_envs: int = 1,
    results: str = "",
    temperature: float | None = None,
    iteration: int = -1,
    render_mode: str | None = None,
):
    """Many dreams side by side: a DreamVectorEnv; raises as `dream` does."""
    return _dream_maker(experiment, results, temperature, iteration)(num_envs, render_mode)


def latent(experiment: str, results: str = "", iteration: int = -1, render_mode: str | None = None):
    """The real world seen through V and M: a LatentObservation; raises as `dream` does."""
    from WorldModels.assembly.worlds import real_world

    folder, settings = _opened(experiment, results, iteration)
    world = real_world(
        folder, settings.env, features=settings.controller.features, latent=settings.controller.seen
    )()
    world.unwrapped.render_mode = render_mode
    return world


def latent_vector(experiment: str, num_envs: int = 1, **how: Any):
    """Many real worlds, one after another in this process: a SyncVectorEnv of LatentObservation."""
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    return SyncVectorEnv(
        [lambda: latent(experiment, **how)] * num_envs, autoreset_mode=AutoresetMode.DISABLED
    )


def _dream_maker(experiment: str, results: str, temperature: float | None, iteration: int):
    from WorldModels.assembly.worlds import dream_world

    folder, settings = _opened(experiment, results, iteration)
    return dream_world(
        folder, settings, **({} if temperature is None else {"temperature": temperature})
    )


def _opened(experiment: str, results: str, iteration: int) -> tuple[Path, Any]:
    """The iteration's folder of a run, and the run's settings."""
    run = Path(results or f"results/{experiment}")
    settings, expected = stored_experiment(run), preset(experiment, "smoke")
    if settings.env.id != expected.env.id:
        raise ValueError(
            f"results: expected a run of {expected.env.id}, received {run}, one of {settings.env.id}; name another folder."
        )
    with_memory = sorted(
        int(path.parent.name) for path in run.glob("*/memory.keras") if path.parent.name.isdigit()
    )
    if not with_memory or iteration not in (-1, *with_memory):
        raise FileNotFoundError(
            f"{run} has no M; make it first: python -m WorldModels.train_memory {experiment} --results {run}"
        )
    return run / str(with_memory[-1] if iteration < 0 else iteration), replace(
        settings, results=str(run)
    )
