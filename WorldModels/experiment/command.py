"""The command line of every verb.

Name and scale choose a preset; every other flag changes one setting, and the run remembers it.
"""

import argparse
import dataclasses
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import tyro

from WorldModels.experiment.errors import ForeignError, one_line
from WorldModels.experiment.flags import without_fields
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.idle import lapsed, refuse_idle
from WorldModels.experiment.located import located
from WorldModels.experiment.machine import limit_threads, one_dnn, require_unix
from WorldModels.experiment.main_guard import leave_if_worker
from WorldModels.experiment.memo import KINDS, memo_of, to_remember, typed_names
from WorldModels.experiment.older import refuse_gone
from WorldModels.experiment.quiet import quiet_tensorflow
from WorldModels.experiment.run import Run, run_folder
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import STAGE_OF
from WorldModels.experiment.stored import Start, resolved

STOPPED = "\nstopped; the same command continues. What is done so far is in {}."
# Settings that choose the defaults of others; FIRST adds those that locate the run.
CHOOSING = (*KINDS, "env.id", "env.observation", "controller.features")
FIRST = ("results", "reuse", "iteration", *CHOOSING)
OF_MAKERS = ("force", "workers", "iterations")  # mean nothing to a verb that only reads a run


def parse(
    verb: str,
    argv: list[str],
    description: str = "",
    settings: type[Experiment] = Experiment,
    forget: str = "",
) -> Experiment:
    """Settings from a command line.

    Parses twice: first for what chooses the defaults (name, scale, kinds, the run's folder), then
    with those defaults, which are the preset and what the run remembers.

    Args:
        verb: the verb's name.
        argv: arguments.
        description: for --help.
        settings: Experiment, or a dataclass that adds a verb's own flags to it.
        forget: a noun that starts from its preset, whatever the run or --reuse remembers about it.

    Raises:
        ValueError: an unknown experiment or scale, a value out of range, a flag that no longer
            exists or that nothing in this run uses, or a name or scale other than the run's.
        SystemExit: with status 2, an unknown flag or a value of the wrong kind (tyro prints why).
    """
    argv = located(argv)
    refuse_gone(typed_names(argv))
    start = _start(verb, argv, forget)
    experiment = tyro.cli(
        settings,
        prog=f"python -m WorldModels.{verb}",
        description=description,
        args=argv,
        default=settings(**vars(resolved(start))),
        config=(tyro.conf.AvoidSubcommands,),
    )
    exempt = forget or getattr(experiment, "compared_noun", "")
    refuse_idle(experiment, typed_names(argv), exempt)
    return experiment


def _start(verb: str, argv: list[str], forget: str) -> Start:
    """What is known of a command line before it is fully parsed."""
    name, scale, first = _first(argv)
    folder = run_folder(name, scale or "laptop", first["results"])
    scale = _scale_of(name, scale, folder)
    chosen = {each: first[each] for each in CHOOSING if _valid(each, first[each])}
    iteration = int(first["iteration"]) if first["iteration"].lstrip("-").isdigit() else -1
    return Start(name, scale, folder, iteration, verb, chosen, first["reuse"], forget)


def _valid(name: str, value: str) -> bool:
    """Whether a value was typed that the setting may have; tyro refuses the others."""
    noun, field = name.split(".")
    settings = getattr(Experiment, noun)
    allowed = next(get_args(f.type) for f in dataclasses.fields(settings) if f.name == field)
    return bool(value) and (not allowed or value in allowed)


