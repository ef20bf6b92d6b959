"""A run of each kind, beside the run in which they are compared.

What the kinds share is taken from that run; the rest is made by the verbs' own functions in a
folder of the kind's own, so it resumes as they resume.
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
        flags = list(self.flags)
        run = Run(self.experiment, verb, flags, typed=typed_names(flags))
        try:
            yield run
        finally:
            run.close()


def make(contestant: Contestant, noun: str, verbs: Mapping[str, Callable[[Run], None]]) -> None:
    """Make a contestant's V, series, M and driver, unless they exist or the run has them.

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
