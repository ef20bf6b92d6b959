"""A run's folder: where things lie, who may write, what each stage was made with, and every random
draw.

    results/carracing/            a run
      config.json  log.txt
      0/                          an iteration: episodes/ vision.keras series/ memory.keras
      controller/ evaluation.json ...
      0/stages/<stage>.json       settings, budgets and inputs that the stage's output was made with

Knows nothing of environments and networks.
"""

import fcntl
import os
import platform
import shlex
import time
import zlib
from importlib import metadata
from pathlib import Path

import numpy as np

from WorldModels.experiment.fields import plain
from WorldModels.experiment.files import TEMPORARY, read_json, remove, write_json
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import Stage

VERSIONS = (
    "tensorflow",
    "keras",
    "jax",
    "numpy",
    "gymnasium",
    "box2d",
    "pygame-ce",
    "cma",
    "onnxruntime",
)


def rng(seed: int, stage: str, purpose: str, *indices: int) -> np.random.Generator:
    """The random generator of one purpose: equal arguments, equal draws, whatever was drawn before
    or elsewhere.
    """
    return np.random.default_rng(
        np.random.SeedSequence(
            [seed, zlib.crc32(stage.encode()), zlib.crc32(purpose.encode()), *indices]
        )
    )


class Run:
    """A results folder, opened by one verb at a time, and by any number that only read.

    Args:
        experiment: all settings.
        verb: name of the verb that opens it.
        flags: what was typed after the verb; commands that remedy something repeat it.
        reads_only: nothing is made, locked or swept; the folder need not be there.

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
    ):
        self.experiment, self.verb = experiment, verb
        self.flags = (
            [flag for flag in flags if flag != "--force"]
            if flags
            else [experiment.name, "--scale", experiment.scale]
        )
        self.folder = run_folder(experiment)
        self._lock = None
        if not reads_only:
            self._take()
            self._sweep()
        self.iteration = _iteration(self.folder, experiment.iteration)
        self.path = self.folder / str(self.iteration)

    def _take(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.folder / ".lock", "a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise ValueError(
                f"{self.folder} is in use by {holder}: expected a folder of our own; wait for it, or give --results FOLDER."
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{self.verb} (process {os.getpid()})")
        self._lock.flush()

    def _sweep(self) -> None:
        """Remove what a killed process, or a worker of ours that was stopped, had not finished
        writing.
        """
        for left_over in self.folder.rglob(f"{TEMPORARY}*"):
            remove(left_over)

    def close(self) -> None:
        """Let the next verb in."""
        if self._lock:
            self._sweep()
            self._lock.close()

    def say(self, text: str) -> None:
        """Print a line, and append it to log.txt with the time."""
        print(text, flush=True)
        self.note(text)

    def note(self, text: str) -> None:
        """Append a line to log.txt alone."""
        with open(self.folder / "log.txt", "a") as log:
            for line in text.splitlines():
                log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.verb}: {line}\n")

    def write_config(self) -> None:
        """Write config.json: the present settings, the versions of packages, the machine."""
        settings = {
            **plain(self.experiment),
            "controller": _finite(plain(self.experiment.controller)),
        }
        write_json(
            self.folder / "config.json", {**settings, "versions": versions(), "machine": machine()}
        )

    def command(self, verb: str, iteration: int | None = None) -> str:
        """What to type to run a verb on this run, with the flags that were typed for this one."""
        flags = (
            self.flags
            if iteration is None
            else [*without(self.flags, "--iteration"), "--iteration", str(iteration)]
        )
        return f"python -m WorldModels.{verb} {shlex.join(flags)}"

    def need(self, name: str, made_by: str) -> Path:
        """Path of an input in the iteration's folder.

        Raises:
            FileNotFoundError: it is not there (or is an empty folder); the message has the command
            that makes it.
        """
        path = self.path / name
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            raise FileNotFoundError(f"{path} is missing; make it first: {self.command(made_by)}")
        return path

    def before(self, name: str, made_by: str) -> Path:
        """Path of what the iteration before has left.

        Raises:
            FileNotFoundError: it is not there; the message has the command that makes it.
        """
        path = self.folder / str(self.iteration - 1) / name
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is missing; make it first: {self.command(made_by, self.iteration - 1)}"
            )
        return path

    def need_episodes(self) -> list[Path]:
        """The folders of the episodes that V and M train on: of all iterations up to this one, or
        of this one alone, which is the last.

        Raises:
            FileNotFoundError: one is not there or is empty; the message has the command that
            records.
        """
        earlier = range(self.iteration) if self.experiment.iterate.episodes == "all" else ()
        for iteration in earlier:
            folder = self.folder / str(iteration) / "episodes"
            if not folder.exists() or not any(folder.iterdir()):
                remedy = f"{self.command('record', iteration)}, or give --iterate.episodes own"
                raise FileNotFoundError(f"{folder} is missing; record it first: {remedy}")
        return [
            *(self.folder / str(iteration) / "episodes" for iteration in earlier),
            self.need("episodes", "record"),
        ]

    def stage(self, name: str, inputs: dict[str, str] | None = None) -> Stage:
        """The state of a stage in this iteration, checked against the present settings; see
        `Stage`.
        """
        return Stage(self, name, inputs or {})

    def rng(self, purpose: str, *indices: int) -> np.random.Generator:
        """`rng` for this run's seed, verb and iteration."""
        return rng(self.experiment.seed, self.verb, purpose, self.iteration, *indices)


def run_folder(experiment: Experiment) -> Path:
    """The folder of a run: --results, or results/NAME for laptop scale, results/NAME-SCALE for the
    others.
    """
    suffix = "" if experiment.scale == "laptop" else f"-{experiment.scale}"
    return Path(experiment.results or f"results/{experiment.name}{suffix}")


def _iteration(folder: Path, wanted: int) -> int:
    there = [int(path.name) for path in folder.glob("*") if path.is_dir() and path.name.isdigit()]
    return wanted if wanted >= 0 else max(there, default=0)


def without(flags: list[str], name: str) -> list[str]:
    """The flags without one of them and its value."""
    return [
        flag
        for i, flag in enumerate(flags)
        if flag != name and flags[i - 1 : i] != [name] and not flag.startswith(f"{name}=")
    ]


def _finite(settings: dict) -> dict:
    return {
        name: str(value) if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in settings.items()
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in VERSIONS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict:
    return {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}


def stage_facts(run_path: Path, name: str) -> dict | None:
    """What stages/NAME.json of an iteration's folder holds; None where the stage has not begun."""
    return read_json(run_path / "stages" / f"{name}.json")
