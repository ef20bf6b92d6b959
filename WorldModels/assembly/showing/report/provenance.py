"""What a run was made with: its settings beside the published ones, the versions of packages, its
log. Knows files, no picture.
"""

from typing import Any

from WorldModels.assembly.showing.report.page import Part
from WorldModels.experiment.fields import pairs
from WorldModels.experiment.files import read_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run

LOG_LINES = 400


def beside_published(run: Run) -> list[tuple[str, str, Any, Any]]:
    """Every setting of a run: its noun, its name, the run's value, and that of the published
    experiment (scale paper).
    """
    found = pairs(run.experiment, preset(run.experiment.name, "paper"))
    return [(*name.split("."), mine, theirs) for name, _, mine, theirs in found if "." in name]


def settings(run: Run) -> Part:
    """Every setting as a table, those that differ from the published experiment marked."""
    found = beside_published(run)
    rows = [(f"{noun}.{name}", str(mine), str(theirs)) for noun, name, mine, theirs in found]
    marked = frozenset(i for i, (*_, mine, theirs) in enumerate(found) if mine != theirs)
    return Part(
        "table",
        said=f"Every setting; {len(marked)} of {len(rows)}, marked, differ from the published experiment.",
        columns=("setting", "this run", "published"),
        rows=rows,
        marked=marked,
        folded=True,
    )


def versions(run: Run) -> Part:
    """The packages' versions and the machine, as config.json has them."""
    stored = read_json(run.folder / "config.json")
    rows = [
        (name, str(value))
        for part in ("versions", "machine")
        for name, value in stored.get(part, {}).items()
    ]
    return Part(
        "table",
        said="The packages and the machine of the verb that ran last.",
        columns=("", ""),
        rows=rows,
        wide=True,
    )


def log(run: Run) -> Part | None:
    """The end of log.txt, where there is one."""
    path = run.folder / "log.txt"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return (
        Part(
            "words",
            "\n".join(lines[-LOG_LINES:]),
            f"log.txt, its last {LOG_LINES} lines at most.",
            folded=True,
        )
        if lines
        else None
    )
