"""The section of a report on how the run was made: settings, stages, versions and the log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from WorldModels.assembly.showing.report.parts import Part
from WorldModels.experiment.fields import pairs, plain
from WorldModels.experiment.files import read_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

STAGES = ("episodes", "vision", "series", "memory", "controller", "temperatures", "evaluation")
LOG_LINES = 400
UNKNOWN = "-"  # the published experiment lacks the setting


def beside_published(run: Run) -> Iterator[tuple[str, str, Any, Any]]:
    """Every setting of a run: noun, name, the run's value, the published value (scale paper)."""
    published = preset(run.experiment.name, "paper")
    for name, _, ours, theirs in pairs(run.experiment, published):
        if "." in name:
            yield (*name.split("."), ours, theirs)


def settings(run: Run) -> Part:
    """A table of every setting; those that differ from the published experiment are marked."""
    found = list(beside_published(run))
    marked = frozenset(i for i, (*_, mine, theirs) in enumerate(found) if mine != theirs)
    return Part(
        "table",
        caption=f"Every setting. {len(marked)} of {len(found)} differ from the published "
        "experiment and are marked.",
        columns=("setting", "this run", "published"),
        rows=[(f"{noun}.{name}", str(ours), str(theirs)) for noun, name, ours, theirs in found],
        marked=marked,
        folded=True,
    )


def stages(run: Run) -> Part | None:
    """A table of each stage's settings and budgets; None before the first stage has begun."""
    found = list(made_with(run.path, preset(run.experiment.name, "paper")))
    if not found:
        return None
    rows = [(stage, name, _text(ours), _text(theirs)) for stage, name, ours, theirs in found]
    return Part(
        "table",
        caption="Each stage's settings. Differences from the published values are marked.",
        columns=("stage", "setting", "value", "published"),
        rows=rows,
        marked=frozenset(
            i for i, (*_, ours, theirs) in enumerate(rows) if theirs not in (ours, UNKNOWN)
        ),
        folded=True,
    )


def made_with(path: Path, published: Experiment) -> Iterator[tuple[str, str, Any, Any]]:
    """The settings of each stage of an iteration: stage, setting, value, published value.

    Args:
        path: the iteration's folder, with stages/<stage>.json.
        published: settings of the published experiment; UNKNOWN replaces those it lacks.
    """
    for file in sorted((path / "stages").glob("*.json"), key=_in_order):
        facts = read_json(file)
        nouns = [noun for noun, group in facts["settings"].items() if isinstance(group, dict)]
        named = dict(_flat(facts["settings"]))
        for budget, value in _flat(facts["budgets"]):
            named[_dotted(budget, nouns, published)] = value
        for name, value in named.items():
            yield file.stem, name, value, _published(name, published)


def _in_order(file: Path) -> tuple[int, str]:
    return STAGES.index(file.stem) if file.stem in STAGES else len(STAGES), file.stem


def _flat(settings: dict) -> Iterator[tuple[str, Any]]:
    """A stage's settings or budgets as dotted names and values."""
    for noun, group in settings.items():
        if isinstance(group, dict):
            yield from ((f"{noun}.{name}", value) for name, value in group.items())
        else:
            yield noun, group


def _dotted(budget: str, nouns: list[str], published: Experiment) -> str:
    """A budget's dotted name; a stage file may leave out its noun."""
    for noun in nouns if "." not in budget else ():
        if hasattr(getattr(published, noun, None), budget):
            return f"{noun}.{budget}"
    return budget


def _published(name: str, published: Experiment) -> Any:
    found = published
    for part in name.split("."):
        found = getattr(found, part, UNKNOWN)
    return UNKNOWN if name == "seed" else found


def _text(value: Any) -> str:
    """A value as a cell; lists from JSON and tuples from settings look the same."""
    value = plain(value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def versions(run: Run) -> Part:
    """The versions of packages and the machine, as stored in config.json."""
    stored = read_json(run.folder / "config.json")
    rows = [
        (name, str(value))
        for part in ("versions", "machine")
        for name, value in stored.get(part, {}).items()
    ]
    return Part(
        "table",
        caption="The packages that the last verb used, and the machine that it ran on.",
        columns=("", ""),
        rows=rows,
        wide=True,
    )


def log(run: Run) -> Part | None:
    """The end of log.txt, if there is one."""
    path = run.folder / "log.txt"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    if not lines:
        return None
    caption = f"The last lines of log.txt, at most {LOG_LINES}."
    return Part("words", "\n".join(lines[-LOG_LINES:]), caption, folded=True)
