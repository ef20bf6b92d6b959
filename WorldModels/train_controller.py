"""Evolve a driver that sees through V and M: vision + memory -> 0/controller/best.npz.

    python -m WorldModels.train_controller carracing             # laptop scale, in the real world
    python -m WorldModels.train_controller carracing --controller.world dream    # in the dream
    python -m WorldModels.train_controller carracing --controller.world mixed    # dream, then real

CMA-ES (paper section A.4) or another --controller.optimizer: each generation a population drives
full episodes, in worker processes or, in the dream, in one compiled loop. The result is the mean of
the distribution: it is scored now and then on validation tracks or dreams, and the mean with the
highest score so far is best.npz. If killed, the same command continues, with identical numbers.
"""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.damage import check_own, check_series
from WorldModels.experiment.lineage import require_own_memory
from WorldModels.experiment.run import Run
from WorldModels.experiment.sums import WeightsSum


def train_controller(run: Run) -> None:
    """Evolve a driver in 0/controller, up to the present budget."""
    from WorldModels.assembly.beginnings import (
        controller_shape,
        given_driver,
        mean_before,
        parameters_of,
    )
    from WorldModels.control.search_state import check_states

    folder, world = run.path / "controller", run.experiment.controller.world
    vision, memory = (
        run.need("vision.keras", "train_vision"),
        run.need("memory.keras", "train_memory"),
    )
    require_own_memory(run)
    inputs = {"vision": WeightsSum(vision), "memory": WeightsSum(memory)}
    if run.experiment.needs_judge:
        inputs["judge"] = WeightsSum(run.need("judge.keras", "train_memory"))
    before, given = mean_before(run), given_driver(run)
    stage = run.stage("controller", inputs | (run.hashes_of(before) if before else {}))
    stage.mend(("controller/best.npz", "controller/mean.npz"))
    if stage.complete:
        return run.say(f"train_controller: a driver is there already, {folder / 'best.npz'}.")
    if not stage.anew:
        check_states(folder)
    controller = controller_shape(run)
    mean, progress = parameters_of(before, controller) if before else given, None
    if world != "real":
        dreams = folder / "dream" if world == "mixed" else folder
        progress = _dream(run, stage, dreams, controller, mean)
    if world == "mixed":
        mean = _dreamt(run, folder, controller)
    if world != "dream":
        progress = _drive(run, stage, folder, controller, mean)
    stage.finish(
        generation=progress.generation,
        frames=progress.frames,
        best_generation=progress.best_generation,
    )


def _dream(run: Run, stage: Any, folder: Path, controller: Any, mean: Any) -> Any:
    """Evolve in the dream; first show how other policies fare in it and in the game."""
    from WorldModels.assembly.evaluation.gates import pass_gates, show_gates
    from WorldModels.assembly.evolve import dream_generations, population_dream

    # An M that cannot dream is refused before the stage begins; what it replaces is cleared before
    # the search is opened, which would otherwise continue the old one.
    run.need("first_latents.npz", "encode")
    check_series(run.path)  # those held out show in gates.json how faithful the dream is
    fresh = not stage.facts
    judged = _settle_dreams(run, stage)
    with ExitStack() as opened:
        ours = run.experiment.dream
        population = opened.enter_context(population_dream(run, controller, ours))
        judge = opened.enter_context(population_dream(run, controller, *judged)) if judged else None
        if fresh:
            pass_gates(run)
        stage.begin()
        generations = dream_generations(run, folder, controller, population, mean, judge=judge)
        if not generations.finished:
            _note_origin(folder)
            if not fresh:
                show_gates(run)
        return _evolve(run, generations, "steps of dreams", "validation dreams")


def _settle_dreams(run: Run, stage: Any) -> tuple[Any, Path | None] | None:
    """Fit the dream to the game where that is asked for; the whole run then dreams so.

    Returns:
        The settings of the judge's dream, and the file of its M (None: the driver's own); None if
        the driver's own dream is the judge.
    """
    from WorldModels.assembly.evaluation.calibration import calibrated

    ours = run.experiment.dream
    if ours.calibrate and not stage.facts:
        run.experiment = replace(run.experiment, dream=calibrated(run))
        stage.take_settings()
    if ours.judge == "other":
        return run.experiment.dream, run.need("judge.keras", "train_memory")
    if ours.judge == "calibrated" and not ours.calibrate:
        return calibrated(run), None
    return None


def _note_origin(dreams: Path) -> None:
    """Before a dream goes on, record its mean if a search in the real world began with it."""
    from WorldModels.control import origin
    from WorldModels.control.controller import Controller

    search = dreams.parent  # runs of earlier versions do not say what it began with
    before = dreams.name == origin.DREAM and origin.is_under_way(search)
    if before and not origin.is_marked(search):
        origin.mark(search, Controller.load(dreams / "mean.npz")[1])


def _dreamt(run: Run, folder: Path, controller: Any) -> Any:
    """The mean (N,) of the dream; a search in the real world that began with another is cleared."""
    from WorldModels.assembly.beginnings import parameters_of
    from WorldModels.control import origin
    from WorldModels.experiment.stage import WORTH_KEEPING

    mean = parameters_of(folder / origin.DREAM / "mean.npz", controller)
    if origin.is_marked(folder) and origin.began_elsewhere(folder, mean):
        events = run.path / "tensorboard" / "controller"
        kept = origin.clear(run.path, folder, events, WORTH_KEEPING)
        there = f"; what it was is kept in {kept}" if kept else ""
        run.say(
            "train_controller: the dream has gone on since the search in the real world began, "
            f"which is made again from the dream's new mean{there}."
        )
    origin.mark(folder, mean)
    return mean


def _drive(run: Run, stage: Any, folder: Path, controller: Any, mean: Any) -> Any:
    """Evolve in the real world, in worker processes."""
    from WorldModels.assembly.evolve import real_generations
    from WorldModels.assembly.opening import PERCEPTION
    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.executors import open_executor
    from WorldModels.control.scoring import DriverMaker

    settings, env = run.experiment.controller, run.experiment.env
    world = real_world(run.path, env, features=settings.features, latent=settings.seen)
    check_own(run.path / PERCEPTION)  # which the workers open
    stage.begin()
    maker = DriverMaker(world, controller)
    with open_executor(maker, run.experiment.workers, say=run.say) as executor:
        generations = real_generations(run, folder, controller, executor, mean)
        return _evolve(run, generations, "steps of the environment", "validation tracks")


def _evolve(run: Run, generations: Any, unit: str, validated: str) -> Any:
    if generations.progress.generation:
        run.say(f"train_controller: continues after generation {generations.progress.generation}.")
    progress = generations.run()
    run.say(
        f"train_controller: {progress.generation} generations, {progress.frames:,} {unit}, "
        f"{progress.seconds / 60:.1f} min. Best mean: generation {progress.best_generation}, "
        f"{progress.best:.0f} over {generations.settings.validation_rollouts} {validated}, in "
        f"{generations.folder / 'best.npz'}."
    )
    return progress


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("train_controller", train_controller, argv, __doc__)


if __name__ == "__main__":
    main()
