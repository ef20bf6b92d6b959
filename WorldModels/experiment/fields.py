"""What every group of settings is made of: kinds of fields, checks of ranges, and settings as plain
dicts.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import field
from typing import Any

# A budget may grow later without contradicting what lies in the results folder: a larger one
# continues.
BUDGET = {"kind": "budget"}
# A free setting never changes what an output means: how it is computed, shown or waited for.
FREE = {"kind": "free"}


def budget(default: Any) -> Any:
    """A field that bounds how much is done; changing it continues from what lies there."""
    return field(default=default, metadata=BUDGET)


def free(default: Any) -> Any:
    """A field that leaves the meaning of every output as it is."""
    return field(default=default, metadata=FREE)


def positive(settings: Any, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(
                f"{flag(settings, name)}: expected a positive number, received {value}."
            )


def within(settings: Any, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    if not low <= value <= high:
        raise ValueError(
            f"{flag(settings, name)}: expected a number from {low} to {high}, received {value}."
        )


def flag(settings: Any, name: str) -> str:
    noun = type(settings).__name__.removesuffix("Settings").lower()
    return (
        f"--{name}".replace("_", "-")
        if noun == "experiment"
        else f"--{noun}.{name}".replace("_", "-")
    )


def split(settings: Any) -> tuple[dict, dict]:
    """A noun's settings as two plain dicts: those that an output's meaning depends on, and the
    budgets.
    """
    fixed, budgets = {}, {}
    for f in dataclasses.fields(settings):
        kind = f.metadata.get("kind")
        if kind is None:
            fixed[f.name] = plain(getattr(settings, f.name))
        elif kind == "budget":
            budgets[f.name] = plain(getattr(settings, f.name))
    return fixed, budgets


def pairs(
    one: Any, other: Any, noun: str = ""
) -> Iterator[tuple[str, dataclasses.Field, Any, Any]]:
    """Each setting of two groups of one kind, those of their nouns too: its name (seed,
    vision.kind), its field, both values.
    """
    for each in dataclasses.fields(one):
        name, values = f"{noun}{each.name}", (getattr(one, each.name), getattr(other, each.name))
        if dataclasses.is_dataclass(values[0]):
            yield from pairs(*values, f"{name}.")
        else:
            yield name, each, *values


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, dataclasses dicts."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value
