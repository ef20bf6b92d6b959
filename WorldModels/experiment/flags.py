"""Flags as typed: those of a command line without some of them."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, get_origin

from WorldModels.experiment.fields import flag_of, idle_settings, named


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
            flag, value, _ = word.partition("=")
            mine = flag.replace("_", "-") == name
            left = max(values - bool(value), 0) if mine else 0
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
