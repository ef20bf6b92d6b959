"""Chooses the run that a notebook shows, or makes a tiny one if there is none yet.

    run = chosen_run()
    with so_far():
        page.figure(reconstruction_grid(frames, vision.rebuilt(run, frames)))

If a half-finished run lacks something, the notebook prints a line and continues.
"""

import contextlib
import itertools
import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from WorldModels.assembly.showing.facts import MADE_BY, progress
from WorldModels.assembly.showing.report.provenance import beside_published
from WorldModels.assembly.showing.run import opened
from WorldModels.experiment.command import parse
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.machine import limit_threads
from WorldModels.experiment.presets import launch_script
from WorldModels.experiment.quiet import quiet_tensorflow
from WorldModels.experiment.run import Run
from WorldModels.experiment.stored import stored_experiment, typed

# More than smoke scale, so that V sees a road; little enough that a class can wait for it.
TOUR = (
    "--record.episodes 16 --record.max_frames 120 --vision.epochs 7 --memory.steps 50 "
    "--vision.encoder-filters 32 64 128 256 --vision.decoder-filters 128 64 32"
).split()
MISTAKES = (OSError, ValueError, ImportError)


class NotebookError(Exception):
    """A mistake that the user can fix, shown as one line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"error: {self}"]


def chosen_run(kind: str = "") -> Run:
    """Open the run that a notebook shows, read-only; print its name and how far it has come.

    Its folder is the environment variable RESULTS, or else results/EXPERIMENT, or else
    results/EXPERIMENT-smoke, a run at smoke scale, which is made if it is missing.

    Args:
        kind: the kind of vision, if it is not the experiment's own; the folder is then
            results/EXPERIMENT-KIND.

    Raises:
        NotebookError: RESULTS is not a run, its experiment is not EXPERIMENT, its kind of vision is
            not `kind`, or a verb failed.
    """
    _begin()
    try:
        run = opened(_folder(kind))
        _check(run, kind)
    except MISTAKES as error:
        raise NotebookError(one_line(error)) from None
    print(described(run))
    return run


def tour() -> list[str]:
    """The flags that a tour gives every verb: experiment, scale, TOUR, and finally the folder.

    The folder is the environment variable RESULTS, or else results/EXPERIMENT-tour.

    Raises:
        NotebookError: the folder holds another run.
    """
    _begin()
    os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars are for terminals
    _start_keras_quietly()
    name = experiment()
    folder = os.environ.get("RESULTS") or f"results/{name}-tour"
    flags = [name, "--scale", "smoke", *TOUR]
    try:
        _check_tour(folder, flags)
    except MISTAKES as error:
        raise NotebookError(one_line(error)) from None
    return [*flags, "--results", folder]


def _check_tour(folder: str, flags: list[str]) -> None:
    """Reject the folder of another run."""
    if not Path(folder, "config.json").exists():
        return
    if typed(stored_experiment(folder)) != typed(parse("record", flags)):
        raise ValueError(
            f"RESULTS: expected a new folder or that of a tour, received {folder}, which holds "
            "another run; name a new folder."
        )


def experiment() -> str:
    """The experiment's name: the environment variable EXPERIMENT, or carracing.

    Raises:
        NotebookError: there is no experiment of that name.
    """
    name = os.environ.get("EXPERIMENT") or "carracing"
    if name not in GAMES:
        raise NotebookError(f"EXPERIMENT: expected one of {', '.join(GAMES)}, received {name!r}.")
    return name


def described(run: Run) -> str:
    """One line on a run: its scale, what it has, and the command that makes what is missing."""
    ours = run.experiment
    return (
        f"{run.folder}: {ours.name} at {ours.scale} scale, iteration {run.iteration}. "
        f"Made so far: {progress(run)}"
    )


def settings(run: Run) -> None:
    """Print the settings of a run that differ from the published experiment, noun by noun."""
    ours = run.experiment
    print(
        f"{ours.name} at {ours.scale} scale, seed {ours.seed}. "
        "Settings that differ from the published ones (in brackets):"
    )
    for noun, rows in itertools.groupby(beside_published(run), key=lambda row: row[0]):
        changed = [f"{name} {mine} ({theirs})" for _, name, mine, theirs in rows if mine != theirs]
        start, text = f"{noun:11} ", ", ".join(changed)
        if changed:
            print(textwrap.fill(text, 110, initial_indent=start, subsequent_indent=" " * 12))


def other(run: Run, kind: str) -> Run:
    """Open a run of the same experiment with another kind of vision, read-only.

    Raises:
        FileNotFoundError: neither results/EXPERIMENT nor results/EXPERIMENT-smoke is such a run.
    """
    name = run.experiment.name
    for folder in (f"results/{name}", f"results/{name}-smoke"):
        found = opened(folder) if Path(folder, "config.json").exists() else None
        if found and found.experiment.vision.kind == kind:
            return found
    raise FileNotFoundError(
        f"results/{name} has no V of kind {kind}; make one: {launch_script(name)}"
    )


@contextlib.contextmanager
def so_far() -> Iterator[None]:
    """Print one line instead of an error if a half-finished run lacks what the cell shows."""
    try:
        yield
    except NameError as error:
        print(f"left out: it needs `{error.name}`, which was left out above.")
    except MISTAKES as error:
        print(f"left out: {one_line(error)}")
    except LookupError as error:
        print(f"left out: a file of the run is damaged ({type(error).__name__}: {error}).")


def _begin() -> None:
    """Change from notebooks/, where a notebook starts, to the folder above; silence libraries."""
    quiet_tensorflow()
    limit_threads()
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if Path.cwd().name == "notebooks" and not Path("notebooks").exists():
        os.chdir("..")


def _start_keras_quietly() -> None:
    """Start TensorFlow without its messages about its build and the devices it looked for."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        import keras

        keras.ops.zeros(1)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _folder(kind: str) -> str:
    """The folder of the run to show, which is made at smoke scale if there is none."""
    name, folder = experiment(), os.environ.get("RESULTS", "")
    if folder and not Path(folder, "config.json").exists():
        flags = [*(["--vision.kind", kind] if kind else []), "--results", folder]
        raise FileNotFoundError(
            f"{folder} has no results yet; make them first: {launch_script(name, *flags)}"
        )
    usual = f"results/{name}-{kind}" if kind else f"results/{name}"
    if folder or Path(usual, "config.json").exists():
        return folder or usual
    if not Path(f"{usual}-smoke", "config.json").exists():
        _make(name, f"{usual}-smoke", kind)
    return f"{usual}-smoke"


