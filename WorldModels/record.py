"""Drive at random, or with a trained controller, and keep what was seen: -> 0/episodes/*.npz

    python -m WorldModels.record carracing                  # laptop scale: 220 short drives from
    all over the tracks
    python -m WorldModels.record carracing --scale smoke    # six, in seconds

Worker processes write the episodes themselves, each complete or not at all; an interrupted run goes
on where it stopped.
Which track, which start and which driver an episode has follows from the seed, the iteration and
its index alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.run import Run, rng
from WorldModels.experiment.settings.experiment import Experiment

MAX_ATTEMPTS = 1000  # redraws of an episode that stays too short


@dataclass(frozen=True)
class Recorder:
    """Makes, in a worker process, a function from an episode's index to (steps, return, driver);
    picklable.

    Attributes:
        experiment: all settings.
        iteration: whose episodes these are.
        folder: where they are written.
        shares: who drives, as shares of the episodes.
        controller: file of the trained controller that drives the share "controller" of the
            episodes, and the folder of
            the V and M that it sees through; None without one.
    """

    experiment: Experiment
    iteration: int
    folder: Path
    shares: dict[str, float]
    controller: tuple[Path, Path] | None = None

    def __call__(self) -> Callable[[int], tuple[int, float, str]]:
        from WorldModels.control.policies import POLICIES, policy_of_episode
        from WorldModels.control.rollout import rollout
        from WorldModels.experiment.games.registry import game_of

        settings, worlds = self.experiment.record, {}

        def world_and_policy(index: int):
            name = policy_of_episode(self.shares, index)
            random_start = settings.random_start and index % settings.line_start_every != 0
            key = (name == "controller", random_start)
            if key not in worlds:
                worlds[key] = self.world(random_start, name == "controller")
            world, driver = worlds[key]
            return world, driver or POLICIES[name](
                game_of(self.experiment.env.id).named_actions(world.action_space.shape[0])
            )

        def record_one(index: int) -> tuple[int, float, str]:
            world, policy = world_and_policy(index)
            for attempt in range(MAX_ATTEMPTS):
                draw = rng(
                    self.experiment.seed, "record", "episode", self.iteration, index, attempt
                )
                seed = int(draw.integers(10_000_000, 2**31))
                result = rollout(world, policy, seed, settings.max_frames, keep="episode")
                if result.length >= settings.min_frames:
                    result.episode.save(self.folder / f"{index:06}.npz")
                    return result.length, result.return_, policy.name
            raise ValueError(
                f"--record.min-frames: expected episodes of {settings.min_frames} steps, received {MAX_ATTEMPTS} shorter "
                f"ones by {policy.name}; ask for less, or for another driver in --record.policies."
            )

        return record_one

    def world(self, random_start: bool, by_controller: bool):
        """The world of an episode, and the trained driver if it is to drive, else None: (Gymnasium
        environment, policy).
        """
        from WorldModels.envs.make import make_env
        from WorldModels.envs.recording import IgnoreTermination, OffRoadLimit

        settings = self.experiment.record
        env = make_env(
            **env_arguments(self.experiment),
            random_start=random_start,
            max_steps=settings.max_frames,
        )
        if settings.full_episode:
            env = IgnoreTermination(env)
        if settings.off_road_limit:
            env = OffRoadLimit(env, settings.off_road_limit)
        if not by_controller:
            return env, None
        from WorldModels.assembly.worlds import driven

        return driven(env, *self.controller)


def env_arguments(experiment: Experiment) -> dict:
    """An experiment's environment as `make_env` takes it, without the number of steps."""
    env = experiment.env
    return {
        "id": env.id,
        "renderer": env.renderer,
        "lap_complete": float(env.lap_complete),
        "frame_size": env.frame_size,
        "observation": env.observation,
    }


def record(run: Run) -> None:
    """Have as many sound episodes in 0/episodes as the settings ask for."""
    from WorldModels.episodes.episode import sound_episodes
    from WorldModels.iterations import drivers

    settings, shares = run.experiment.record, drivers(run)
    controller = _controller(run) if "controller" in shares else None
    stage = run.stage("episodes", _made_from(run, controller))
    folder = run.path / "episodes"
    there = set() if stage.anew else {path.stem for path in sound_episodes(folder, run.say)}
    missing = [index for index in range(settings.episodes) if f"{index:06}" not in there]
    if stage.complete and not missing:
        return run.say(f"record: {len(there)} episodes are there already, in {folder}.")
    recorder = Recorder(run.experiment, run.iteration, folder, shares, controller)
    recorder.world(False, controller is not None)[
        0
    ].close()  # what is wrong with it is said before anything is written
    stage.begin()
    folder.mkdir(parents=True, exist_ok=True)
    drives = _drive(run, recorder, missing, len(there))
    stage.finish()
    for name in sorted({name for _, _, name in drives}):
        own = [drive for drive in drives if drive[2] == name]
        steps, returns = sum(drive[0] for drive in own), [drive[1] for drive in own]
        run.say(
            f"  {name:12} {len(own):5} episodes {steps:8} steps   mean return {sum(returns) / len(own):8.1f}"
        )
    run.say(f"record: {len(there) + len(drives)} episodes in {folder}.")


def _drive(
    run: Run, recorder: Recorder, missing: list[int], done: int
) -> list[tuple[int, float, str]]:
    from tqdm import tqdm

    from WorldModels.control.executors import Executor, cores

    if not missing:
        return []
    workers = min(run.experiment.workers or cores(), len(missing))
    drives = []
    bar = tqdm(total=done + len(missing), initial=done, unit="episode", desc="record")
    with Executor(recorder, workers, say=run.say) as executor, bar:
        for _, drive in executor.map_unordered((index, index) for index in missing):
            drives.append(drive)
            bar.update()
    return drives


def _controller(run: Run) -> tuple[Path, Path]:
    """The file of the controller that records, and the iteration's folder it sees through: the one
    before, if there is one.
    """
    from WorldModels.iterations import driver_before

    return driver_before(run), run.folder / str(max(run.iteration - 1, 0))


def _made_from(run: Run, controller: tuple[Path, Path] | None) -> dict[str, str]:
    """Hashes of the driver of the iteration before and of what it sees through; none where it does
    not record.
    """
    from WorldModels.iterations import hashes

    if not controller or run.iteration == 0:
        return {}
    return hashes(
        run,
        controller[0],
        run.before("vision.keras", "train_vision"),
        run.before("memory.keras", "train_memory"),
    )


def main(argv: list[str] | None = None) -> None:
    run_verb("record", record, argv, __doc__)


if __name__ == "__main__":
    main()
