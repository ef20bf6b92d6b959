"""Tries what a run's search and its test do beside playing: dreams, generations, films."""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
from WorldModels.assembly.speed.trial.small_run import timed
from WorldModels.assembly.worlds import dream_world
from WorldModels.experiment.run import Run

GENERATIONS = 4  # of a search whose episodes take no time
SHORT, LONG = 4, 32  # steps of the episodes that are filmed

Paces = dict[str, list[float]]  # kind of work -> [once, each]; see paces.Trial


def try_dream(run: Run) -> Paces:
    """Dream a block of steps with a population, and with a mean that is validated.

    Args:
        run: in a folder with V, M, a driver and first latents.

    Raises:
        ValueError: M lacks what the dream needs.
    """
    from WorldModels.assembly.evolve import population_dream
    from WorldModels.assembly.opening import first_latents
    from WorldModels.assembly.populations import begun_dreams
    from WorldModels.memory.imagine import BLOCK

    s, latents, draw = run.experiment.dream, first_latents(run.path), np.random.default_rng(0)
    steps, controller = min(s.max_steps or run.experiment.env.max_steps, BLOCK), _driver(run)

    def dream(population: Any, drivers: int, shape: tuple[int, ...]) -> float:
        first = begun_dreams(latents, shape, draw)
        parameters = draw.normal(0, 0.1, (drivers, controller.num_parameters))
        began = time.perf_counter()
        population.returns(parameters, first, draw)
        return time.perf_counter() - began

    size = s.population_size, s.rollouts
    shape = size[1:] if run.experiment.controller.common_tracks else size
    with population_dream(run, controller, replace(s, max_steps=steps)) as population:
        first, second = (dream(population, size[0], shape) for _ in range(2))
        validation = dream(population, 1, (s.validation_rollouts,))
    each = second / (size[0] * size[1] * steps)
    validation -= each * s.validation_rollouts * steps
    return {"dream": [max(first - second, 0.0) + max(validation, 0.0), each]}


def try_generation(run: Run) -> Paces:
    """Search for a few generations whose episodes take no time.

    Args:
        run: in a folder with a driver.
    """
    from WorldModels.assembly.evolve import real_generations

    draw, began, run = np.random.default_rng(0), [], copy.copy(run)
    s = run.experiment.controller
    source = run.experiment.dream if s.world == "dream" else s
    changes = {"generations": GENERATIONS, "steps": 0, "validation_every": GENERATIONS}
    changes |= {"population_size": source.population_size, "target_return": np.inf}
    run.experiment = replace(run.experiment, controller=replace(s, **changes))
    generations = real_generations(run, run.path / "search", _driver(run), None)

    def score(parameters, generation, rollouts, heard):
        began.append(time.perf_counter())
        shape = len(parameters), rollouts
        return draw.standard_normal(shape), np.ones(shape, int)

    generations.score, generations.validate = score, lambda mean: np.zeros(1)
    generations.run(show=False)
    return {"generation": [0.0, (began[-1] - began[0]) / (GENERATIONS - 1)]}


def try_films(run: Run) -> Paces:
    """Film short games of the driver, and short dreams if it evolves in one; draw a figure.

    Args:
        run: in a folder with V, M, a driver and first latents.
    """
    began = time.perf_counter()
    from WorldModels.assembly.evaluation import films
    from WorldModels.figures import curves, videos  # noqa: F401, which the films import

    figures = curves.score_histogram({"driver": [0.0, 1.0], "random": [0.0, 1.0]}, "game")
    curves.save(figures, run.path / "scores.png")
    once = time.perf_counter() - began
    began = time.perf_counter()
    curves.save(figures, run.path / "scores.png")
    paces = {"figures": [once, time.perf_counter() - began]}
    folder, experiment = run.path / "films", run.experiment
    run = copy.copy(run)
    run.experiment = replace(experiment, evaluate=replace(experiment.evaluate, video_tracks=1))

    def film(steps: int) -> float:
        examiner, rule = _examiner(run, steps), experiment.env.rule
        return timed(lambda: films.film_games(run, examiner, [0.0], rule, folder))

    def film_dream(steps: int) -> float:
        return timed(lambda: films.film_dream(run, _examiner(run, steps), folder))

    folder.mkdir()
    paces["film"] = _line(film, experiment.env.max_steps)
    if experiment.controller.world != "real":
        paces["dream film"] = _line(film_dream, experiment.env.max_steps)
    return paces


def _line(seconds_of: Callable[[int], float], longest: int) -> list[float]:
    """[once, each], from films of two lengths; the first film also imports what they need."""
    short, long = min(SHORT, longest), min(LONG, longest)
    first, second, third = (seconds_of(steps) for steps in (short, short, long))
    each = max(third - second, 0.0) / (long - short) if long > short else second / short
    return [max(first - each * short, 0.0), each]


def _examiner(run: Run, steps: int) -> Examiner:
    """An Examiner of the run's driver, whose games and dreams have at most some steps."""
    experiment, file = run.experiment, run.path / "controller" / "best.npz"
    dream = None
    if experiment.controller.world != "real":
        dream = dream_world(run.path, experiment, max_steps=steps, termination="never")
    return Examiner(run.path, replace(experiment.env, max_steps=steps), {DRIVER: file}, dream)


def _driver(run: Run):
    """The shape of the run's driver."""
    from WorldModels.control.controller import Controller

    return Controller.load(run.path / "controller" / "best.npz")[0]
