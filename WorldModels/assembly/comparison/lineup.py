"""Who is compared: the contestant of each kind, and how long its driver is evolved."""

from WorldModels.assembly.comparison.contestants import Contestant
from WorldModels.assembly.comparison.kinds import Kind
from WorldModels.experiment.command import parse
from WorldModels.experiment.run import Run, without
from WorldModels.experiment.settings.experiment import Experiment

# Steps of the environment that each driver is evolved on, where neither --frames nor
# --controller.steps says how many.
FRAMES = {"smoke": 300, "laptop": 600_000, "paper": 100_000_000}


def contestant_of(run: Run, kind: Kind, frames: int) -> Contestant:
    """The contestant of a kind.

    It starts from what the run remembers, but for the noun that is compared, which starts from the
    kind's preset.

    Args:
        run: the run that it is compared in; flags typed for it hold for every kind.
        kind: see kinds.parsed.
        frames: steps of the real world to evolve its driver on; 0: as the settings say, where it is
            evolved in dreams alone.

    Raises:
        ValueError: the kind cannot give what the other settings ask for.
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

    They are --frames, or else --controller.steps where it is not the scale's own, or else FRAMES.

    Args:
        experiment: the run's.
        frames: what --frames says; 0: nothing.
        of_preset: --controller.steps of the scale.

    Returns:
        The steps; 0 where drivers are evolved in dreams alone.

    Raises:
        ValueError: --frames beside a driver that is evolved in dreams alone.
    """
    if experiment.controller.world == "dream":
        if frames:
            raise ValueError(
                f"--frames: expected none beside --controller.world dream, which sees no frames, "
                f"received {frames}; give --dream.generations."
            )
        return 0
    steps = experiment.controller.steps
    return frames or (steps if steps != of_preset else FRAMES[experiment.scale])
