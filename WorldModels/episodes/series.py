"""One episode as V sees it, in one .npz file: what M is trained on."""

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.episodes.episode import list_episodes, load_npz, sound_files
from WorldModels.episodes.split import Parts, older_share, split
from WorldModels.experiment.damage import checks, readable
from WorldModels.experiment.files import atomic

FIELDS = ("mean", "log_var", "actions", "rewards", "terminated")


@dataclass
class Series:
    """The latents of an episode's frames, with the actions and rewards between them.

    Attributes:
        mean, log_var: (T+1, Z) float32, of V's posterior for every frame.
        actions: (T, A) float32 in -1..1; actions[t] leads from frame t to frame t+1.
        rewards: (T,) float32; rewards[t] is received for actions[t].
        terminated: whether the last step ended the episode (and did not merely cut it off).
    """

    mean: np.ndarray
    log_var: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool

    def __len__(self) -> int:
        return len(self.actions)

    def save(self, path: str | os.PathLike) -> None:
        """Write the series atomically."""
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in FIELDS[:4]}
        with atomic(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays, terminated=np.bool_(self.terminated))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Series":
        """Read a series.

        Raises:
            ValueError: the file is truncated, not a series, pickled, or holds NaN; the message
                names it.
        """
        fields = load_npz(path, set(FIELDS), "a series")
        arrays = [fields[name] for name in FIELDS[:4]]
        lengths = [len(np.atleast_1d(array)) for array in arrays]
        steps = lengths[2]
        if (
            steps == 0
            or lengths != [steps + 1, steps + 1, steps, steps]
            or fields["mean"].shape != fields["log_var"].shape
        ):
            raise ValueError(
                f"{path}: expected T+1 means and log-variances, T actions and T rewards, "
                f"received {lengths}; encode it again."
            )
        return cls(*arrays, bool(fields["terminated"]))


def read_series(folder: str | os.PathLike) -> tuple[list[Path], list[Series]]:
    """The files of a folder's series, in the order of their names, and the series.

    Raises:
        ValueError: a file is damaged.
    """
    check, paths = checks(folder, touched=True), list_episodes(folder)
    for path in paths:
        check(path)
    return paths, [Series.load(path) for path in paths]


def sound_series(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """The files of a folder's sound series, in the order of their names.

    Damaged ones are set aside. Those that the stage lists are read only if they were written since
    then, the others one after the other.

    Args:
        folder: the folder of the series.
        say: receives a line about every file that is set aside.
    """
    check = checks(folder, touched=True)

    def read(path: Path) -> None:
        if not check(path):
            Series.load(path)

    return [path for path, _ in sound_files(list_episodes(folder), read, say)]


def first_frame(path: Path) -> dict[str, np.ndarray]:
    """V's posterior of a series' first frame: mean and log_var (Z,). Nothing else is read.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    with readable(path, "a series (.npz)"), zipfile.ZipFile(path) as archive:
        return {name: _first_row(archive, name) for name in ("mean", "log_var")}


def _first_row(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        np.lib.format.read_magic(member)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        if len(shape) != 2 or fortran or dtype.kind != "f":
            raise ValueError(f"{name} of shape {shape} and type {dtype}")
        row = np.frombuffer(member.read(dtype.itemsize * shape[1]), dtype)
    if len(row) != shape[1] or not np.isfinite(row).all():
        raise ValueError(f"NaN or too few numbers in {name}")
    return row


def read_split(
    folder: Path,
    experiment: Any,
    split_of: Callable[[list[Path]], Parts] | None = None,
) -> tuple[list[Series], list[Series]]:
    """The series that an iteration's M trains on, and those held out.

    Args:
        folder: the iteration's folder.
        experiment: all settings.
        split_of: splits the files; by default as they were when M was trained.

    Raises:
        ValueError: a file is damaged.
    """
    paths, series = read_series(folder / "series")
    if split_of is None:
        older = older_share(folder, "memory")
        parts = split(paths, folder, "memory", experiment, older)
    else:
        parts = split_of(paths)
    by_path = dict(zip(paths, series, strict=True))
    return [by_path[path] for path in parts[0]], [by_path[path] for path in parts[1]]