def _first(argv: list[str]) -> tuple[str, str, dict[str, str]]:
    """The experiment's name, and the scale and the values of FIRST as typed; empty if not typed."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--scale", default="")
    for each in FIRST:
        parser.add_argument(f"--{each}", dest=each, default="")
    known, rest = parser.parse_known_args(argv)
    name = next((word for word in rest[:1] if not word.startswith("-")), None)
    if name is None and not {"-h", "--help"} & set(argv):
        raise ValueError(
            f"experiment: expected its name first ({', '.join(GAMES)}), received "
            f"{' '.join(argv) or 'nothing'}."
        )
    return name or "carracing", known.scale, {each: getattr(known, each) for each in FIRST}


def _scale_of(name: str, scale: str, folder: Path) -> str:
    """The scale: as typed, else the run's, else laptop.

    Raises:
        ValueError: the folder is a run of another experiment or scale.
    """
    memo = memo_of(folder)
    if memo is None or name not in GAMES:
        return scale or "laptop"
    if memo.name != name:
        theirs = GAMES[memo.name].id if memo.name in GAMES else "?"
        raise ValueError(
            f"experiment: {name} ({GAMES[name].id}) asked for, but {folder} is a run of "
            f"{memo.name} ({theirs}); name another folder with --results FOLDER."
        )
    if scale and memo.scale != scale:
        raise ValueError(
            f"--scale: {scale} asked for, but {folder} is a run at {memo.scale} scale; drop the "
            "flag, or name another folder with --results FOLDER."
        )
    return memo.scale


def run_verb(
    verb: str,
    work: Callable[[Run], None],
    argv: list[str] | None = None,
    description: str = "",
    settings: type[Experiment] = Experiment,
    reads_only: bool = False,
) -> None:
    """Parse the command line, open the run's folder, and do the work.

    Args:
        verb: the verb's name.
        work: what it does with the open run.
        argv: arguments; by default those of the process.
        description: for --help.
        settings: see `parse`.
        reads_only: see `Run`.

    Raises:
        SystemExit: 2 for a user's mistake or the fault of somebody else's code, 130 for Ctrl-C.
    """
    leave_if_worker()
    run = None
    try:
        require_unix()
        argv = located(sys.argv[1:] if argv is None else argv)
        experiment = parse(verb, argv, description, settings)
        run = _opened(experiment, verb, argv, reads_only)
        work(run)
    except (ValueError, ImportError, OSError, ForeignError) as error:
        print(f"error: {one_line(error)}{_place_of_traceback(run, error)}", file=sys.stderr)
        if os.environ.get("WORLDMODELS_TRACEBACK"):
            raise
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(STOPPED.format(run.folder if run else "."))
        raise SystemExit(130) from None
    finally:
        if run:
            run.close()


def _opened(experiment: Experiment, verb: str, argv: list[str], reads_only: bool) -> Run:
    """Open the run, silence the libraries, and say which remembered flags lapse.

    Its log says whether oneDNN is on.

    Raises:
        ValueError: a flag means nothing to a verb that only reads, or to one verb alone.
    """
    if verb in STAGE_OF and experiment.iterations > 1 and experiment.iteration < 0:
        raise ValueError(
            f"--iterations: expected none with {verb} alone, which makes one iteration, received "
            f"{experiment.iterations}; give --iteration K, or use the launch script, which runs "
            "all verbs that many times."
        )
    for name in OF_MAKERS if reads_only else ():
        if name in typed_names(argv):
            raise ValueError(
                f"--{name}: expected none with {verb}, which only reads a run, received "
                f"{getattr(experiment, name)}; drop it."
            )
    quiet_tensorflow()
    limit_threads()
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    shared = _shared(argv, type(experiment))
    run = Run(experiment, verb, shared, reads_only, typed_names(argv))
    if not reads_only:
        run.note(f"oneDNN: {one_dnn()}")
    for line in _lapsed(run, argv):
        (print if reads_only else run.say)(f"{verb}: {line}")
    return run


def _place_of_traceback(run: Run | None, error: BaseException) -> str:
    """Where the traceback of somebody else's fault is, in words; a run that is made logs it."""
    if not isinstance(error, ForeignError):
        return ""
    if run is None or run.reads_only:
        return " WORLDMODELS_TRACEBACK=1 shows its traceback."
    run.note("".join(traceback.format_exception(error)))
    return f" Its traceback is in {run.folder / 'log.txt'}."


def _lapsed(run: Run, argv: list[str]) -> list[str]:
    """What to say of remembered flags that do nothing because of flags typed now."""
    memo, typed = memo_of(run.folder), run.typed or frozenset()
    if not memo or not memo.typed.keys() - typed:
        return []
    try:
        before = resolved(dataclasses.replace(_start(run.verb, argv, ""), typed={}))
    except ValueError:  # the flags typed now mend what the run remembers
        return []
    earlier = {name: value for name, value in memo.typed.items() if name not in typed}
    return lapsed(before, run.experiment, earlier, to_remember(run.folder, run.experiment, typed))


def _shared(argv: list[str], settings: type[Experiment]) -> list[str]:
    """The typed flags that every verb knows: the ones that a suggested command repeats."""
    shared = {field.name for field in dataclasses.fields(Experiment)}
    own = [field for field in dataclasses.fields(settings) if field.name not in shared]
    return without_fields(argv, [(field.name, field) for field in own])
