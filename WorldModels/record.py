"""Drive at random, or with a trained controller, and keep the episodes: 0/episodes/*.npz.

    python -m WorldModels.record carracing                  # laptop scale: 220 short drives
    python -m WorldModels.record carracing --scale smoke    # six, in seconds

Worker processes write the episodes themselves, each complete or not at all; an interrupted run
continues where it stopped. The track, the start and the driver of an episode depend only on the
seed, the iteration and the episode's index.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.draws import rng
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.lineage import note_recording
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

MAX_ATTEMPTS = 1000  # tries before the verb gives up on an episode that is too short
FIRST_SEED, LAST_SEED = 10_000_000, 2**31  # seeds of the episodes


class Recorded(NamedTuple):
    """An episode that was recorded: its steps and return, who drove, and its extreme rewards."""

    steps: int
    return_: float
    policy: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class Recorder:
    """Makes a function from an episode's index to what was Recorded; picklable.

    Called in a worker process.

    Attributes:
        experiment: all settings.
        iteration: the one that the episodes belong to.
        folder: where they are written.
        shares: driver -> its share of the episodes.
        controller: file of the trained controller that drives the share "controller", and the
            folder of the V and M that it sees through; None if there is none.
    """

    experiment: Experiment
    iteration: int
    folder: Path
    shares: dict[str, float]
    controller: tuple[Path, Path] | None = None

    def __call__(self) -> Callable[[int], Recorded]:
        from WorldModels.control.policies import POLICIES, policy_of_episode

        worlds: dict[tuple[bool, bool], tuple[Any, Any]] = {}
        game = game_of(self.experiment.env.id)
        settings = self.experiment.record

        def record_one(index: int) -> Recorded:
            name = policy_of_episode(self.shares, index)
            random_start = settings.random_start and index % settings.line_start_every != 0
            key = (name == "controller", random_start)
            if key not in worlds:
                worlds[key] = self.world(random_start, name == "controller")
            world, driver = worlds[key]
            actions = game.named_actions(world.action_space.shape[0])
            return self.record(index, world, driver or POLICIES[name](actions))

        return record_one

    def record(self, index: int, world: Any, policy: Any) -> Recorded:
        """Record an episode.

        Raises:
            ValueError: every attempt was too short.
        """
        from WorldModels.control.rollout import rollout

        settings = self.experiment.record
        for attempt in range(MAX_ATTEMPTS):
            indices = self.iteration, index, attempt
            draw = rng(self.experiment.seed, "record", "episode", *indices)
            seed = int(draw.integers(FIRST_SEED, LAST_SEED))
            result = rollout(world, policy, seed, settings.max_frames, keep="episode")
            if result.length >= settings.min_frames:
                result.episode.save(self.folder / f"{index:06}.npz")
                rewards = result.episode.rewards
                extremes = float(rewards.min()), float(rewards.max())
                return Recorded(result.length, result.return_, policy.name, *extremes)
        raise ValueError(
            f"--record.min-frames: expected episodes of {settings.min_frames} steps, received "
            f"{MAX_ATTEMPTS} shorter ones by {policy.name}; give a smaller number, or another "
            "driver in --record.policies."
        )

    def world(self, random_start: bool, by_controller: bool) -> tuple[Any, Any]:
        """The world of an episode, and the trained driver if it drives, otherwise None."""
        from WorldModels.assembly.worlds import driven, real_world
        from WorldModels.envs.recording import IgnoreTermination, OffRoadLimit

        settings, env = self.experiment.record, self.experiment.env
        how = {"random_start": random_start, "max_steps": settings.max_frames}
        world = real_world("", env, **how)()
        if settings.full_episode:
            world = IgnoreTermination(world)
        if settings.off_road_limit and game_of(env.id).has_road:
            world = OffRoadLimit(world, settings.off_road_limit)
        return driven(world, *self.controller) if by_controller else (world, None)


def record(run: Run) -> None:
    """Record until 0/episodes has as many sound episodes as the settings ask for."""
    from WorldModels.control.policies import drivers
    from WorldModels.episodes.episode import sound_episodes

    settings, iterate = run.experiment.record, run.experiment.iterate
    shares = drivers(settings.policies, iterate.controller_share, run.iteration)
    controller = _controller(run) if "controller" in shares else None
    stage = run.stage("episodes", _made_from(run, controller))
    folder = run.path / "episodes"
    there = set() if stage.anew else {path.stem for path in sound_episodes(folder, run.say)}
    missing = [index for index in range(settings.episodes) if f"{index:06}" not in there]
    if stage.complete and not missing:
        return run.say(f"record: {len(there)} episodes are there already, in {folder}.")
    recorder = Recorder(run.experiment, run.iteration, folder, shares, controller)
    # So that an error in it is reported before anything is written.
    _try(recorder.world(False, controller is not None)[0])
    if stage.anew:
        note_recording(run, stage)
    stage.begin()
    folder.mkdir(parents=True, exist_ok=True)
    drives = _drive(run, recorder, missing, len(there))
    stage.finish()
    _say_drives(run, drives)
    run.say(f"record: {len(there) + len(drives)} episodes in {folder}.")


def _try(world: Any) -> None:
    """Play until the world has shown something, for at least a step and at most an episode.

    Raises:
        ValueError: it showed nothing.
        ForeignError: the environment failed.
    """
    from WorldModels.envs.wrappers import is_blank

    world.reset(seed=FIRST_SEED)
    still, over = np.zeros(world.action_space.shape, np.float32), False
    while not over:
        observation, _, terminated, truncated, info = world.step(still)
        blank = is_blank(info.get("frame", observation))
        over = terminated or truncated or not blank
    world.close()


def _say_drives(run: Run, drives: list[Recorded]) -> None:
    for name in sorted({drive.policy for drive in drives}):
        own = [drive for drive in drives if drive.policy == name]
        steps = sum(drive.steps for drive in own)
        mean = sum(drive.return_ for drive in own) / len(own)
        run.say(f"  {name:12} {len(own):5} episodes {steps:8} steps   mean return {mean:8.1f}")
    rewards = {reward for drive in drives for reward in (drive.lowest, drive.highest)}
    if len(rewards) == 1:
        run.say(
            f"record: warning: the reward was {rewards.pop():g} at every step of all "
            f"{len(drives)} episodes, so a return tells no more than how many steps were played."
        )


def _drive(run: Run, recorder: Recorder, missing: list[int], done: int) -> list[Recorded]:
    from tqdm import tqdm

    from WorldModels.control.executors import open_executor

    if not missing:
        return []
    drives = []
    bar = tqdm(total=done + len(missing), initial=done, unit="episode", desc="record")
    workers = run.experiment.workers
    with open_executor(recorder, workers, len(missing), say=run.say) as executor, bar:
        for _, drive in executor.map_unordered((index, index) for index in missing):
            drives.append(drive)
            bar.update()
    return drives


def _controller(run: Run) -> tuple[Path, Path]:
    """The file of the controller that records, and the folder of the V and M that it sees through.

    Both are the previous iteration's, if there is one.
    """
    from WorldModels.assembly.worlds import driver_before

    return driver_before(run), run.folder / str(max(run.iteration - 1, 0))


def _made_from(run: Run, controller: tuple[Path, Path] | None) -> dict[str, str]:
    """Hashes of the previous iteration's driver, V and M, if that driver records."""
    if not controller or run.iteration == 0:
        return {}
    vision = run.before("vision.keras", "train_vision")
    return run.hashes_of(controller[0], vision, run.before("memory.keras", "train_memory"))


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("record", record, argv, __doc__)


if __name__ == "__main__":
    main()
