"""Files that are complete or absent: written, then renamed; JSON with its own sum; hashes."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import struct
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

# Prefix of files and folders that are still being written. The host and the process that writes
# follow it: some verbs write without a lock while another one sweeps.
TEMPORARY = ".tmp-"
# What reading a damaged .npz, .keras or pickle may raise, before its checksums say that it is.
UNREADABLE = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, struct.error, tokenize.TokenError),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error),
)
# What fsync(2) of a folder answers on disks that cannot do it.
NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
SUM = "sum"  # the entry of a JSON file that holds the sum of the rest of its text
# Nanoseconds after which a file's dates tell every further change: some disks count in seconds.
SETTLED = 2 * 10**9


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` once it is complete and on disk.

    Args:
        path: of a file or a folder.

    Raises:
        OSError: the disk is full or the folder cannot be written; the new file is then removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(path)
    try:
        yield temporary
        for file in temporary.rglob("*") if temporary.is_dir() else [temporary]:
            if file.is_file():
                _sync(file)
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)  # os.replace refuses a folder that is not empty
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        remove(temporary)


def temporary_of(path: Path) -> Path:
    """A name beside a path's that only this process uses, and that is swept once it has ended."""
    process = f"{os.getpid()}.{process_began(os.getpid())}"
    return path.with_name(f"{TEMPORARY}{host()}-{process}-{path.name}")


def host() -> str:
    """This machine's name, as it stands in temporary names."""
    return re.sub(r"[^A-Za-z0-9]", "_", platform.node())[:64] or "unknown"


def process_began(process: int) -> int:
    """When a process began, in ticks since the system did; 0 if it ended or nothing says so."""
    try:  # the third field, its state, and those after it (proc(5)); a name may have spaces
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def ended(process: int, began: int) -> bool:
    """Whether a process of this host has ended, even if another one has its number by now.

    Args:
        process: its number.
        began: what `process_began` said of it; where nothing says so, the number alone counts.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return process_began(process) != began


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in NO_FOLDER_SYNC):
            raise
    finally:
        os.close(descriptor)


def not_a_link(path: str, flags: int) -> int:
    """For open(): refuse a symbolic link, through which a stranger's run could write elsewhere.

    Raises:
        OSError: the path is one.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            error.strerror = "expected a file of this run, received a link to elsewhere; remove it"
        raise


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_aside(folder: Path, name: str, paths: list[Path]) -> Path:
    """Move files and folders to folder/replaced/NAME-TIME; an earlier replaced/NAME-* is removed.

    Args:
        folder: that all of them are in, at any depth; the new folder keeps their relative paths.
        name: of what they make up.
        paths: those that are missing are skipped.

    Returns:
        The new folder.
    """
    for earlier in (folder / "replaced").glob(f"{name}-*"):
        remove(earlier)
    target = folder / "replaced" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for path in paths:
        if path.exists():
            new = target / path.relative_to(folder)
            new.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, new)
    return target


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a value as indented JSON, complete or not at all.

    NumPy numbers and arrays become plain numbers and lists. A dict gets the sum of its own text as
    its last entry, which `read_json` checks and leaves out.
    """
    text = json.dumps(value, indent=2, default=_jsonable)
    if isinstance(value, dict) and value:
        text = f'{text[:-2]},\n  "{SUM}": "{_sum_of(text)}"\n}}'
    with atomic(path) as temporary:
        temporary.write_text(text + "\n")


def _sum_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def read_json(path: str | os.PathLike, again: Callable[[], str] = lambda: "") -> Any:
    """What `write_json` wrote; None if there is no file.

    A file without a sum, from an earlier version or written by hand, is read as it is.

    Args:
        path: of the file.
        again: gives the command that makes a damaged file again.

    Raises:
        ValueError: the file is damaged, or was edited after it was written.
    """
    path = Path(path)
    try:
        return _without_sum(path.read_text()) if path.exists() else None
    except (ValueError, RecursionError) as error:
        command = again()
        remedy = f"make it again: {command}" if command else "remove it, and make it again."
        raise ValueError(
            f"{path}: expected JSON as it was written, received a damaged or edited file "
            f"({error}); {remedy}"
        ) from None


def _without_sum(text: str) -> Any:
    """The value of a JSON text, once the sum in it is checked."""
    value = json.loads(text)
    if not isinstance(value, dict) or not value:
        return value
    name, last = list(value.items())[-1]
    body, _, _ = text.rpartition(f',\n  "{name}": ')
    # A sum under another name is one whose name is damaged.
    if (last == _sum_of(f"{body}\n}}")) != (SUM in value):
        raise ValueError("its sum differs")
    value.pop(SUM, None)
    return value


def once(function: Callable[[Path], Any]) -> Callable[[str | os.PathLike], Any]:
    """Compute a function of a file's content once a process, until the file changes.

    A file is the same while its size, its dates and its place on the disk are. One that was written
    a moment ago is read each time, since its dates might not tell another change.
    """

    @functools.lru_cache(1024)
    def remembered(path: Path, *facts: int) -> Any:
        return function(path)

    @functools.wraps(function)
    def of(path: str | os.PathLike) -> Any:
        facts = os.stat(path)
        dates = facts.st_mtime_ns, facts.st_ctime_ns
        if time.time_ns() - max(dates) < SETTLED:
            return function(Path(path))
        return remembered(Path(path), facts.st_dev, facts.st_ino, facts.st_size, *dates)

    return of


@once
def sum_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(paths: list[Path], known: Mapping[str, str] = MappingProxyType({})) -> str:
    """One SHA-256 over the names and contents of some files, in the order of their names.

    Args:
        paths: of the files.
        known: name -> SHA-256 of files that need not be read.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode())
        digest.update(bytes.fromhex(known.get(path.name) or sum_of(path)))
    return digest.hexdigest()
