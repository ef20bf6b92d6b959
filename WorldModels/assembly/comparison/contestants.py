"""A run for each kind, beside the run in which the kinds are compared.

What the kinds share is taken from that run. The verbs make the rest in a folder for each kind,
which can be resumed like any run.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from WorldModels.assembly.comparison.kinds import NOUNS, Kind
from WorldModels.experiment.memo import typed_names
from WorldModels.experiment.reuse import inputs_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment


@dataclass(frozen=True)
class Contestant:
    """A kind with a run of its own.

    Attributes:
        kind: see kinds.parsed.
        experiment: all its settings, from the run's flags and the kind's.
        flags: what you would type after a verb to do the same by hand.
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
        """Open its run the way a verb does."""
        flags = list(self.flags)
        run = Run(self.experiment, verb, flags, typed=typed_names(flags))
        try:
            yield run
        finally:
            run.close()


def make(contestant: Contestant, noun: str, verbs: Mapping[str, Callable[[Run], None]]) -> None:
    """Make a contestant's V, series, M and driver, except what exists or the kinds share.

    Args:
        contestant: the one to make.
        noun: a key of NOUNS.
        verbs: stage -> the verb that makes it, in order.

    Raises:
        ValueError: as in the verbs, or what the contestants share cannot be taken from the run.
        FileNotFoundError: as in the verbs.
        ImportError: as in the verbs.
    """
    with contestant.open("compare") as run:
        for stage in NOUNS[noun].takes:
            _take(run, stage)
    for stage, verb in verbs.items():
        if stage not in NOUNS[noun].takes:
            with contestant.open(verb.__name__) as run:
                verb(run)


def _take(run: Run, stage: str) -> None:
    """Take a stage's output from the run.

    Raises:
        ValueError: it cannot be taken; kinds that saw different frames cannot be compared.
    """
    if not run.stage(stage, inputs_of(run, stage)).complete:
        raise ValueError(
            f"{stage}: expected the same as in {run.experiment.reuse}, received something else or "
            f"nothing in {run.folder}; give the flags that the run was made with, or remove "
            f"{run.folder}."
        )
