"""Removes files and folders that killed processes left half written."""

import contextlib
import os
import re
import time
from pathlib import Path

from WorldModels.experiment.files import TEMPORARY, ended, host, remove

ABANDONED = 24 * 3600  # seconds after which another host's are removed


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that no process can finish, at any depth.

    These are those of this host's processes that are gone, and those of other hosts that nothing
    has written to for a day.
    """
    for place, folders, files in os.walk(folder):
        found = [name for name in (*folders, *files) if name.startswith(TEMPORARY)]
        folders[:] = [name for name in folders if name not in found]
        for path in (Path(place, name) for name in found):
            if _abandoned(path):
                remove(path)


def _abandoned(path: Path) -> bool:
    name = re.fullmatch(r"(\w+)-(\d+)\.(\d+)-.*", path.name.removeprefix(TEMPORARY))
    if name and name[1] == host():
        return ended(int(name[2]), int(name[3]))
    return time.time() - _last_written(path) > ABANDONED


def _last_written(path: Path) -> float:
    """When a file, or anything in a folder, was last written, in seconds since 1970."""
    inside = [Path(place, name) for place, _, files in os.walk(path) for name in files]
    times = [0.0]
    for each in (path, *inside):
        with contextlib.suppress(OSError):  # it may be renamed meanwhile
            times.append(each.lstat().st_mtime)
    return max(times)
