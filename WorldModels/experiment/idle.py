"""Flags on which nothing acts: one typed now is refused, one remembered is named.

The mark `acts` of each field says under which other settings, or facts of the game, it acts.
"""

import dataclasses
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from WorldModels.experiment.fields import Condition, flag_of, named, shown, unmet, words_for
from WorldModels.experiment.games.registry import game_of

# Conditions that no flag sets, in words.
OF_GAMES = {
    "game.has_road": "in games with a road",
    "game.has_laps": "in games with laps",
    "game.experiment": "in games without code of their own here, such as --env.id Pendulum-v1",
}


def idle(settings: Any) -> dict[str, Condition]:
    """The settings on which nothing acts, each with a condition that does not hold."""
    env = getattr(settings, "env", None)
    facts = vars(game_of(env.id)) if env else {}
    return unmet(settings, {f"game.{fact}": value for fact, value in facts.items()})


def refuse_idle(settings: Any, typed: frozenset[str], exempt: str = "") -> None:
    """Refuse a flag that nothing in this run would use.

    Args:
        settings: as parsed.
        typed: dotted names of the flags.
        exempt: a noun whose kinds are compared: a flag may mean nothing to some of them.

    Raises:
        ValueError: there is one; the message names it, what it needs, and the flag that acts in
            its place if there is one.
    """
    without = idle(settings)
    for name, _, value in named(settings):
        if name in typed and name in without and name.split(".")[0] != exempt:
            other = _in_its_place(settings, name, value, without)
            remedy = f"give {_as_typed(other, value)} instead" if other else "drop it"
            raise ValueError(
                f"{flag_of(name)}: nothing in this run uses it, received {shown(value)}: "
                f"it only acts {_when(without[name])}; {remedy}."
            )


def _in_its_place(settings: Any, name: str, value: Any, without: dict[str, Condition]) -> str:
    """The setting of the same name in another noun that acts where this one does not; or "".

    Both depend on the same condition, as --controller.sigma and --dream.sigma do on where C
    evolves.
    """
    last, on = name.rpartition(".")[2], without[name].on
    for other, field, _ in named(settings):
        noun, _, own = other.rpartition(".")
        if noun and own == last and other not in without and on in field.metadata["acts"]:
            try:
                dataclasses.replace(getattr(settings, noun), **{own: value})
            except ValueError:  # out of the other's range
                continue
            return other
    return ""


def _when(condition: Condition) -> str:
    if condition.on in OF_GAMES:
        return OF_GAMES[condition.on]
    if isinstance(condition.present, bool):
        return f"with {_as_typed(condition.on, not condition.present)}"
    needed = " or ".join(shown(each) for each in condition.allowed)
    return f"with {flag_of(condition.on)} {needed}, and here that is {shown(condition.present)}"


def _as_typed(name: str, value: Any) -> str:
    return shlex.join(words_for(name, value))


def lapsed(before: Any, now: Any, earlier: Mapping[str, Any], kept: Collection[str]) -> list[str]:
    """What to say of remembered flags on which nothing acts any more: a line for each reason.

    Args:
        before: the run's settings without the flags typed now.
        now: its settings with them.
        earlier: the flags typed earlier, less those typed now: dotted name -> value.
        kept: dotted names of those that stay remembered; another kind of V or M drops its own.
    """
    already, without = idle(before), idle(now)
    groups: dict[tuple, list[str]] = {}
    for name, value in earlier.items():
        if name not in kept:
            groups.setdefault((name.split(".")[0],), []).append(_as_typed(name, value))
        elif name in without and name not in already:
            groups.setdefault(("", _when(without[name])), []).append(_as_typed(name, value))
    return [f"{', '.join(flags)}: {_fate(len(flags), *why)}." for why, flags in groups.items()]


def _fate(flags: int, noun: str, when: str = "") -> str:
    if noun:
        return f"forgotten, since the kind of {noun} is another one now"
    it, acts = ("it", "it only acts") if flags == 1 else ("them", "they only act")
    return f"remembered, but nothing uses {it} now: {acts} {when}"
