"""Sets up the contestant of each kind, and decides for how long its driver is evolved."""

from typing import Any

from WorldModels.assembly.comparison.contestants import Contestant
from WorldModels.assembly.comparison.kinds import Kind
from WorldModels.experiment.command import parse
from WorldModels.experiment.fields import flag_of
from WorldModels.experiment.flags import without
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

# Steps of the environment for each driver's evolution, by scale, unless --frames or
# --controller.steps is given.
FRAMES = {"smoke": 300, "laptop": 600_000, "night": 2_400_000, "paper": 100_000_000}


def contestant_of(run: Run, kind: Kind, frames: int) -> Contestant:
    """The contestant of a kind.

    Its settings are those that the run remembers, except for the compared noun's, which start from
    the kind's preset.

    Args:
        run: the run in which the kinds are compared; its flags apply to every kind.
        kind: see kinds.parsed.
        frames: steps of the real world for its driver's evolution; 0: as the settings say, for a
            driver evolved only in dreams.

    Raises:
        ValueError: the kind does not support what the other settings ask for.
    """
    flags = run.flags
    for name in ("--results", "--reuse", "--iteration", "--scale"):
        flags = without(flags, name)
    folder = run.folder.with_name(run.folder.name + kind.suffix)
    flags = [*flags, *kind.flags, "--scale", run.experiment.scale]
    flags += ["--results", str(folder), "--reuse", str(run.folder), "--iteration", "0"]
    if frames:
        flags += ["--controller.generations", "0", "--controller.steps", str(frames)]
    experiment = parse("compare", flags, forget=run.experiment.compared_noun)
    return Contestant(kind, experiment, tuple(flags))


def frames_of(experiment: Experiment, frames: int, of_preset: int) -> int:
    """Steps of the environment for each driver.

    These are --frames if given, else --controller.steps if it differs from the scale's, else
    FRAMES.

    Args:
        experiment: the run's.
        frames: the value of --frames; 0: not given.
        of_preset: the scale's --controller.steps.

    Returns:
        The steps; 0 where drivers are evolved only in dreams.

    Raises:
        ValueError: --frames was given for drivers that are evolved only in dreams.
    """
    if experiment.controller.world == "dream":
        if frames:
            raise ValueError(
                f"--frames: expected none with --controller.world dream, which takes no steps of "
                f"the environment, received {frames}; give --dream.generations instead."
            )
        return 0
    steps = experiment.controller.steps
    return frames or (steps if steps != of_preset else FRAMES[experiment.scale])


def refuse_replaced(experiment: Any, typed: frozenset[str]) -> None:
    """Refuse a flag that every contestant gets another value for.

    Args:
        experiment: a compare.CompareSettings.
        typed: dotted names of the flags typed.

    Raises:
        ValueError: there is one.
    """
    driven = experiment.controller.world != "dream"
    replaced = {
        "evaluate.tracks": (experiment.tracks, f"--tracks {experiment.tracks}"),
        "controller.steps": (experiment.frames, f"--frames {experiment.frames}"),
        "controller.generations": (driven, "--frames, which bounds every driver's evolution"),
    }
    for name, (by, instead) in replaced.items():
        if by and name in typed:
            noun, _, field = name.partition(".")
            raise ValueError(
                f"{flag_of(name)}: expected none beside {instead}, received "
                f"{getattr(getattr(experiment, noun), field)}; drop it."
            )
