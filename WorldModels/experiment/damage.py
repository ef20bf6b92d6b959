"""Tells damaged files: each stage's file lists the size and the sum of every file that it made.

    stages/vision.json    "sums": {"vision.keras": [180123, "5f1c..."], "encode.onnx": ...}

A file that differs from its own stage's sum is damaged, not changed: what was made from it stays as
it is, and one line names the file and the command that makes it again. Files that grow are not
listed: rows of a CSV are checked one by one (rows.read_rows), and a state.pkl ends with its own
sum. Stages that are under way, and those of earlier versions, list none, and are trusted.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from WorldModels.experiment.files import TEMPORARY
from WorldModels.experiment.remedies import command_for, removed_first
from WorldModels.experiment.stages import STAGES, stage_facts

GROWING = (".csv", ".pkl")  # files that a stage goes on writing
LOGS = ("tensorboard", "checkpoints")
SUMS, AS_OF = "sums", "sums_as_of"  # in a stage's file
# Only a fresh start makes these again.
EVOLVED = ("controller", "temperatures")
Sums = dict[str, list]  # file in the iteration's folder -> its size and SHA-256


def own_stage(path: str | Path) -> tuple[Path, str, str] | None:
    """Where a file belongs: the iteration's folder, the stage that makes it, the stage's file.

    The file of a stage is named without its ending. None: the path is in no iteration's folder.
    """
    path = Path(path)
    for folder in path.parents:
        inside = path.relative_to(folder)
        if folder.name.isdigit() and (folder / "stages").is_dir():
            return (folder, *found) if (found := _made_by(inside)) else None
    return None


def _made_by(inside: Path) -> tuple[str, str] | None:
    """The stage that makes a file, named as in the iteration's folder, and the stage's file."""
    for name, kind in STAGES.items():
        if any(inside.is_relative_to(output) for output in kind.outputs):
            return name, name
    if len(inside.parts) > 2 and inside.parts[0] == "evaluation":  # of one driver among several
        return "evaluation", f"evaluation-{inside.parts[1]}"
    return None


def again(path: str | Path) -> str:
    """The command that makes a damaged file again; empty if no stage makes it."""
    if not (own := own_stage(path)):
        return ""
    folder, stage, _ = own
    command = command_for(path, STAGES[stage].verb)
    if stage in EVOLVED:
        return f"{command} --force"
    return removed_first(path, command) if stage in ("episodes", "evaluation") else command


def checks(folder: str | Path) -> Callable[[Path], None]:
    """A check of the files of one stage, whose own file is read once.

    Args:
        folder: one in which they lie; or one of the files.

    Returns:
        A function that raises a ValueError if a file differs from its stage's sum; a missing file
        and one that is not listed pass.
    """
    own = own_stage(folder) or own_stage(Path(folder) / "any")
    if not own:
        return lambda path: None
    place, stage, file = own
    facts = stage_facts(place, file) or {}
    sums = facts.get(SUMS, {}) if facts.get("complete") else {}

    def check(path: Path) -> None:
        listed = sums.get(Path(path).relative_to(place).as_posix())
        if listed and os.path.isfile(path) and not _agrees(path, *listed):
            raise ValueError(
                f"{path}: expected the file that {STAGES[stage].verb} made, received a damaged one "
                f"(its sum differs); make it again: {again(path)}"
            )

    return check


def check_own(path: str | Path) -> None:
    """Refuse a file that differs from the sum that its own stage lists.

    Raises:
        ValueError: it does; the message has the command that makes it again.
    """
    checks(path)(Path(path))


def is_sound(path: str | Path, say: Callable[[str], None]) -> bool:
    """Whether a file is there and agrees with its stage's sum; one that does not is said."""
    try:
        check_own(path)
    except ValueError as error:
        say(str(error))
        return False
    return Path(path).exists()


def _agrees(path: Path, size: int, sum_: str) -> bool:
    return os.path.getsize(path) == size and sum_of(path) == sum_


def sum_of(path: str | Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums_of(folder: Path, outputs: Iterable[str], earlier: Sums, as_of: int) -> Sums:
    """The sums of a stage's files.

    Args:
        folder: the iteration's.
        outputs: the stage's files and folders.
        earlier: sums to keep for the files that were not written since.
        as_of: since then, in nanoseconds, as in a file's modification time.
    """
    sums = {}
    for path in sorted(path for output in outputs for path in _files(folder, output)):
        name, facts = path.relative_to(folder).as_posix(), path.stat()
        kept = name in earlier and facts.st_mtime_ns < as_of
        sums[name] = earlier[name] if kept else [facts.st_size, sum_of(path)]
    return sums


def _files(folder: Path, output: str) -> list[Path]:
    if output.startswith(LOGS):
        return []
    path = folder / output
    found = path.rglob("*") if path.is_dir() else [path]
    return [each for each in found if each.is_file() and _is_listed(each.name)]


def _is_listed(name: str) -> bool:
    return not name.endswith((*GROWING, ".damaged")) and not name.startswith(TEMPORARY)
