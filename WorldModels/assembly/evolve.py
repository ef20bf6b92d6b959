"""The evolution of C in a folder, in the real world or in the dream: what train_controller and
temperatures put together.

Knows settings, worlds and M; how the search works it leaves to control/, how a dream goes to
memory/imagine.py.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.run import Run, rng
from WorldModels.experiment.settings.dream import DreamSettings

# Seeds of tracks: training draws from 10 million upwards, so that these are never trained on.
VALIDATION_TRACKS = 2_000_000
TRAINING_TRACKS = (10_000_000, 2**31)


def controller_shape(run: Run):
    """The controller that the settings ask for, without parameters."""
    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.controller import Controller

    experiment, s = run.experiment, run.experiment.controller
    env = real_world("", experiment.env)()
    try:
        action_size = env.action_space.shape[0]
    finally:
        env.close()
    return Controller(
        s.features,
        experiment.vision.latent_size,
        experiment.memory.h_size,
        action_size=action_size,
        num_hidden=s.num_hidden,
        bias=s.bias,
        latent=s.seen,
    )


def real_generations(
    run: Run, folder: Path, controller: Any, executor: Any, mean: np.ndarray | None = None
):
    """The evolution in a folder, its population and its mean driving in the executor's workers.

    Args:
        run: the open run.
        folder: of the evolution.
        controller: a control.controller.Controller.
        executor: over a control.scoring.DriverMaker.
        mean: where the search begins, (N,); None: at zeros.
    """
    from WorldModels.assembly.tensorboard_files import event_writer
    from WorldModels.control.generations import Generations
    from WorldModels.control.scoring import lengths_of, returns_of, score

    settings, max_steps = run.experiment.controller, run.experiment.env.max_steps

    def score_population(parameters, generation, rollouts, heard):
        shape = (rollouts,) if settings.common_tracks else (len(parameters), rollouts)
        tracks = run.rng("tracks", generation).integers(*TRAINING_TRACKS, shape)
        results = score(
            executor,
            parameters,
            tracks,
            max_steps,
            hopeless_steps=settings.hopeless_steps,
            heard=lambda result: heard(result.length),
        )
        return returns_of(results), lengths_of(results)

    def validate(parameters):
        tracks = range(VALIDATION_TRACKS, VALIDATION_TRACKS + settings.validation_rollouts)
        return returns_of(score(executor, parameters[None], tracks, max_steps))[0]

    evolution = _search(run, settings, controller, run.rng("evolution"), mean)
    return Generations(
        folder,
        controller,
        evolution,
        settings,
        score_population,
        validate,
        event_writer(run.path / "tensorboard" / "controller", run.say),
    )


def dream_generations(
    run: Run,
    folder: Path,
    controller: Any,
    mean: np.ndarray | None = None,
    dream: DreamSettings | None = None,
):
    """The evolution in a folder, its population and its mean dreaming in one compiled loop.

    Args:
        run: the open run.
        folder: of the evolution.
        controller: a control.controller.Controller.
        mean: where the search begins, (N,); None: at zeros.
        dream: settings; default the run's.

    Raises:
        FileNotFoundError: there is no M, or no first latents.
        ValueError: M lacks what the dream needs.
    """
    from WorldModels.assembly.opening import first_latents
    from WorldModels.assembly.tensorboard_files import event_writer
    from WorldModels.control.generations import Generations

    dream, latents = dream or run.experiment.dream, first_latents(run.path)
    population = _population_dream(run, controller, dream)

    def score_population(parameters, generation, rollouts, heard):
        draw = run.rng("dreams", generation)
        shape = (
            (rollouts,) if run.experiment.controller.common_tracks else (len(parameters), rollouts)
        )
        return population.returns(parameters, _begin(latents, shape, draw), draw, heard)

    def validate(parameters):
        draw = rng(0, "train_controller", "validation dreams")
        return population.returns(
            parameters[None], _begin(latents, (dream.validation_rollouts,), draw), draw
        )[0][0]

    settings = replace(
        run.experiment.controller,
        steps=0,
        late_rollouts=0,
        sigma_schedule="constant",
        hopeless_steps=0,
        **{
            name: getattr(dream, name)
            for name in (
                "population_size",
                "rollouts",
                "sigma",
                "generations",
                "validation_every",
                "validation_rollouts",
            )
        },
    )
    evolution = _search(run, settings, controller, run.rng("evolution in the dream"), mean)
    events = run.path / "tensorboard" / "controller" / "dream"
    return Generations(
        folder,
        controller,
        evolution,
        settings,
        score_population,
        validate,
        event_writer(events, run.say),
    )


def _search(
    run: Run,
    settings: Any,
    controller: Any,
    generator: np.random.Generator,
    mean: np.ndarray | None,
):
    from WorldModels.control.evolution import OPTIMIZERS

    kind = OPTIMIZERS[settings.optimizer]
    return kind(
        controller.num_parameters, settings.population_size, settings.sigma, generator, mean=mean
    )


def _population_dream(run: Run, controller: Any, dream: DreamSettings):
    from keras import ops

    from WorldModels.assembly.models import Imagination, load_memory
    from WorldModels.assembly.worlds import dream_world
    from WorldModels.envs.lanes import Dreaming
    from WorldModels.envs.latent import FEATURES
    from WorldModels.memory.imagine import PopulationDream

    how = Dreaming(**dream_world(run.path, replace(run.experiment, dream=dream)).how)
    memory = load_memory(run.need("memory.keras", "train_memory"))
    imagination = Imagination(memory)
    how.check(imagination.sizes, imagination.heads)
    act: Callable = lambda parameters, features: controller.act(parameters, features, ops)  # noqa: E731
    return PopulationDream(
        memory,
        act,
        FEATURES[how.features],
        temperature=how.temperature,
        termination=how.termination,
        step_reward=how.step_reward if how.reward == "constant" else None,
        threshold=how.threshold,
        max_steps=how.max_steps,
    )


def _begin(
    latents: tuple[np.ndarray, np.ndarray], shape: tuple[int, ...], draw: np.random.Generator
) -> np.ndarray:
    """First latents (*shape, Z): of recorded episodes' first frames, drawn from V's posterior."""
    mean, log_var = latents
    chosen = draw.integers(len(mean), size=shape)
    return mean[chosen] + np.exp(log_var[chosen] / 2) * draw.standard_normal(
        (*shape, mean.shape[1]), np.float32
    )


def dream_returns(
    run: Run, controller: Any, parameters: np.ndarray, count: int, dream: DreamSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Returns and lengths (P, count) of drivers (P, N) in dreams that chose nothing; always the
    same ones.
    """
    from WorldModels.assembly.opening import first_latents

    draw = rng(0, "evaluate", "dreams")
    first = _begin(first_latents(run.path), (count,), draw)
    return _population_dream(run, controller, dream).returns(parameters, first, draw)
