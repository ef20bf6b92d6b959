"""The stages of an iteration, in one table: what makes each, from what, and with which settings."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import plain, split
from WorldModels.experiment.files import read_json
from WorldModels.experiment.older import SINCE
from WorldModels.experiment.remedies import command_for, removed_first


@dataclass(frozen=True)
class StageKind:
    """What is true of a stage in every run.

    Args:
        verb: the verb that makes it.
        outputs: files and folders that it writes, in the iteration's folder.
        nouns: the nouns whose settings its output depends on.
        reads: stages whose output it is made from.
        iterates: settings of --iterate that it depends on from iteration 1 on.
        reusable: whether --reuse can take it from another run.
        promises: files of a complete output that only a fresh start can make again.
    """

    verb: str
    outputs: tuple[str, ...]
    nouns: tuple[str, ...]
    reads: tuple[str, ...] = ()
    iterates: tuple[str, ...] = ()
    reusable: bool = False
    promises: tuple[str, ...] = ()


STAGES = {
    "episodes": StageKind(
        "record",
        outputs=("episodes", "split.json"),
        nouns=("env", "record"),
        iterates=("controller_share",),
        reusable=True,
    ),
    "vision": StageKind(
        "train_vision",
        outputs=(
            "vision.keras",
            "vision",
            "vision.csv",
            "vision_epochs",
            "encode.onnx",
            "decode.onnx",
            "tensorboard/vision",
            "checkpoints/vision",
        ),
        nouns=("vision",),
        reads=("episodes",),
        iterates=("episodes", "networks"),
        reusable=True,
    ),
    "series": StageKind(
        "encode",
        outputs=("series", "first_latents.npz"),
        nouns=(),
        reads=("episodes", "vision"),
        iterates=("episodes",),
        reusable=True,
    ),
    "memory": StageKind(
        "train_memory",
        outputs=(
            "memory.keras",
            "memory",
            "memory.csv",
            "memory_epochs",
            "perception.onnx",
            "memory_step.onnx",
            "memory_sample.onnx",
            "memory_sequence.onnx",
            "imagination.onnx",
            "tensorboard/memory",
            "checkpoints/memory",
        ),
        nouns=("memory",),
        reads=("vision", "series"),
        iterates=("networks",),
        reusable=True,
    ),
    "judge": StageKind(
        "train_memory",
        outputs=("judge.keras", "judge.csv", "tensorboard/judge", "checkpoints/judge"),
        nouns=("memory",),
        reads=("vision", "series"),
        iterates=("networks",),
        reusable=True,
    ),
    "controller": StageKind(
        "train_controller",
        outputs=("controller", "tensorboard/controller"),
        nouns=("env", "controller"),
        reads=("vision", "memory"),
        iterates=("controller",),
        promises=("controller/mean.npz", "controller/best.npz"),
    ),
    "temperatures": StageKind(
        "temperatures",
        outputs=("temperatures",),
        nouns=("env", "controller", "dream"),
        reads=("vision", "memory"),
    ),
    "evaluation": StageKind(
        "evaluate",
        outputs=(
            "evaluation.json",
            "evaluation/best",
            "real.mp4",
            "reconstructed.mp4",
            "reconstructed.gif",
            "dream.mp4",
            "dream.gif",
            "figures",
        ),
        nouns=("evaluate",),
        reads=("vision", "memory", "controller"),
    ),
}
NETWORKS = (".keras", ".onnx")  # files that a training writes only at its end
SUMS = "sums"  # in a stage's file: file -> its size and SHA-256; see damage
GIVEN = "given"  # in the file of a stage that was not made by its verb: where it comes from
JUDGE = "judge"  # an M besides the driver's, which train_memory makes where it is asked for
ASIDE = ("temperatures", JUDGE)  # not among the six that every run goes through
# verb -> the stage that it makes
STAGE_OF = {kind.verb: name for name, kind in STAGES.items() if name != JUDGE}


def nouns_of(name: str, experiment: Any) -> tuple[str, ...]:
    """The nouns whose settings a stage depends on; the dream too if C evolves in it."""
    dreams = name == "controller" and experiment.controller.world != "real"
    return (*STAGES[name].nouns, *["dream"] * dreams)


def stage_settings(experiment: Any, name: str, iteration: int = 0) -> tuple[dict, dict]:
    """The settings that a stage depends on in an iteration, by noun, and its budgets by name.

    A budget of the dream is called dream.<name>.
    """
    settings: dict = {"seed": experiment.seed}
    budgets: dict = {}
    for noun in nouns_of(name, experiment):
        settings[noun], more = split(getattr(experiment, noun))
        prefix = "dream." if noun == "dream" else ""
        budgets |= {f"{prefix}{field}": value for field, value in more.items()}
    iterates = STAGES[name].iterates if iteration else ()
    if iterates:
        settings["iterate"] = {each: plain(getattr(experiment.iterate, each)) for each in iterates}
    return settings, budgets


def stored_values(facts: dict, name: str, experiment: Any) -> tuple[dict, dict]:
    """The settings, then the budgets, that a stage was made with: dotted setting -> value.

    Settings that no longer exist are left out.

    Args:
        facts: contents of the stage's file.
        name: the stage's name.
        experiment: any; only the names of its fields are used.
    """
    known = {
        noun: {each.name for each in dataclasses.fields(getattr(experiment, noun))}
        for noun in ("env", "record", "vision", "memory", "controller", "dream", "iterate")
    } | {"evaluate": {each.name for each in dataclasses.fields(experiment.evaluate)}}
    values = {
        f"{noun}.{field}": value
        for noun, fields in facts["settings"].items()
        if isinstance(fields, dict)
        for field, value in fields.items()
        if field in known[noun]
    }
    budgets = {}
    for field, value in facts.get("budgets", {}).items():
        if "." in field:
            budgets[field] = value
        else:
            noun = next((noun for noun in STAGES[name].nouns if field in known[noun]), None)
            budgets |= {f"{noun}.{field}": value} if noun else {}
    return values, budgets


def stage_file(path: Path, name: str) -> Path:
    """The file that records what a stage in an iteration's folder was made with."""
    return path / "stages" / f"{name}.json"