def _make(name: str, folder: str, kind: str) -> None:
    """Make a run at smoke scale; for another kind of vision, only its V.

    That V trains on the episodes of the experiment's own smoke run, if there is one.
    """
    print(f"Making {folder} at smoke scale: this takes a minute or two, only once ...", flush=True)
    flags, began = [name, "--scale", "smoke", "--results", folder], time.monotonic()
    flags += ["--vision.kind", kind] if kind else []
    if kind and Path(f"results/{name}-smoke/0/episodes").exists():
        flags += ["--reuse", f"results/{name}-smoke"]
    for verb in list(MADE_BY)[:2] if kind else MADE_BY:
        command = [sys.executable, "-m", f"WorldModels.{verb}", *flags]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{verb}: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
    seconds = time.monotonic() - began
    print(f"Made in {seconds:.0f} s. It is tiny: it shows how everything works, not how well.")


def _check(run: Run, kind: str) -> None:
    name, of, seen = os.environ.get("EXPERIMENT"), run.experiment.name, run.experiment.vision.kind
    if name and name != of:
        raise ValueError(f"EXPERIMENT: expected {of}, as in {run.folder}, received {name}.")
    if kind and seen != kind:
        raise ValueError(
            f"{run.folder}: expected a run whose V is of kind {kind}, received {seen}; "
            "name another run with RESULTS."
        )
