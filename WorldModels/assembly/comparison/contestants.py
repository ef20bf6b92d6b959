"""A run of each kind, beside the run in which they are compared.

What the kinds share is taken from that run; the rest is made by the verbs' own functions in a
folder of the kind's own, so it resumes as they resume.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from WorldModels.assembly.comparison.kinds import NOUNS, Kind
from WorldModels.experiment.command import parse
from WorldModels.experiment.files import hash_files
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.run import Run, without
from WorldModels.experiment.settings.experiment import Experiment

# Steps of the environment that each driver is evolved on, where neither --frames nor
# --controller.steps says how many.
FRAMES = {"smoke": 300, "laptop": 600_000, "paper": 100_000_000}


@dataclass(frozen=True)
class Contestant:
    """A kind with a run of its own.

    Attributes:
        kind: which one.
        experiment: all its settings: the run's flags, and the kind's.
        flags: what one would type after a verb to do the same by hand.
    """

    kind: Kind
    experiment: Experiment
    flags: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder of its run."""
        return Path(self.experiment.results)

    @property
    def path(self) -> Path:
        """The folder of its only iteration."""
        return self.folder / "0"

    @contextlib.contextmanager
    def open(self, verb: str) -> Iterator[Run]:
        """Its run, as a verb opens it."""
        run = Run(self.experiment, verb, list(self.flags))
        try:
            yield run
        finally:
            run.close()


def contestant_of(run: Run, kind: Kind, frames: int) -> Contestant:
    """The contestant of a kind.

    Args:
        run: the run that it is compared in; flags typed for it hold for every kind.
        kind: see kinds.parsed.
        frames: steps of the real world to evolve its driver on; 0: as the settings say, where it is
            evolved in dreams alone.

    Raises:
        ValueError: the kind cannot give what the other settings ask for.
    """
    flags = run.flags
    for name in ("--results", "--reuse", "--iteration"):
        flags = without(flags, name)
    folder = run.folder.with_name(run.folder.name + kind.suffix)
    flags = [*flags, *kind.flags]
    flags += ["--results", str(folder), "--reuse", str(run.folder), "--iteration", "0"]
    if frames:
        flags += ["--controller.generations", "0", "--controller.steps", str(frames)]
    return Contestant(kind, parse("compare", flags), tuple(flags))


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


def make(contestant: Contestant, noun: str, verbs: Mapping[str, Callable[[Run], None]]) -> None:
    """Have a contestant's V, series, M and driver; whatever exists, or the run has, is kept.

    Args:
        contestant: whose.
        noun: a key of NOUNS.
        verbs: stage -> the verb that makes it, in order.

    Raises:
        ValueError: as the verbs do, or what the contestants share cannot be taken from the run.
        FileNotFoundError: as the verbs do.
        ImportError: as the verbs do.
    """
    with contestant.open("compare") as run:
        for stage in NOUNS[noun].takes:
            _take(run, stage)
    for stage, verb in verbs.items():
        if stage not in NOUNS[noun].takes:
            with contestant.open(verb.__name__) as run:
                verb(run)


def inputs_of(run: Run, stage: str) -> dict[str, str]:
    """The hashes of what a stage that can be taken was made from, as its verb notes them."""
    from WorldModels.episodes.episode import list_episodes

    if stage == "series":
        return {"vision": hash_files([run.path / "vision.keras"])}
    return {"series": hash_files(list_episodes(run.path / "series"))} if stage == "memory" else {}


def _take(run: Run, stage: str) -> None:
    """Take a stage's output as the run made it.

    Raises:
        ValueError: it cannot be taken: kinds that saw other frames cannot be compared.
    """
    if not run.stage(stage, inputs_of(run, stage)).complete:
        raise ValueError(
            f"{stage}: expected the same as in {run.experiment.reuse}, received something else or "
            f"nothing in {run.folder}; give the flags that the run was made with, or remove "
            f"{run.folder}."
        )


def tested(contestant: Contestant, tracks: int) -> list[float]:
    """Returns of a contestant's driver on test tracks, under the rule in force.

    The tracks played no part in training. Each is driven once, and its result kept.

    Args:
        contestant: with a driver.
        tracks: how many.
    """
    from WorldModels.assembly.evaluation.examination import examine
    from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
    from WorldModels.assembly.worlds import controller_file

    with contestant.open("compare") as run:
        env, file = run.experiment.env, controller_file(run)
        files = [file, run.path / "vision.keras", run.path / "memory.keras"]
        folder = run.path / "compare" / f"driver-{hash_files(files)[:12]}"  # one for each driver
        wanted = [("tracks", DRIVER, number) for number in range(tracks)]
        how = {"workers": run.experiment.workers, "say": run.say, "label": run.verb}
        rows = examine(Examiner(run.path, env, {DRIVER: file}), wanted, folder, **how)
    column = f"return{game_of(env.id).rules[env.rule]}"
    return [float(rows[key][column]) for key in wanted]
