"""Drive at random, or with a trained controller, and keep the episodes: 0/episodes/*.npz.

    python -m WorldModels.record carracing                  # laptop scale: 220 short drives
    python -m WorldModels.record carracing --scale smoke    # six, in seconds

Worker processes write the episodes themselves, each complete or not at all; an interrupted run
continues where it stopped. The track, the start and the driver of an episode depend only on the
seed, the iteration and the episode's index.
"""

from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.lineage import note_recording
from WorldModels.experiment.run import Run


def record(run: Run) -> None:
    """Record until 0/episodes has as many sound episodes as the settings ask for."""
    from WorldModels.assembly.recorder import Recorder
    from WorldModels.control.policies import drivers
    from WorldModels.episodes.frames import sound_episodes

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
    from WorldModels.envs.faults import is_blank

    world.reset(seed=0)
    still, over = np.zeros(world.action_space.shape, np.float32), False
    while not over:
        observation, _, terminated, truncated, info = world.step(still)
        blank = is_blank(info.get("frame", observation))
        over = terminated or truncated or not blank
    world.close()


def _say_drives(run: Run, drives: list) -> None:
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


def _drive(run: Run, recorder: Any, missing: list[int], done: int) -> list:
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
