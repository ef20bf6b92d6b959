"""What a run remembers: the flags typed for it, and what each of its stages was made with.

A setting is resolved in this order, each line overriding the one before:

    the preset of name, scale, kinds and env.id, or with --reuse the other run's settings
    the settings of the same stage one iteration earlier, if this iteration's is not made
    the flags remembered as typed
    the settings that this iteration's stage was made with, if it is made
    the flags typed now

A budget only grows: a remembered one larger than the stage's own continues the stage.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import pairs, words_for
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.memo import KINDS, drop, memo_of
from WorldModels.experiment.presets import SCALES, env_of, preset
from WorldModels.experiment.pretrained import source_of
from WorldModels.experiment.remedies import command_for
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import (
    ASIDE,
    STAGE_OF,
    STAGES,
    iterations_in,
    present_iteration,
    stage_facts,
    stored_values,
)
from WorldModels.experiment.trust import refuse_code_of


@dataclass(frozen=True)
class Start:
    """What is known of a command line before it is fully parsed.

    Args:
        name: the experiment's name.
        scale: its scale.
        folder: the run's folder; it need not exist.
        iteration: -1: the latest.
        verb: the seed is that of its stage, if made; empty: the remembered one.
        typed: flags typed now that choose the defaults of others: kinds, env.id.
        reuse: what --reuse names: another run, whose settings replace the preset.
        forget: a noun that starts from its preset anyway.
    """

    name: str
    scale: str
    folder: Path
    iteration: int = -1
    verb: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    reuse: str = ""
    forget: str = ""


def resolved(start: Start) -> Experiment:
    """The settings of a run, as far as known before the command line is fully parsed.

    Raises:
        ValueError: a file is damaged, the settings contradict one another, or the environment's
            code lies in the run's folder.
    """
    memo = memo_of(start.folder)
    remembered = dict(memo.typed) if memo else {}
    iteration = present_iteration(start.folder, start.iteration)
    probe = preset(start.name, start.scale)
    earlier, own = _made(start.folder, iteration, start.verb, probe)
    if start.forget:
        drop(remembered, start.forget)
    for noun in ("vision", "memory"):
        if _other_kind(noun, start.typed, [probe, remembered, earlier.fixed, own.fixed]):
            for values in (remembered, earlier.fixed, earlier.budgets, own.fixed, own.budgets):
                drop(values, noun)
    kinds = _kinds(earlier.fixed) | _kinds(remembered) | _kinds(own.fixed) | start.typed
    values = earlier.fixed | earlier.budgets | remembered | own.fixed
    for each, value in own.budgets.items():
        values[each] = _larger(value, remembered.get(each))
    values |= start.typed
    experiment = with_values(_base(start, kinds, values.get("env.id", "")), values)
    refuse_code_of(start.folder, experiment.env.id)
    return experiment


@dataclass
class _Made:
    """What stages were made with: settings and budgets, each dotted name -> value."""

    fixed: dict[str, Any] = field(default_factory=dict)
    budgets: dict[str, Any] = field(default_factory=dict)


def _made(folder: Path, iteration: int, verb: str, probe: Experiment) -> tuple[_Made, _Made]:
    """The settings of stages that only an earlier iteration has, and of those made in this one.

    All stages count except temperatures, which sets its own dreams, and judge, which is made as
    memory is; the verb's own comes last.
    """
    own_stage = STAGE_OF.get(verb)
    order = [name for name in STAGES if name not in (*ASIDE, own_stage)]
    earlier, own = _Made(), _Made()
    for name in [*order, *([own_stage] if own_stage else [])]:
        there = [i for i in reversed(iterations_in(folder)) if i <= iteration]
        source = next((i for i in there if stage_facts(folder / str(i), name)), None)
        if source is None:
            continue
        facts = stage_facts(folder / str(source), name)
        into = own if source == iteration else earlier
        values, budgets = stored_values(facts, name, probe)
        into.fixed |= values
        into.budgets |= budgets
        if name == own_stage and source == iteration:
            into.fixed["seed"] = facts["settings"]["seed"]
    return earlier, own


def _kinds(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in KINDS if name in values}


def _other_kind(noun: str, typed: dict[str, str], before: list[Any]) -> bool:
    """Whether a kind typed now differs from the run's: then the noun's flags are forgotten."""
    for name in KINDS:
        if not name.startswith(noun) or name not in typed:
            continue
        present = getattr(getattr(before[0], noun), name.split(".")[1])
        for values in before[1:]:
            present = values.get(name, present)
        if typed[name] != present:
            return True
    return False


def _base(start: Start, kinds: dict[str, str], env_id: str) -> Experiment:
    """The preset of name, scale, kinds and environment; or the other run's settings.

    Nouns of another kind than there have the preset's.
    """
    wanted = {noun: kinds.get(f"{noun}.kind") for noun in ("vision", "memory")}
    if (wanted["memory"], kinds.get("memory.trade")) == ("trade", "paper"):
        wanted["memory"] = "trade:paper"
    own = preset(start.name, start.scale, wanted, env_id)
    if not start.reuse:
        return own
    other = stored_experiment(source_of(start.reuse))
    changes: dict[str, Any] = {"name": start.name, "scale": start.scale}
    for noun, kind in (("vision", other.vision.kind), ("memory", other.memory.preset_kind)):
        if wanted[noun] not in (None, kind):
            changes[noun] = getattr(own, noun)
    if start.forget:
        changes[start.forget] = getattr(own, start.forget)
    return dataclasses.replace(other, **changes)


def _larger(stored: Any, remembered: Any) -> Any:
    """The larger of two budgets; one that is not a number stays as stored."""
    try:
        return stored if remembered is None or float(stored) >= float(remembered) else remembered
    except (TypeError, ValueError):
        return stored


def with_values(experiment: Experiment, values: dict[str, Any]) -> Experiment:
    """An experiment with other values, by dotted name, as in JSON; unknown names are ignored.

    Raises:
        ValueError: a value is out of its range, or contradicts another.
    """
    env_id = values.get("env.id", experiment.env.id)
    env = env_of(env_id, experiment.env)
    changes: dict[str, Any] = {"env": env}
    for each in dataclasses.fields(experiment):
        value = env if each.name == "env" else getattr(experiment, each.name)
        if dataclasses.is_dataclass(value):
            changes[each.name] = _replaced(value, values, f"{each.name}.")
        elif each.name in values:
            changes[each.name] = _as(value, values[each.name])
    return dataclasses.replace(experiment, **changes)


def _replaced(settings: Any, values: dict[str, Any], prefix: str) -> Any:
    own = {
        each.name: _as(getattr(settings, each.name), values[prefix + each.name])
        for each in dataclasses.fields(settings)
        if prefix + each.name in values
    }
    return dataclasses.replace(settings, **own)


def _as(here: Any, value: Any) -> Any:
    # JSON has no tuples, and an infinite number is written as a string.
    if isinstance(here, tuple):
        return tuple(value)
    return float(value) if isinstance(here, float) else value


def stored_experiment(folder: str | Path, iteration: int = -1) -> Experiment:
    """The settings of the run in a folder.

    Raises:
        FileNotFoundError: there is no run in the folder.
        ValueError: a file is damaged, or the experiment is unknown.
    """
    memo = memo_of(folder)
    if memo is None:
        likely = next((name for name in GAMES if Path(folder).name.startswith(name)), "carracing")
        raise FileNotFoundError(
            f"{Path(folder) / 'config.json'} is missing: expected the folder of a run; make one: "
            f"{command_for(folder, 'record', likely)}"
        )
    if memo.name not in GAMES or memo.scale not in SCALES:
        raise ValueError(
            f"{Path(folder) / 'config.json'}: expected an experiment among {', '.join(GAMES)}, "
            f"received {memo.name!r}."
        )
    try:
        return resolved(Start(memo.name, memo.scale, Path(folder), iteration))
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(
            f"{folder}: expected the settings of a run, received a damaged file ({error}); record "
            "or train again."
        ) from None


def typed(experiment: Experiment) -> list[str]:
    """The arguments of a verb that give these settings in an empty folder.

    Name, scale, and a flag for each setting that differs from its preset.
    """
    kinds = {"vision": experiment.vision.kind, "memory": experiment.memory.preset_kind}
    start = preset(experiment.name, experiment.scale, kinds, experiment.env.id)
    words = [experiment.name, "--scale", experiment.scale]
    for name, each, mine, default in pairs(experiment, start):
        if mine != default and each.metadata["role"] != "free":
            words += words_for(name, mine)
    return words
