"""A run of each kind, beside the run that they are compared in: what they share is taken from it,
the rest is made here.

Everything is made by the verbs' own functions, in a folder of the kind's own, so it is resumed as
they resume. Knows which verb
makes what, and no network.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from WorldModels.assembly.comparison.contestants import NOUNS, Kind
from WorldModels.experiment.command import parse
from WorldModels.experiment.files import hash_files
from WorldModels.experiment.run import Run, without
from WorldModels.experiment.settings.experiment import Experiment

# Steps of the environment that each driver is evolved on, where neither --frames nor
# --controller.steps says how many.
FRAMES = {"smoke": 300, "laptop": 600_000, "paper": 100_000_000}


@dataclass(frozen=True)
class Row:
    """A kind in its folder.

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
        """Of the row's run."""
        return Path(self.experiment.results)

    @property
    def path(self) -> Path:
        """Of its first iteration, which is all there is."""
        return self.folder / "0"

    @contextlib.contextmanager
    def open(self, verb: str) -> Iterator[Run]:
        """The row's run, as a verb opens it."""
        run = Run(self.experiment, verb, list(self.flags))
        try:
            yield run
        finally:
            run.close()


def row_of(run: Run, kind: Kind, frames: int) -> Row:
    """The row of a kind.

    Args:
        run: the run that it stands beside; the flags that were typed for it hold for every kind.
        kind: see kinds.parsed.
        frames: budget of its driver in the real world; 0: what the settings say, where it is
            evolved in dreams alone.

    Raises:
        ValueError: the kind cannot give what the other settings ask for.
    """
    flags = run.flags
    for name in ("--results", "--reuse", "--iteration"):
        flags = without(flags, name)
    folder = run.folder.with_name(run.folder.name + kind.suffix)
    flags = [
        *flags,
        *kind.flags,
        "--results",
        str(folder),
        "--reuse",
        str(run.folder),
        "--iteration",
        "0",
    ]
    if frames:
        flags += ["--controller.generations", "0", "--controller.steps", str(frames)]
    return Row(kind, parse("compare", flags), tuple(flags))


def frames_of(experiment: Experiment, frames: int, of_preset: int) -> int:
    """Steps of the environment for each driver: --frames, else --controller.steps where it is not
    the scale's own, else FRAMES.

    Args:
        experiment: the run's.
        frames: what --frames says; 0: nothing.
        of_preset: --controller.steps of the scale.

    Raises:
        ValueError: --frames beside a driver that is evolved in dreams alone.
    """
    if experiment.controller.world == "dream":
        if frames:
            raise ValueError(
                f"--frames: expected none beside --controller.world dream, which sees no frames, received {frames}; "
                "give --dream.generations."
            )
        return 0
    steps = experiment.controller.steps
    return frames or (steps if steps != of_preset else FRAMES[experiment.scale])


def make(row: Row, noun: str) -> None:
    """Have the row's V, series, M and driver; what is there already, or in the run, is not made
    again.

    Raises:
        ValueError, FileNotFoundError, ImportError: as the verbs do, or what the rows share cannot
        be taken from the run.
    """
    from WorldModels.encode import encode
    from WorldModels.train_controller import train_controller
    from WorldModels.train_memory import train_memory
    from WorldModels.train_vision import train_vision

    verbs = {
        "vision": train_vision,
        "series": encode,
        "memory": train_memory,
        "controller": train_controller,
    }
    with row.open("compare") as run:
        for stage in NOUNS[noun].takes:
            _take(run, stage)
    for stage, verb in verbs.items():
        if stage not in NOUNS[noun].takes:
            with row.open(verb.__name__) as run:
                verb(run)


def inputs_of(run: Run, stage: str) -> dict[str, str]:
    """The hashes of what a stage that can be taken is made from, as its verb notes them."""
    from WorldModels.episodes.episode import list_episodes

    if stage == "series":
        return {"vision": hash_files([run.path / "vision.keras"])}
    return {"series": hash_files(list_episodes(run.path / "series"))} if stage == "memory" else {}


def _take(run: Run, stage: str) -> None:
    """Have a stage's output as the run made it, or refuse: kinds that saw other frames cannot be
    compared.
    """
    if not run.stage(stage, inputs_of(run, stage)).complete:
        raise ValueError(
            f"{stage}: expected what {run.experiment.reuse} has, received another in {run.folder}, or none; give the flags "
            f"that the run was made with, or remove {run.folder}."
        )


def tested(row: Row, tracks: int) -> list[float]:
    """Returns of the row's driver on test tracks that chose nothing, under the environment's own
    rule; each is driven once and kept.

    Args:
        row: with a driver.
        tracks: how many.
    """
    from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner, examined, has_laps
    from WorldModels.assembly.worlds import controller_file

    with row.open("compare") as run:
        env, file = run.experiment.env, controller_file(run)
        files = [file, run.path / "vision.keras", run.path / "memory.keras"]
        wanted = [("tracks", DRIVER, number) for number in range(tracks)]
        folder = (
            run.path / "compare" / f"driver-{hash_files(files)[:12]}"
        )  # another driver's tracks lie elsewhere
        rows = examined(run, Examiner(run.path, env, {DRIVER: file}), wanted, folder)
    rule = (
        {"0.95": "return_095", "1.0": "return_100"}[env.lap_complete] if has_laps(env) else "return"
    )
    return [float(rows[key][rule]) for key in wanted]
