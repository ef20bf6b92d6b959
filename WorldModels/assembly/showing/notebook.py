"""Which run a notebook shows: the one that the environment names, or a tiny one that is made where
there is nothing yet.

    from WorldModels.assembly.showing.notebook import opened, so_far
    run = opened()
    with so_far():
        show.figure(reconstruction_grid(frames, gather.rebuilt(run, frames)))

Pictures are put into the page by show.py; what can be touched there is in touch.py. Knows folders
and verbs, no picture.
"""

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from WorldModels.assembly.showing import run as gather
from WorldModels.experiment.command import one_line, parse
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.presets import launch_script
from WorldModels.experiment.run import Run
from WorldModels.experiment.stored import stored_experiment, typed

# Of a tour: more than smoke scale has, so that V sees a road, and little enough for a class to
# wait.
TOUR = (
    "--record.episodes",
    "16",
    "--record.max_frames",
    "120",
    "--vision.epochs",
    "7",
    "--memory.steps",
    "50",
)
MISTAKES = (OSError, ValueError, ImportError)


class Mistake(Exception):
    """What a user has to put right, as one line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"error: {self}"]


def opened(kind: str = "") -> Run:
    """The run that a notebook shows, opened to be read; it says which one, and how far it has come.

    It is the folder RESULTS of the environment. Where that is not set it is results/EXPERIMENT, or
    if there is none the one at smoke
    scale beside it, which is made where there is none either.

    Args:
        kind: of vision, where it is not the experiment's own; the folder is then
            results/EXPERIMENT-KIND.

    Raises:
        Mistake: RESULTS is no run, of another experiment than EXPERIMENT, or of another kind of
        vision; or a verb failed.
    """
    _begin()
    try:
        run = gather.opened(_folder(kind))
        _check(run, kind)
    except MISTAKES as error:
        raise Mistake(one_line(error)) from None
    print(said(run))
    return run


def tour() -> list[str]:
    """The flags with which a tour calls every verb: experiment, scale, TOUR, and last a folder:
    RESULTS, or results/EXPERIMENT-tour.

    Raises:
        Mistake: the folder has another run in it.
    """
    _begin()
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars are for terminals
    with _no_words():  # of TensorFlow, on what it was built for and which devices it looked for
        import keras

        keras.ops.zeros(1)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    name = experiment()
    folder = os.environ.get("RESULTS") or f"results/{name}-tour"
    flags = [name, "--scale", "smoke", *TOUR]
    try:
        if Path(folder, "config.json").exists() and typed(stored_experiment(folder)) != typed(
            parse("record", flags)
        ):
            raise ValueError(
                f"RESULTS: expected a new folder, or one of a tour, received {folder}, another run; name a new one."
            )
    except MISTAKES as error:
        raise Mistake(one_line(error)) from None
    return [*flags, "--results", folder]


def experiment() -> str:
    """The experiment's name: EXPERIMENT of the environment, or carracing.

    Raises:
        Mistake: there is none of this name.
    """
    name = os.environ.get("EXPERIMENT") or "carracing"
    if name not in GAMES:
        raise Mistake(f"EXPERIMENT: expected one of {', '.join(GAMES)}, received {name!r}.")
    return name


def said(run: Run) -> str:
    """One line on a run: its scale, and how far it has come; where something is missing, the
    command that makes it.
    """
    ours = run.experiment
    return f"{run.folder}: {ours.name} at {ours.scale} scale, iteration {run.iteration}. There: {gather.progress(run)}"


def other(run: Run, kind: str) -> Run:
    """A run of the same experiment with another kind of vision, opened to be read.

    Raises:
        FileNotFoundError: neither results/EXPERIMENT nor the one at smoke scale beside it is one.
    """
    name = run.experiment.name
    for folder in (f"results/{name}", f"results/{name}-smoke"):
        if (
            Path(folder, "config.json").exists()
            and (found := gather.opened(folder)).experiment.vision.kind == kind
        ):
            return found
    raise FileNotFoundError(
        f"results/{name} has no V of the kind {kind}; make one: {launch_script(name)}"
    )


@contextlib.contextmanager
def so_far() -> Iterator[None]:
    """Around what a half-finished run may lack: then one line says what is missing, and the
    notebook goes on.
    """
    try:
        yield
    except NameError as error:
        print(f"left out: it needs `{error.name}`, which was left out above.")
    except MISTAKES as error:
        print(f"left out: {one_line(error)}")
    except LookupError as error:
        print(
            f"left out: a file of the run is not as it should be ({type(error).__name__}: {error})."
        )


def _begin() -> None:
    """Go from notebooks/, where a notebook begins, to the folder above, where results/ lies; keep
    libraries from chatting.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if Path.cwd().name == "notebooks" and not Path("notebooks").exists():
        os.chdir("..")


@contextlib.contextmanager
def _no_words() -> Iterator[None]:
    """Nothing that is written to the process' standard error within is seen."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _folder(kind: str) -> str:
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
    """A run at smoke scale; of another kind of vision no more than V, on the episodes of the
    experiment's own where there are some.
    """
    print(f"{folder} is made, at smoke scale: this takes a minute or two, once ...", flush=True)
    flags, began = [name, "--scale", "smoke", "--results", folder], time.monotonic()
    if kind:
        flags += ["--vision.kind", kind]
        flags += (
            ["--reuse", f"results/{name}-smoke"]
            if Path(f"results/{name}-smoke/0/episodes").exists()
            else []
        )
    for verb in list(gather.MADE_BY)[:2] if kind else gather.MADE_BY:
        done = subprocess.run(
            [sys.executable, "-m", f"WorldModels.{verb}", *flags], capture_output=True, text=True
        )
        if done.returncode:
            raise ValueError(f"{verb}: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
    print(
        f"Made in {time.monotonic() - began:.0f} s. It is tiny: it shows how everything works, not how well."
    )


def _check(run: Run, kind: str) -> None:
    name, of, seen = os.environ.get("EXPERIMENT"), run.experiment.name, run.experiment.vision.kind
    if name and name != of:
        raise ValueError(f"EXPERIMENT: expected {of}, that of {run.folder}, received {name}.")
    if kind and seen != kind:
        raise ValueError(
            f"{run.folder}: expected a run whose V is of the kind {kind}, received {seen}; RESULTS names another."
        )
