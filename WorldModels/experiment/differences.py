"""Settings that differ from those which a stage's own output was made with."""

import dataclasses
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import flag_of, shown
from WorldModels.experiment.stages import ASIDE, STAGES, stage_facts, stage_settings


def flat(settings: dict) -> dict[str, Any]:
    """A stage's settings by dotted name."""
    found = {}
    for noun, fields in settings.items():
        if isinstance(fields, dict):
            found |= {f"{noun}.{name}": value for name, value in fields.items()}
        else:
            found[noun] = fields
    return found


def refuse_other(name: str, new: Any, old: Any, stage: str, path: Path) -> None:
    """Refuse a setting that differs from the one that a stage was made with, if that is known.

    Args:
        name: dotted.
        new: its value now.
        old: its value then; None: unknown.
        stage: the stage's name.
        path: the iteration's folder.

    Raises:
        ValueError: they differ; the message has both, and the remedy.
    """
    if old is not None and new != old:
        raise ValueError(
            f"{flag_of(name)}: {shown(new)} asked for, but the {stage} stage of {path} was made "
            f"with {shown(old)}; keep {shown(old)}, name another folder with --results FOLDER, or "
            "start again with --force."
        )


def refuse_contradictions(
    experiment: Any, typed: frozenset[str], path: Path, iteration: int
) -> None:
    """Refuse a typed flag that no stage of an iteration would follow, as that stage itself does.

    The seed, the recipe of the environment or the dream, and what is taken from the iteration
    before may differ between stages: they are refused once no stage is left that could follow.

    Raises:
        ValueError: there is one.
    """
    made = {name: stage_facts(path, name) for name in STAGES if name not in ASIDE}
    for stage, facts in made.items():
        there = flat(facts["settings"]) if facts else {}
        for name, value in flat(stage_settings(experiment, stage, iteration)[0]).items():
            if name in typed and not _may_follow(name, experiment, made, iteration):
                refuse_other(name, value, there.get(name), stage, path)


def _may_follow(name: str, experiment: Any, made: dict[str, dict | None], iteration: int) -> bool:
    """Whether a stage that is not made yet may have another value than the others."""
    noun, _, field = name.rpartition(".")
    group = getattr(experiment, noun) if noun else experiment
    role = {each.name: each.metadata.get("role") for each in dataclasses.fields(group)}[field]
    if noun not in ("", "iterate") and (noun not in ("env", "dream") or role == "shape"):
        return False
    unmade = [stage for stage, facts in made.items() if not facts]
    return any(name in flat(stage_settings(experiment, each, iteration)[0]) for each in unmade)
