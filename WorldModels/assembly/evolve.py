"""Sets up the evolution of C in a folder, for train_controller and temperatures.

The search itself is in control/, the dream in memory/imagine.py.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.assembly import worlds
from WorldModels.assembly.opening import first_latents
from WorldModels.assembly.populations import DreamScores, RealScores, begun_dreams
from WorldModels.assembly.shards import PopulationMaker, ShardedDream
from WorldModels.assembly.tensorboard_files import event_writer
from WorldModels.experiment.draws import rng
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.dream import DreamSettings

# Settings that an evolution in the dream takes from --dream instead of --controller.
OF_THE_DREAM = (
    "population_size",
    "rollouts",
    "sigma",
    "generations",
    "validation_every",
    "validation_rollouts",
)


def real_generations(
    run: Run, folder: Path, controller: Any, executor: Any, mean: np.ndarray | None = None
) -> Any:
    """The evolution in a folder; drivers play in the real world, in the executor's workers.

    Args:
        run: the open run.
        folder: of the evolution.
        controller: a control.controller.Controller.
        executor: over a control.scoring.DriverMaker.
        mean: where the search starts, (N,); None: at zero.
    """
    settings = run.experiment.controller
    search = _search(run, folder, settings, controller, run.rng("evolution"), mean)
    events = run.path / "tensorboard" / "controller"
    return _generations(
        run, folder, controller, search, settings, RealScores(run, executor), events
    )


def dream_generations(
    run: Run,
    folder: Path,
    controller: Any,
    population: ShardedDream,
    mean: np.ndarray | None = None,
    dream: DreamSettings | None = None,
    judge: ShardedDream | None = None,
) -> Any:
    """The evolution in a folder; drivers play in dreams, in one compiled loop.

    Args:
        run: the open run.
        folder: of the evolution.
        controller: a control.controller.Controller.
        population: what `population_dream` gives for these settings.
        mean: where the search starts, (N,); None: at zero.
        dream: settings of the dream; by default the run's.
        judge: the dream that scores the mean; by default the same as the population's.

    Raises:
        FileNotFoundError: there are no first latents.
    """
    dream, latents = dream or run.experiment.dream, first_latents(run.path)
    settings = replace(
        run.experiment.controller,
        steps=0,
        late_rollouts=0,
        sigma_schedule="constant",
        hopeless_steps=0,
        **{name: getattr(dream, name) for name in OF_THE_DREAM},
    )
    search = _search(run, folder, settings, controller, run.rng("evolution in the dream"), mean)
    scores = DreamScores(run, population, latents, dream.validation_rollouts, judge or population)
    events = run.path / "tensorboard" / "controller" / "dream"
    how = settings, scores, events, dream.patience
    return _generations(run, folder, controller, search, *how)


def _generations(
    run: Run,
    folder: Path,
    controller: Any,
    search: Any,
    settings: Any,
    scores: RealScores | DreamScores,
    events: Path,
    patience: int = 0,
) -> Any:
    from WorldModels.control.generations import Generations

    return Generations(
        folder,
        controller,
        search,
        settings,
        scores.population,
        scores.mean,
        event_writer(events, run.say),
        lambda text: run.say(f"{run.verb}: {text}"),
        patience,
    )


def _search(
    run: Run,
    folder: Path,
    settings: Any,
    controller: Any,
    generator: np.random.Generator,
    mean: np.ndarray | None,
) -> Any:
    """A new search; before a first generation, say what its covariance costs."""
    from WorldModels.control.evolution import OPTIMIZERS
    from WorldModels.control.strategies.cmaes import covariance_for

    strategy, size, how = OPTIMIZERS[settings.optimizer], controller.num_parameters, {}
    if settings.optimizer == "cma":
        how["covariance"], why = covariance_for(settings.covariance, size)
        if why and not (folder / "state.pkl").exists():
            run.say(f"{run.verb}: {why}")
    return strategy(size, settings.population_size, settings.sigma, generator, mean=mean, **how)


def population_dream(
    run: Run, controller: Any, dream: DreamSettings, judge: Path | None = None
) -> ShardedDream:
    """The compiled dream of a population, shared among as many processes as --workers asks for.

    Where Keras computes on a GPU, all of it is dreamt there.

    Args:
        run: the open run.
        controller: a control.controller.Controller.
        dream: settings of the dream.
        judge: the file of another M that decides what happens; None: M itself does.

    Raises:
        FileNotFoundError: there is no M.
        ValueError: M lacks what the dream needs.
    """
    import keras

    from WorldModels.experiment.machine import cores

    how = worlds.dream_world(run.path, replace(run.experiment, dream=dream)).how
    memory = run.need("memory.keras", "train_memory")
    on_cpu = keras.distribution.list_devices()[0].startswith("cpu")
    workers = (run.experiment.workers or cores()) if on_cpu else 1
    maker = PopulationMaker(str(memory), controller, how, str(judge or ""))
    return ShardedDream(maker, workers, cores(), run.say)


def dream_returns(
    run: Run, controller: Any, parameters: np.ndarray, count: int, dream: DreamSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Returns and lengths (P, count) of drivers (P, N) in test dreams.

    The dreams are always the same, and the search never sees them.
    """
    draw = rng(0, "evaluate", "dreams")
    first = begun_dreams(first_latents(run.path), (count,), draw)
    with population_dream(run, controller, dream) as population:
        return population.returns(parameters, first, draw)
