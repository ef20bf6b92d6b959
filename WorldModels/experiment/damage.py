"""Tells damaged files: each stage's file lists the size and the sum of every file that it made.

    stages/vision.json    "sums": {"vision.keras": [180123, "5f1c..."], "encode.onnx": ...}

A file that differs from its own stage's sum is damaged, not changed: what was made from it stays as
it is, and one line names the file and the command that makes it again. Files that grow are not
listed: rows of a CSV are checked one by one (rows.read_rows), and state.pkl, split.json and
began.json have sums of their own. While a stage is under way, only its earlier networks are
checked, which stay until its end; stages of earlier versions list no sums, and are trusted.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from WorldModels.experiment.files import TEMPORARY, UNREADABLE, atomic, sum_of
from WorldModels.experiment.remedies import removed_first
from WorldModels.experiment.stages import STAGES, listed_sums, maker_of, stage_file

GROWING = (".csv", ".pkl", "split.json", "began.json")  # files that a stage goes on writing
LOGS = ("tensorboard", "checkpoints")
AS_OF = "sums_as_of"  # in a stage's file
# Unless there is a file with the same content, only a fresh start makes these again.
EVOLVED = ("controller", "temperatures")
Sums = dict[str, list]  # file in the iteration's folder -> its size and SHA-256


def own_stage(path: str | Path) -> tuple[Path, str, str] | None:
    """Where a file belongs: the iteration's folder, the stage that makes it, the stage's file.

    The file of a stage is named without its ending. None: the path is in no iteration's folder.
    """
    path = Path(path)
    for folder in path.parents:
        if folder.name.isdigit() and (found := _made_by(path.relative_to(folder))):
            return folder, *found
    return None


def _made_by(inside: Path) -> tuple[str, str] | None:
    """The stage that makes a file, named as in the iteration's folder, and the stage's file."""
    for name, kind in STAGES.items():
        if any(inside.is_relative_to(output) for output in kind.outputs):
            return name, name
    if len(inside.parts) > 2 and inside.parts[0] == "evaluation":  # of one driver among several
        return "evaluation", f"evaluation-{inside.parts[1]}"
    return None


def again(path: str | Path, twin: str = "", removed: bool = False) -> str:
    """The command that makes a damaged file again; empty if no stage makes it.

    Args:
        path: of the file.
        twin: a file with the same content, from which a driver is restored.
        removed: the command removes the file first, as its own verb might not notice the damage.
    """
    if not (own := own_stage(path)):
        return ""
    folder, stage, file = own
    command = maker_of(path, file)
    if stage in EVOLVED:
        return command if twin else f"{command} --force"
    return removed_first(path, command) if removed or stage == "episodes" else command


@contextlib.contextmanager
def readable(path: str | Path, what: str) -> Iterator[None]:
    """Turn what reading a damaged file raises into a ValueError that names the file.

    Args:
        path: of the file.
        what: what it should be.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        remedy = f"; make it again: {command}" if (command := again(path, removed=True)) else "."
        raise ValueError(
            f"{path}: expected {what}, received a file that cannot be read as one: {error}{remedy}"
        ) from None


def checks(folder: str | Path, touched: bool = False) -> Callable[[Path], bool]:
    """A check of the files of one stage, whose own file is read once.

    Args:
        folder: one in which they lie; or one of the files.
        touched: of files that were not written since the stage was complete, compare the size only.

    Returns:
        A function that raises a ValueError if a file differs from its stage's sum, and tells
        whether it is listed; a missing file and one that is not listed pass.
    """
    own = own_stage(folder) or own_stage(Path(folder) / "any")
    if not own:
        return lambda path: False
    place, stage, file = own
    sums = listed_sums(place, file)
    as_of = stage_file(place, file).stat().st_mtime_ns if touched and sums else 0

    def check(path: Path) -> bool:
        name = Path(path).relative_to(place).as_posix()
        if name in sums and os.path.isfile(path) and not _agrees(path, *sums[name], as_of):
            raise ValueError(
                f"{path}: expected the file that {STAGES[stage].verb} made, received a damaged one "
                f"(its sum differs); make it again: {again(path, _twin(name, sums))}"
            )
        return name in sums

    return check


def mended(folder: Path, stage: str, say: Callable[[str], None]) -> list[str]:
    """Restore a stage's damaged files from others with the same content.

    Args:
        folder: the iteration's.
        stage: the name of the stage's file, without its ending.
        say: receives a line about each damaged file.

    Returns:
        The damaged files of which there is no other, named as in the iteration's folder.
    """
    left, sums = [], listed_sums(folder, stage)
    check = checks(folder / next(iter(sums), ""))
    for name in sums:
        try:
            check(folder / name)
        except ValueError as error:
            say(str(error))
            twin = _twin(name, sums)
            if twin and _agrees(folder / twin, *sums[twin]):
                with atomic(folder / name) as temporary:
                    shutil.copyfile(folder / twin, temporary)
                say(f"{folder / name}: restored from {twin}.")
            else:
                left.append(name)
    return left


def _twin(name: str, sums: Sums) -> str:
    """Another file with the same content; empty if there is none."""
    return next((each for each in sums if each != name and sums[each] == sums[name]), "")


def check_own(path: str | Path) -> None:
    """Refuse a file that differs from the sum that its own stage lists.

    Raises:
        ValueError: it does; the message has the command that makes it again.
    """
    checks(path)(Path(path))


def check_series(folder: Path) -> None:
    """Refuse the series of an iteration if one differs from its stage's sum.

    Those that were not written since are not read: whoever reads them checks their checksums.
    """
    check = checks(folder / "series", touched=True)
    for path in sorted((folder / "series").glob("*.npz")):
        check(path)


def is_sound(path: str | Path, say: Callable[[str], None]) -> bool:
    """Whether a file is there and agrees with its stage's sum; one that does not is said."""
    try:
        check_own(path)
    except ValueError as error:
        say(str(error))
        return False
    return Path(path).exists()


def _agrees(path: str | Path, size: int, sum_: str, as_of: int = 0) -> bool:
    if not os.path.isfile(path):
        return False
    facts = os.stat(path)
    return facts.st_size == size and (facts.st_mtime_ns < as_of or sum_of(path) == sum_)


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
