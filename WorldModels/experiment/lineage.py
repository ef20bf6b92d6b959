"""Which episodes and which V a run's networks were made with: both may be others by now."""

from typing import Any

from WorldModels.experiment.differences import flat
from WorldModels.experiment.files import write_json
from WorldModels.experiment.reuse import inputs_of
from WorldModels.experiment.stages import iterations_in, stage_facts, stage_file
from WorldModels.experiment.sums import WeightsSum, agrees, changed_inputs


def require_own_series(run: Any) -> None:
    """Refuse series that another V encoded.

    Raises:
        ValueError: they are; the message has the command that encodes them again.
    """
    if not _of_this_vision(run, "series"):
        raise ValueError(
            f"{run.path / 'series'}: expected series encoded by {run.path / 'vision.keras'}, "
            f"received those of another V; encode them again: {run.command('encode')}"
        )


def require_own_memory(run: Any) -> None:
    """Refuse an M that was trained on the series of another V.

    Raises:
        ValueError: it was; the message has the commands that make it again.
    """
    if not (_of_this_vision(run, "series") and _of_this_vision(run, "memory")):
        raise ValueError(
            f"{run.path / 'memory.keras'}: expected an M trained on series of "
            f"{run.path / 'vision.keras'}, received one trained on those of another V; make it "
            f"again: {run.command('encode')} && {run.command('train_memory')}"
        )


def say_older_driver(run: Any) -> None:
    """Say in one line if the driver was evolved with another V or M than there are now."""
    stored = (stage_facts(run.path, "controller") or {}).get("inputs", {})
    now = {name: WeightsSum(run.path / f"{name}.keras") for name in ("vision", "memory")}
    others = [name for name, value in now.items() if not agrees(value, stored.get(name))]
    if others:
        names = " and ".join({"vision": "V", "memory": "M"}[name] for name in others)
        run.say(
            f"{run.verb}: the driver was evolved with another {names} than there is now; evolve it "
            f"anew: {run.command('train_controller')}"
        )


def note_vision(run: Any) -> None:
    """Before series are encoded anew, note in M's stage the V of those that it was trained on.

    The stage of an M of an earlier version lists the sum of its series only.
    """
    series, memory = (stage_facts(run.path, name) for name in ("series", "memory"))
    if series and memory and "vision" not in memory["inputs"] and "vision" in series["inputs"]:
        present = inputs_of(run, "memory")["series"]
        if memory["inputs"].get("series") == present:
            memory["inputs"]["vision"] = series["inputs"]["vision"]
            write_json(stage_file(run.path, "memory"), memory)


def _of_this_vision(run: Any, stage: str) -> bool:
    facts = stage_facts(run.path, stage) or {}
    stored = facts.get("inputs", {}).get("vision")
    return agrees(WeightsSum(run.path / "vision.keras"), stored)


def note_recording(run: Any, stage: Any) -> None:
    """Before episodes are recorded anew in another way, note in V's and M's stages that they were.

    Those of later iterations train on the same episodes. Episodes that come out the same, as with
    --force alone, make nothing stale.

    Args:
        run: the open run.
        stage: that of the episodes.
    """
    facts = stage_facts(run.path, "episodes") or {}
    there, here = flat(facts.get("settings", {})), flat(stage.settings)
    other = any(there[name] != here[name] for name in there.keys() & here.keys())
    if not other and not changed_inputs(stage.inputs, facts.get("inputs", {})):
        return
    for iteration in iterations_in(run.folder):
        path = run.folder / str(iteration)
        for name in ("vision", "memory") if iteration >= run.iteration else ():
            if made := stage_facts(path, name):
                made["inputs"]["episodes"] = "recorded in another way"
                write_json(stage_file(path, name), made)
