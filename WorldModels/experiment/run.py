"""A run's folder: where things are, who may write, and its random draws.

results/carracing/            a run
  config.json  log.txt
  0/                          an iteration: episodes/ vision.keras series/ memory.keras ...
  0/stages/<stage>.json       the settings, budgets and inputs of a stage
"""

import time
from pathlib import Path

import numpy as np

from WorldModels.experiment.damage import check_own, check_series, own_stage
from WorldModels.experiment.draws import rng
from WorldModels.experiment.files import hash_files, not_a_link, write_json
from WorldModels.experiment.flags import that_act, without
from WorldModels.experiment.lock import Lock
from WorldModels.experiment.machine import machine, versions
from WorldModels.experiment.memo import to_remember
from WorldModels.experiment.remedies import command
from WorldModels.experiment.reuse import inputs_of, is_given
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stage import Stage
from WorldModels.experiment.stages import (
    STAGE_OF,
    STAGES,
    present_iteration,
    seed_of,
    stage_facts,
)
from WorldModels.experiment.sums import WeightsSum
from WorldModels.experiment.sweep import sweep


class Run:
    """A results folder, opened by one verb at a time, and by any number of verbs that only read.

    Args:
        experiment: all settings.
        verb: name of the verb that opens the folder.
        flags: what was typed after the verb; suggested commands repeat it.
        reads_only: nothing is made, locked or swept; the folder need not exist.
        typed: dotted names of the settings that were typed; None: unknown.

    Raises:
        ValueError: another process has it open.
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        experiment: Experiment,
        verb: str,
        flags: list[str] | None = None,
        reads_only: bool = False,
        typed: frozenset[str] | None = None,
    ):
        self.experiment, self.verb, self.typed = experiment, verb, typed
        self.reads_only = reads_only
        named = [experiment.name, "--scale", experiment.scale]
        named += ["--results", experiment.results] if experiment.results else []
        self.flags = [flag for flag in flags if flag != "--force"] if flags else named
        self.folder = run_folder(experiment.name, experiment.scale, experiment.results)
        self._lock = None
        if not reads_only:
            self._take()
            sweep(self.folder)
        self.iteration = present_iteration(self.folder, experiment.iteration)
        self.path = self.folder / str(self.iteration)

    def _take(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.folder, self.verb)
        if self._lock.warning:
            self.say(f"{self.verb}: {self._lock.warning}")

    def close(self) -> None:
        """Release the folder for the next verb."""
        if self._lock:
            sweep(self.folder)
            self._lock.release()

    def say(self, text: str) -> None:
        """Print a line, and append it to log.txt with the time."""
        print(text, flush=True)
        self.note(text)

    def note(self, text: str) -> None:
        """Append a line to log.txt only."""
        with open(self.folder / "log.txt", "a", opener=not_a_link) as log:
            for line in text.splitlines():
                log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.verb}: {line}\n")

    def remember(self) -> None:
        """Write config.json: the flags as typed, the versions of packages, the machine."""
        ours = self.experiment
        typed = to_remember(self.folder, ours, self.typed or frozenset())
        run = {"name": ours.name, "scale": ours.scale, "typed": typed}
        write_json(
            self.folder / "config.json", {**run, "versions": versions(), "machine": machine()}
        )

    def command(self, verb: str, iteration: int | None = None) -> str:
        """The command that runs a verb on this run, with the flags that were typed for this one."""
        flags = that_act(self.flags, self.experiment)
        if iteration is not None:
            flags = [*without(flags, "--iteration"), "--iteration", str(iteration)]
        return command(verb, flags)

    def need(self, name: str, made_by: str) -> Path:
        """Path of an input in the iteration's folder; a missing one is taken from --reuse.

        Raises:
            FileNotFoundError: it is missing, or an empty folder; the message has the command that
                makes it.
            ValueError: it differs from its own stage's sum, or one of the series does. Episodes,
                which take much longer to read, are checked where they are opened.
        """
        path = self.path / name
        if self.experiment.reuse and not _there(path):
            own = own_stage(path)
            self._reuse(own[1] if own else STAGE_OF[made_by])
        if not _there(path):
            raise FileNotFoundError(f"{path} is missing; make it first: {self.command(made_by)}")
        if name == "series":
            check_series(self.path)
        else:
            check_own(path)
        return path

    def _reuse(self, stage: str) -> None:
        """Take a stage, and what it was made from, from the run that --reuse names."""
        if not STAGES[stage].reusable:
            return
        reads = STAGES[stage].reads
        if is_given(self, stage):
            reads = tuple({"vision"} - {stage})
        for read in reads:
            if not stage_facts(self.path, read):
                self._reuse(read)
        missing = [read for read in reads if not stage_facts(self.path, read)]
        if not missing and not stage_facts(self.path, stage):
            self.stage(stage, inputs_of(self, stage))

    def before(self, name: str, made_by: str) -> Path:
        """Path of an output of the previous iteration.

        Raises:
            FileNotFoundError: it is missing; the message has the command that makes it.
            ValueError: it differs from its own stage's sum.
        """
        path = self.folder / str(self.iteration - 1) / name
        if not path.exists():
            command = self.command(made_by, self.iteration - 1)
            raise FileNotFoundError(f"{path} is missing; make it first: {command}")
        check_own(path)
        return path

    def need_episodes(self) -> list[Path]:
        """The folders of the episodes that V and M train on.

        Those of all iterations up to this one, or only this one's; this one's comes last.

        Raises:
            FileNotFoundError: one is missing or empty; the message has the command that records.
        """
        earlier = range(self.iteration) if self.experiment.iterate.episodes == "all" else ()
        for iteration in earlier:
            folder = self.folder / str(iteration) / "episodes"
            if not _there(folder):
                remedy = f"{self.command('record', iteration)}, or give --iterate.episodes own"
                raise FileNotFoundError(f"{folder} is missing; record it first: {remedy}")
        folders = [self.folder / str(iteration) / "episodes" for iteration in earlier]
        return [*folders, self.need("episodes", "record")]

    def stage(self, name: str, inputs: dict[str, str] | None = None, part: str = "") -> Stage:
        """A stage of this iteration, or a part of one, checked against the present settings."""
        return Stage(self, name, inputs or {}, part)

    def hashes_of(self, *files: Path) -> dict[str, str]:
        """Path in the run -> hash, for a stage's inputs in other iterations."""
        return {
            str(file.relative_to(self.folder)): WeightsSum(file)
            if file.suffix == ".keras"
            else hash_files([file])
            for file in files
        }

    def seed_of(self, stage: str) -> int:
        """The seed that a stage was made with; this verb's if it is not made yet."""
        return seed_of(self.path, stage, self.experiment.seed)

    def rng(self, purpose: str, *indices: int) -> np.random.Generator:
        """`rng` for this run's seed, verb and iteration."""
        return rng(self.experiment.seed, self.verb, purpose, self.iteration, *indices)


def _there(path: Path) -> bool:
    """Whether a file exists, or a folder that is not empty."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def run_folder(name: str, scale: str, results: str = "") -> Path:
    """The folder of a run: --results, or results/NAME for laptop scale, else results/NAME-SCALE."""
    suffix = "" if scale == "laptop" else f"-{scale}"
    return Path(results or f"results/{name}{suffix}")
