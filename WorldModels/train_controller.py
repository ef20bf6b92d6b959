"""Evolve a driver that sees through V and M: vision + memory -> 0/controller/best.npz

    python -m WorldModels.train_controller carracing                             # laptop scale, in
    the real world
    python -m WorldModels.train_controller carracing --controller.world dream    # wholly in the
    dream
    python -m WorldModels.train_controller carracing --controller.world mixed    # in the dream, and
    then on in the real world

CMA-ES (paper section A.4), or another --controller.optimizer: every generation a population drives
full episodes, in worker
processes or, dreaming, in one compiled loop; the mean of the distribution is what is delivered,
scored now and then on validation
tracks or dreams; the mean with the highest score so far is best.npz. Killed anywhere, the same
command goes on to identical
numbers.
"""

from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.run import Run


def train_controller(run: Run) -> None:
    """Have an evolved driver in 0/controller, at the present budget."""
    from WorldModels.assembly.evolve import controller_shape
    from WorldModels.experiment.files import hash_files
    from WorldModels.iterations import hashes, mean_before, parameters_of

    folder, world = run.path / "controller", run.experiment.controller.world
    inputs = {
        "vision": hash_files([run.need("vision.keras", "train_vision")]),
        "memory": hash_files([run.need("memory.keras", "train_memory")]),
    }
    before = mean_before(run)
    stage = run.stage("controller", inputs | (hashes(run, before) if before else {}))
    if stage.complete:
        return run.say(f"train_controller: a driver is there already, {folder / 'best.npz'}.")
    controller = controller_shape(run)
    mean, progress = parameters_of(before, controller) if before else None, None
    if world != "real":
        progress = _dream(
            run, stage, folder / "dream" if world == "mixed" else folder, controller, mean
        )
    if world == "mixed":
        mean = parameters_of(folder / "dream" / "mean.npz", controller)
    if world != "dream":
        progress = _drive(run, stage, folder, controller, mean)
    stage.finish(
        generation=progress.generation,
        frames=progress.frames,
        best_generation=progress.best_generation,
    )


def _dream(run: Run, stage, folder: Path, controller, mean):
    """Evolve in the dream; first show how true it is to the policies that do not look."""
    from WorldModels.assembly.evaluation.gates import show_gates
    from WorldModels.assembly.evolve import dream_generations

    generations = dream_generations(run, folder, controller, mean)
    stage.begin()
    if not generations.finished:
        show_gates(run)
    return _evolve(run, generations, "steps of dreams", "validation dreams")


def _drive(run: Run, stage, folder: Path, controller, mean):
    """Evolve in the real world, in worker processes."""
    from WorldModels.assembly.evolve import real_generations
    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.executors import Executor, cores
    from WorldModels.control.scoring import DriverMaker

    settings = run.experiment.controller
    world = real_world(
        run.path, run.experiment.env, features=settings.features, latent=settings.seen
    )
    stage.begin()
    with Executor(
        DriverMaker(world, controller), run.experiment.workers or cores(), say=run.say
    ) as executor:
        return _evolve(
            run,
            real_generations(run, folder, controller, executor, mean),
            "steps of the environment",
            "validation tracks",
        )


def _evolve(run: Run, generations, unit: str, validated: str):
    if generations.progress.generation:
        run.say(f"train_controller: goes on after generation {generations.progress.generation}.")
    progress = generations.run()
    run.say(
        f"train_controller: {progress.generation} generations, {progress.frames:,} {unit}, {progress.seconds / 60:.1f} min. "
        f"Best mean: generation {progress.best_generation}, {progress.best:.0f} over "
        f"{generations.settings.validation_rollouts} {validated}, in {generations.folder / 'best.npz'}."
    )
    return progress


def main(argv: list[str] | None = None) -> None:
    run_verb("train_controller", train_controller, argv, __doc__)


if __name__ == "__main__":
    main()
