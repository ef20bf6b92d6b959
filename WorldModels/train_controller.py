"""Evolve a driver that sees through V and M: vision + memory -> 0/controller/best.npz

    python -m WorldModels.train_controller carracing                          # laptop scale
    python -m WorldModels.train_controller carracing --controller.target-return 900

CMA-ES (paper section A.4): every generation a population drives full episodes in worker processes; the mean of the
distribution is what is delivered, scored now and then on validation tracks; the mean with the highest score so far is
best.npz. Killed anywhere, the same command goes on to identical numbers.
"""

from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.results import Run

# Seeds of tracks: training draws from 10 million upwards, so that these are never trained on.
VALIDATION_TRACKS = 2_000_000
TRAINING_TRACKS = (10_000_000, 2**31)


def train_controller(run: Run) -> None:
    """Have an evolved driver in 0/controller, at the present budget."""
    from WorldModels.control.executors import Executor, cores
    from WorldModels.control.scoring import DriverMaker
    from WorldModels.experiment.files import hash_files
    from WorldModels.worlds import real_world

    experiment, folder = run.experiment, run.path / "controller"
    inputs = {"vision": hash_files([run.need("vision.keras", "train_vision")]),
              "memory": hash_files([run.need("memory.keras", "train_memory")])}  # fmt: skip
    stage = run.stage("controller", inputs)
    if stage.complete:
        return run.say(f"train_controller: a driver is there already, {folder / 'best.npz'}.")
    settings = experiment.controller
    world = real_world(run.path, experiment.env, features=settings.features, latent=settings.latent)
    maker = DriverMaker(world, _controller(experiment, action_size=_action_size(experiment)))
    stage.begin()
    with Executor(maker, experiment.workers or cores(), say=run.say) as executor:
        generations = _generations(run, folder, maker.controller, executor)
        if generations.progress.generation:
            run.say(f"train_controller: goes on after generation {generations.progress.generation}.")
        progress = generations.run()
    stage.finish(generation=progress.generation, frames=progress.frames, best_generation=progress.best_generation)
    run.say(
        f"train_controller: {progress.generation} generations, {progress.frames:,} steps of the environment, "
        f"{progress.seconds / 60:.1f} min. Best mean: generation {progress.best_generation}, {progress.best:.0f} over "
        f"{settings.validation_rollouts} validation tracks, in {folder / 'best.npz'}."
    )


def _controller(experiment, action_size: int):
    from WorldModels.control.controller import Controller

    s = experiment.controller
    return Controller(s.features, experiment.vision.latent_size, experiment.memory.lstm_size, action_size=action_size,
                      num_hidden=s.num_hidden, bias=s.bias, latent=s.latent)  # fmt: skip


def _action_size(experiment) -> int:
    from WorldModels.worlds import real_world

    env = real_world("", experiment.env)()
    try:
        return env.action_space.shape[0]
    finally:
        env.close()


def _generations(run: Run, folder: Path, controller, executor):
    """The evolution in the folder, its population and its mean driving in the executor's workers."""
    from WorldModels.control.evolution import OPTIMIZERS
    from WorldModels.control.generations import Generations
    from WorldModels.control.scoring import lengths_of, returns_of, score
    from WorldModels.events import event_writer

    settings, max_steps = run.experiment.controller, run.experiment.env.max_steps

    def score_population(parameters, generation, rollouts, heard):
        shape = (rollouts,) if settings.common_tracks else (len(parameters), rollouts)
        tracks = run.rng("tracks", generation).integers(*TRAINING_TRACKS, shape)
        results = score(executor, parameters, tracks, max_steps, hopeless_steps=settings.hopeless_steps,
                        heard=lambda result: heard(result.length))  # fmt: skip
        return returns_of(results), lengths_of(results)

    def validate(mean):
        tracks = range(VALIDATION_TRACKS, VALIDATION_TRACKS + settings.validation_rollouts)
        return returns_of(score(executor, mean[None], tracks, max_steps))[0]

    evolution = OPTIMIZERS[settings.optimizer](
        controller.num_parameters, settings.population_size, settings.sigma, run.rng("evolution")
    )
    return Generations(folder, controller, evolution, settings, score_population, validate,
                       event_writer(run.path / "tensorboard" / "controller", run.say))  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    run_verb("train_controller", train_controller, argv, __doc__)


if __name__ == "__main__":
    main()
