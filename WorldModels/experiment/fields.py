"""What settings are made of: marked fields, range checks, and settings as plain dicts.

Every field carries three marks as metadata, and a test fails where one is missing:

    role        shape    whoever reads the output must share it (latent_size)
                recipe   fixed once the output is made (learning_rate)
                budget   how much is done; a larger one continues what exists (epochs)
                free     never changes what an output means (workers)
    remembered  once typed, holds for every later verb of the run; otherwise for this call only
    acts        the settings, or facts of the game, under which it has any effect
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import field
from typing import Any

Acts = dict[str, tuple]  # dotted setting, or game.<fact> -> the values under which a field acts


@dataclasses.dataclass(frozen=True)
class Condition:
    """A condition under which a setting acts: on what, the values that meet it, the present one."""

    on: str
    allowed: tuple
    present: Any


def shape(default: Any, acts: Acts | None = None) -> Any:
    """A field that whoever reads the output must share."""
    return _marked(default, "shape", acts)


def recipe(default: Any, acts: Acts | None = None) -> Any:
    """A field that is fixed once the output is made."""
    return _marked(default, "recipe", acts)


def budget(default: Any, acts: Acts | None = None, remembered: bool = True) -> Any:
    """A field that bounds how much is done; a larger one continues what exists."""
    return _marked(default, "budget", acts, remembered)


def free(default: Any, acts: Acts | None = None, remembered: bool = False) -> Any:
    """A field that never changes what an output means."""
    return _marked(default, "free", acts, remembered)


def _marked(default: Any, role: str, acts: Acts | None, remembered: bool = True) -> Any:
    marks = {"role": role, "remembered": remembered, "acts": acts or {}}
    return field(default=default, metadata=marks)


def positive(settings: Any, *names: str) -> None:
    """Refuse values that are not positive and finite.

    Raises:
        ValueError: one of them is not; the message names its flag.
    """
    for name in names:
        value = getattr(settings, name)
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(
                f"{flag(settings, name)}: expected a positive number, received {value}."
            )


def within(settings: Any, name: str, low: float, high: float) -> None:
    """Refuse a value outside low..high.

    Raises:
        ValueError: it is; the message names its flag.
    """
    value = getattr(settings, name)
    if not low <= value <= high:
        raise ValueError(
            f"{flag(settings, name)}: expected a number from {low} to {high}, received {value}."
        )


def falling(settings: Any) -> None:
    """Refuse a learning-rate schedule that ends above where it begins.

    Raises:
        ValueError: it does; the message names the flags.
    """
    first, last = settings.learning_rate, settings.final_learning_rate
    if last > first:
        raise ValueError(
            f"{flag(settings, 'final_learning_rate')}: expected at most "
            f"{flag(settings, 'learning_rate')} ({first}), from which the rate falls, received "
            f"{last}; lower it, or give {flag(settings, 'schedule')} constant."
        )


def no_warmup(settings: Any) -> None:
    """Refuse a warm-up beside a rate that follows the held-out loss.

    Raises:
        ValueError: there is one; the message names the flags.
    """
    if settings.schedule == "plateau" and settings.warmup_steps:
        raise ValueError(
            f"{flag(settings, 'warmup_steps')}: expected 0 with {flag(settings, 'schedule')} "
            f"plateau, received {settings.warmup_steps}."
        )


def flag(settings: Any, name: str) -> str:
    """The command-line flag of a field: --vision.latent-size, or --seed."""
    prefix = getattr(type(settings), "flag_prefix", "")
    return flag_of(f"{prefix}.{name}" if prefix else name)


def flag_of(name: str) -> str:
    """The command-line flag of a dotted setting."""
    return f"--{name}".replace("_", "-")


def split(settings: Any) -> tuple[dict, dict]:
    """A noun's settings as two plain dicts: those that the output depends on, and the budgets."""
    fixed, budgets = {}, {}
    for f in dataclasses.fields(settings):
        role = f.metadata.get("role")
        if role in ("shape", "recipe"):
            fixed[f.name] = plain(getattr(settings, f.name))
        elif role == "budget":
            budgets[f.name] = plain(getattr(settings, f.name))
    return fixed, budgets


def named(settings: Any, noun: str = "") -> Iterator[tuple[str, dataclasses.Field, Any]]:
    """Each setting of a group and of its nouns: dotted name (vision.kind), field, value."""
    for each in dataclasses.fields(settings):
        name, value = f"{noun}{each.name}", getattr(settings, each.name)
        if dataclasses.is_dataclass(value):
            yield from named(value, f"{name}.")
        else:
            yield name, each, value


def unmet(settings: Any, facts: dict[str, Any] | None = None) -> dict[str, Condition]:
    """The settings that do nothing beside the others, each with a condition that does not hold.

    Args:
        settings: a group of settings.
        facts: game.<fact> -> its value; a condition on a fact that is not here counts as met.
    """
    values = {name: value for name, _, value in named(settings)} | (facts or {})
    found: dict[str, Condition] = {}
    for name, each, _ in named(settings):
        for on, allowed in each.metadata.get("acts", {}).items():
            if on in values and values[on] not in allowed:
                found.setdefault(name, Condition(on, allowed, values[on]))
    return found


def idle_settings(settings: Any) -> frozenset[str]:
    """Dotted names of the settings that do nothing beside the others; facts of games aside."""
    return frozenset(unmet(settings))


def pairs(one: Any, other: Any) -> Iterator[tuple[str, dataclasses.Field, Any, Any]]:
    """Each setting of two experiments: dotted name, field, both values.

    The other's value is None if its environment has no such setting.
    """
    values = {name: value for name, _, value in named(other)}
    for name, each, value in named(one):
        yield name, each, value, values.get(name)


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, dataclasses dicts, infinity a string."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def shown(value: Any) -> str:
    """A value in the form typed after a flag."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def words_for(name: str, value: Any) -> list[str]:
    """A setting as typed: its flag, and the words of its value."""
    if value is False:
        noun, dot, last = name.rpartition(".")
        name = f"{noun}{dot}no-{last}"
    several = isinstance(value, list | tuple)
    values = () if isinstance(value, bool) else value if several else (value,)
    return [flag_of(name), *map(str, values)]