def stage_facts(path: Path, name: str) -> dict | None:
    """The contents of stages/NAME.json in an iteration's folder; None if it has not begun.

    Settings that came after it was made have the values that it was made with.

    Raises:
        ValueError: the file is damaged.
    """
    file = stage_file(path, name)
    facts = read_json(file, lambda: removed_first(file, maker_of(file, name)))
    for each, value in SINCE.items() if facts else ():
        noun, _, field = each.partition(".")
        if noun in facts["settings"]:
            facts["settings"][noun].setdefault(field, value)
    return facts


def listed_sums(path: Path, name: str) -> dict[str, list]:
    """What a stage's file lists of its files: their sizes and sums.

    While the stage is under way, only those of its earlier networks: they stay until its end.

    Args:
        path: the iteration's folder.
        name: of the stage's file, without its ending.
    """
    facts = stage_facts(path, name) or {}
    sums = facts.get(SUMS, {})
    if facts.get("complete"):
        return sums
    return {file: sum_ for file, sum_ in sums.items() if file.endswith(NETWORKS)}


def maker_of(path: Path, name: str) -> str:
    """The command that makes a stage, or the part that evaluates one generation's driver.

    Args:
        path: the stage's file, or anything in an iteration's folder.
        name: of the stage's file, without its ending.
    """
    stage, _, part = name.partition("-")
    command = command_for(path, STAGES[stage].verb)
    driver = part.removesuffix("-final")
    generation = driver.removeprefix("generation-")
    command += f" --controller.generation {generation}" if generation.isdigit() else ""
    return f"{command} --evaluate.seeds final" if part != driver else command


def seed_of(path: Path, name: str, otherwise: int) -> int:
    """The seed that a stage in an iteration's folder was made with; else `otherwise`."""
    facts = stage_facts(path, name)
    return facts["settings"].get("seed", otherwise) if facts else otherwise


def iterations_in(folder: Path) -> list[int]:
    """The iterations that a run's folder holds."""
    there = folder.glob("*") if folder.is_dir() else ()
    return sorted(int(path.name) for path in there if path.is_dir() and path.name.isdigit())


def present_iteration(folder: Path, wanted: int) -> int:
    """The iteration that a verb works on: the one asked for, or the latest."""
    return wanted if wanted >= 0 else max(iterations_in(folder), default=0)
