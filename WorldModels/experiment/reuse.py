"""Takes a stage's output from another run (--reuse), if it was made with the same settings."""

import os
import shutil
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import flag_of, plain, shown
from WorldModels.experiment.files import atomic, hash_files, write_json
from WorldModels.experiment.pretrained import source_of
from WorldModels.experiment.stages import (
    GIVEN,
    JUDGE,
    STAGES,
    iterations_in,
    listed_sums,
    stage_facts,
    stage_file,
)
from WorldModels.experiment.sums import WeightsSum, changed_inputs


def inputs_of(run: Any, name: str) -> dict[str, str]:
    """The hashes of a reusable stage's inputs, as its verb records them."""
    if name == "series":
        return {"vision": WeightsSum(run.path / "vision.keras")}
    if name not in ("memory", JUDGE):
        return {}
    return {"series": _sum_of(run.path / "series"), "vision": WeightsSum(run.path / "vision.keras")}


def _sum_of(folder: Path) -> str:
    """One sum of all episodes or series of an iteration: a file that its stage lists is not read.

    If it differs from what is listed, it is damaged, which is no change.
    """
    listed = listed_sums(folder.parent, folder.name)
    known = {Path(name).name: sum_ for name, (_, sum_) in listed.items()}
    return hash_files(list(folder.glob("*.npz")), known)


def is_given(run: Any, name: str) -> bool:
    """Whether --reuse names a run that has a stage without what it was made from."""
    source = _source(run, source_of(run.experiment.reuse))
    return GIVEN in (stage_facts(source, name) or {})


def take(stage: Any, reuse: str) -> None:
    """Take a complete stage's output from another run, if the settings agree.

    Args:
        stage: the open stage.
        reuse: what --reuse names.

    Raises:
        FileNotFoundError: it is not a run.
        ValueError: a setting differs, and no flag typed now asks for that.
    """
    if not STAGES[stage.name].reusable:
        return
    source = _source(stage.run, source_of(reuse))
    facts = stage_facts(source, stage.name)
    own = stage.name == "series" and stage_facts(stage.run.path, "episodes")
    if own and GIVEN in (facts or {}):
        return  # only where dreams begin is given: a run with episodes encodes its own
    if not facts or not facts["complete"]:
        return stage.run.say(f"{stage.name}: {source} has no complete one; made here.")
    if differs := _differences(stage, facts["settings"]):
        typed = stage.run.typed
        for name, (here, there) in differs.items():
            if typed is not None and name not in typed and not _kind_typed(name, typed):
                raise ValueError(
                    f"{flag_of(name)}: {shown(here)} here, but the {stage.name} stage of {source} "
                    f"was made with {shown(there)}; give {flag_of(name)} to make it here, or drop "
                    "--reuse."
                )
        return stage.run.say(
            f"{stage.name}: {source} made it with other settings ({', '.join(differs)}); made here."
        )
    if changed_inputs(stage.inputs, facts["inputs"]) or not _same_episodes(stage, source):
        return stage.run.say(f"{stage.name}: {source} made it from another input; made here.")
    for output in STAGES[stage.name].outputs:
        _copy(source / output, stage.run.path / output)
    stage.run.say(f"{stage.name}: taken from {source}.")
    write_json(stage.file, facts)
    # What was written there since then is still known here to have been.
    shutil.copystat(stage_file(source, stage.name), stage.file)


def _source(run: Any, folder: Path) -> Path:
    """The iteration's folder of another run that a stage is taken from."""
    iterations = iterations_in(folder)
    if not iterations:
        raise FileNotFoundError(
            f"--reuse: expected the folder of a run, received {folder}; name one such as "
            "results/carracing."
        )
    own = run.iteration
    return folder / str(own if own in iterations else iterations[-1])


def _differences(stage: Any, there: dict) -> dict[str, tuple[Any, Any]]:
    """Dotted setting -> values here and there, if both are known and differ."""
    found = {}
    for noun, fields in stage.settings.items():
        if not isinstance(fields, dict):
            fields, stored, prefix = {noun: fields}, {noun: there.get(noun)}, ""
        else:
            stored, prefix = there.get(noun, {}), f"{noun}."
        for field, value in fields.items():
            name = f"{prefix}{field}"
            if stored.get(field) not in (None, value) and name not in stage.idle:
                found[name] = (value, stored[field])
    return found


def _kind_typed(name: str, typed: frozenset[str]) -> bool:
    """Whether a kind of the setting's noun was typed, since a kind brings its own settings."""
    noun = name.split(".")[0]
    return bool({f"{noun}.kind", f"{noun}.trade"} & typed)


def _same_episodes(stage: Any, source: Path) -> bool:
    """Whether the source's V saw the same kind of frames, or its series the same episodes."""
    if stage.name == "vision":
        facts = stage_facts(source, "episodes") or stage_facts(source, "vision")
        there = facts["settings"].get("env", {}) if facts else {}
        here = plain(stage.run.experiment.env)
        names = ("id", "observation", "frame_size", "kwargs")
        return bool(facts) and all(there.get(name, here[name]) == here[name] for name in names)
    if stage.name == "series" and GIVEN not in stage_facts(source, "series"):
        here = stage.run.need_episodes()
        there = [source.parent / path.relative_to(stage.run.folder) for path in here]
        there = [source / "episodes"] if len(here) == 1 else there
        pairs = zip(here, there, strict=True)
        return all(_sum_of(ours) == _sum_of(theirs) for ours, theirs in pairs)
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder, complete or not at all."""
    if not source.exists():
        return
    with atomic(target) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary, copy_function=_link_or_copy)
        else:
            shutil.copy2(source, temporary)


def _link_or_copy(source: str, target: str) -> None:
    # Episodes and series never change in place, so a link is as good as a copy; logs grow.
    if str(source).endswith(".npz"):
        try:
            return os.link(source, target)
        except OSError:
            pass
    shutil.copy2(source, target)
