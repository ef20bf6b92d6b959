"""The command line of every verb: name and scale choose a preset, every other flag states one
difference.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable

import tyro

from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run, without
from WorldModels.experiment.settings.experiment import Experiment


def parse(
    verb: str, argv: list[str], description: str = "", settings: type[Experiment] = Experiment
) -> Experiment:
    """Settings from a command line.

    Parses twice: first for the name, the scale and the kinds of networks, then with their preset as
    the default. `settings` is
    Experiment, or a dataclass that adds a verb's own flags to it.

    Raises:
        ValueError: no such experiment or scale, or a value out of its range.
        SystemExit: with status 2, an unknown flag or a value of the wrong kind (tyro prints why).
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--scale", default="laptop")
    for flag in ("vision.kind", "memory.kind", "memory.trade"):
        first.add_argument(f"--{flag}", dest=flag.replace(".", "_"))
    known, rest = first.parse_known_args(argv)
    name = next((word for word in rest[:1] if not word.startswith("-")), None)
    if name is None and not {"-h", "--help"} & set(argv):
        raise ValueError(
            f"experiment: expected its name first ({', '.join(GAMES)}), received {' '.join(argv) or 'nothing'}."
        )
    memory = (
        "trade:paper"
        if (known.memory_kind, known.memory_trade) == ("trade", "paper")
        else known.memory_kind
    )
    start = preset(
        name or "carracing", known.scale, {"vision": known.vision_kind, "memory": memory}
    )
    return tyro.cli(
        settings,
        prog=f"python -m WorldModels.{verb}",
        description=description,
        args=argv,
        default=settings(**vars(start)),
        config=(tyro.conf.AvoidSubcommands,),
    )


def run_verb(
    verb: str,
    work: Callable[[Run], None],
    argv: list[str] | None = None,
    description: str = "",
    settings: type[Experiment] = Experiment,
    reads_only: bool = False,
) -> None:
    """Parse the command line, open the run's folder, do the work; a user's mistake becomes one line
    and status 2.

    Args:
        verb: the verb's name.
        work: what it does with the open run.
        argv: arguments; default those of the process.
        description: for --help.
        settings: see `parse`.
        reads_only: see `Run`.

    Raises:
        SystemExit: 2 for a user's mistake, 130 for Ctrl-C.
    """
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "3"
    )  # TensorFlow's notes on how it was built, and on GPUs it looked for
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    run = None
    try:
        argv = sys.argv[1:] if argv is None else argv
        run = Run(
            parse(verb, argv, description, settings), verb, _shared(argv, settings), reads_only
        )
        if not reads_only:
            run.note(f"oneDNN: TF_ENABLE_ONEDNN_OPTS={os.environ.get('TF_ENABLE_ONEDNN_OPTS')}")
        work(run)
    except (ValueError, FileNotFoundError, ImportError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        if os.environ.get("WORLDMODELS_TRACEBACK"):
            raise
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(
            f"\nstopped. The same command continues from here; everything written so far is in {run.folder if run else '.'}."
        )
        raise SystemExit(130) from None
    finally:
        if run:
            run.close()


def _shared(argv: list[str], settings: type[Experiment]) -> list[str]:
    """The flags that every verb knows, which is what a remedy repeats."""
    own = {field.name for field in dataclasses.fields(settings)} - {
        field.name for field in dataclasses.fields(Experiment)
    }
    for name in own:
        argv = without(argv, f"--{name}".replace("_", "-"))
    return argv


def one_line(error: BaseException) -> str:
    """An error's message on one line; for an error of the operating system, the file's name and the
    system's words.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'file'}: {error.strerror}; expected what can be read and written: --results FOLDER names another."
    return " ".join(str(error).split())
