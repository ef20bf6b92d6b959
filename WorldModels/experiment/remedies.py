"""The commands that messages suggest: each names the run, and its own verb accepts it."""

import dataclasses
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_origin

from WorldModels.experiment.fields import flag_of, idle_settings, named
from WorldModels.experiment.memo import memo_of


def command(verb: str, words: Sequence[str]) -> str:
    """A verb's command as typed in a shell."""
    return f"python -m WorldModels.{verb} {shlex.join(words)}"


def command_for(path: str | Path, verb: str, otherwise: str = "carracing") -> str:
    """The command that runs a verb on the run that a file or folder belongs to.

    It names the run and its folder; an iteration only if the run has several.

    Args:
        path: the run's folder, or anything in it; it need not exist.
        verb: the verb's name.
        otherwise: the experiment's name, if the folder does not say.
    """
    folder, iteration = _place(Path(path))
    try:
        memo = memo_of(folder)
    except ValueError:  # the verb itself says that config.json is damaged
        memo = None
    words = [memo.name if memo else otherwise, "--results", str(folder)]
    several = iteration and len(list(folder.glob("[0-9]*/"))) > 1
    return command(verb, [*words, "--iteration", iteration] if several else words)


def _place(path: Path) -> tuple[Path, str]:
    """A run's folder, and the number of the iteration that a path in it names; "" for none."""
    for inside in (path, *path.parents):
        if inside.name.isdigit() and not (inside / "config.json").exists():
            return inside.parent, inside.name
    return (path.parent if path.suffix and not path.is_dir() else path), ""


def without(flags: Sequence[str], name: str, values: float = 1) -> list[str]:
    """The flags without one of them and its values.

    Args:
        flags: words of a command line.
        name: the flag, such as --iteration.
        values: how many words follow it; infinity: all up to the next flag.
    """
    kept, left = [], 0.0
    for word in flags:
        if word.startswith("--"):
            mine = word.split("=")[0].replace("_", "-") == name
            left = values if mine and "=" not in word else 0
            if mine:
                continue
        elif left:
            left -= 1
            continue
        kept.append(word)
    return kept


def without_fields(flags: Sequence[str], fields: Iterable[tuple[str, Any]]) -> list[str]:
    """The flags without those of some settings, given as (dotted name, field)."""
    flags = list(flags)
    for name, field in fields:
        flags = without(flags, flag_of(name), _values(field))
        if field.type is bool:
            noun, dot, last = name.rpartition(".")
            flags = without(flags, flag_of(f"{noun}{dot}no_{last}"), 0)
    return flags


def _values(field: dataclasses.Field) -> float:
    """How many words follow a setting's flag; infinity: all up to the next flag."""
    if field.type is bool:
        return 0
    return math.inf if get_origin(field.type) is tuple else 1


def that_act(flags: Sequence[str], experiment: Any) -> list[str]:
    """The flags without those that do nothing in a run, which most verbs would refuse.

    `compare` accepts such flags of the noun that it compares.
    """
    idle = idle_settings(experiment)
    fields = [(name, field) for name, field, _ in named(experiment) if name in idle]
    return without_fields(flags, fields)
