"""The policies by which a dream is measured against the game: blind ones, and the driver before.

If the dream is much kinder to one of them than the game is, a search in it finds that out and
exploits it.
"""

from collections.abc import Mapping
from pathlib import Path

from WorldModels.assembly.evaluation.baselines import baseline_names
from WorldModels.assembly.evaluation.tasks import DRIVER, MOST_GAMES
from WorldModels.experiment.fields import plain
from WorldModels.experiment.files import hash_files
from WorldModels.experiment.run import Run


def yardsticks(run: Run) -> dict[str, Path | None]:
    """Policy -> the file of its parameters; None for the blind ones of --evaluate.baselines.

    The previous iteration's driver is one of them if it fits this iteration's V and M.

    Raises:
        ValueError: an unknown name, or the driver's file is damaged.
    """
    found: dict[str, Path | None] = dict.fromkeys(
        baseline_names(run.experiment.evaluate.baselines), None
    )
    before = _driver_before(run)
    return found | ({DRIVER: before} if before else {})


def _driver_before(run: Run) -> Path | None:
    from WorldModels.assembly.worlds import driver_before
    from WorldModels.control.controller import Controller

    if run.iteration == 0:
        return None
    try:
        file = driver_before(run)
    except FileNotFoundError:
        return None
    there, ours = Controller.load(file)[0], run.experiment
    sizes = there.features, there.latent_size, there.hidden_size
    wanted = ours.controller.features, ours.vision.latent_size, ours.memory.h_size
    return file if sizes == wanted else None


def files_of(run: Run) -> dict[str, Path]:
    """Policy -> the file of its parameters, of those that have one; see `yardsticks`."""
    return {name: file for name, file in yardsticks(run).items() if file}


def depends_on(run: Run) -> dict:
    """What every comparison of dream and game depends on, as JSON has it."""
    ours, policies = run.experiment, yardsticks(run)
    files = [run.need("memory.keras", "train_memory"), run.need("first_latents.npz", "encode")]
    before = policies.get(DRIVER)
    drivers = {DRIVER: hash_files([before])} if before else {}
    if before:
        files.append(run.need("vision.keras", "train_vision"))
    return {
        "memory": hash_files(files),
        "environment": plain(ours.env),
        "policies": list(policies),
        "games": min(MOST_GAMES, ours.evaluate.baseline_tracks),
        **drivers,
    }


def same(there: Mapping, here: Mapping) -> bool:
    """Whether both depend on the same; other games' settings, in older files, do not count."""
    environment = {name: there["environment"].get(name) for name in here["environment"]}
    return {**there, "environment": environment} == here
