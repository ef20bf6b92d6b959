"""One episode as V sees it, in one .npz file: what M is trained on."""

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.episodes.episode import list_episodes, load_npz, sound_files
from WorldModels.episodes.split import Parts, older_share, split
from WorldModels.experiment.damage import checks, readable
from WorldModels.experiment.files import atomic
from WorldModels.interfaces import REWARD_SCALE

FIELDS = ("mean", "log_var", "actions", "rewards", "terminated")
STEP_COST = 0.1  # what CarRacing takes off every step's reward


@dataclass
class Series:
    """The latents of an episode's frames, with the actions and rewards between them.

    Attributes:
        mean, log_var: (T+1, Z) float32, of V's posterior for every frame.
        actions: (T, A) float32 in -1..1; actions[t] leads from frame t to frame t+1.
        rewards: (T,) float32; rewards[t] is received for actions[t].
        terminated: whether the last step ended the episode (and did not merely cut it off).
        reward_scale: see Episode.
        targets: (T,) float32, what M's reward head learns instead of the rewards, NaN where
            nothing is known; None: the rewards. Not kept in a file.
    """

    mean: np.ndarray
    log_var: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    reward_scale: float = 0.0
    targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.actions)

    def save(self, path: str | os.PathLike) -> None:
        """Write the series atomically."""
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in FIELDS[:4]}
        with atomic(path) as temporary, open(temporary, "wb") as file:
            ends = {"terminated": np.bool_(self.terminated)}
            np.savez(file, **arrays, **ends, reward_scale=np.float64(self.reward_scale))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Series":
        """Read a series.

        Raises:
            ValueError: the file is truncated, not a series, pickled, or holds NaN; the message
                names it.
        """
        fields = load_npz(path, set(FIELDS), "a series", {REWARD_SCALE: 0.0})
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
        return cls(*arrays, bool(fields["terminated"]), float(fields[REWARD_SCALE]))


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


def of_tiles(parts: Sequence[Sequence[Series]]) -> list[list[Series]]:
    """Series whose reward targets say how many tiles were reached, whatever a tile was worth.

    A tile of CarRacing is worth 1000 / (their number on the track), which no frame shows: each
    target is what the step would have been worth on a track of the usual scale. An episode of an
    earlier version does not know its scale: then the smallest positive reward is that of one tile,
    and where there is none, nothing is known.

    Args:
        parts: groups of series; the usual scale is the mean of those known in the first.

    Raises:
        ValueError: none is known there.
    """
    scales = [[each.reward_scale or _scale(each.rewards) for each in part] for part in parts]
    if not any(scales[0]):
        raise ValueError(
            "--memory.reward-target tiles: expected an episode in which a tile is reached, "
            "received none; record longer ones, or drop the flag."
        )
    usual = float(np.mean([scale for scale in scales[0] if scale]))
    return [
        [replace(each, targets=_targets(each.rewards, scale, usual)) for each, scale in pairs]
        for pairs in map(partial(zip, strict=True), parts, scales)
    ]


def _scale(rewards: np.ndarray) -> float:
    """What a tile was worth, from the smallest positive reward; 0 if there is none."""
    positive = rewards[rewards > 0]
    return float(positive.min()) + STEP_COST if len(positive) else 0.0


def _targets(rewards: np.ndarray, scale: float, usual: float) -> np.ndarray:
    if not scale:
        return np.full_like(rewards, np.nan)
    of_tiles = (rewards + STEP_COST) * (usual / scale) - STEP_COST
    return np.where(rewards > 0, of_tiles, rewards).astype(np.float32)
