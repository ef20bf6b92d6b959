"""One episode as V sees it, in one .npz file: what M is trained on."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.episodes.episode import list_episodes, load_npz, set_aside
from WorldModels.episodes.split import Parts, older_share, split
from WorldModels.experiment.damage import checks
from WorldModels.experiment.files import atomic

FIELDS = ("mean", "log_var", "actions", "rewards", "terminated")
# A latent whose standard deviation is smaller does not vary: V's z is about 1 in size, and float32
# cannot tell smaller differences from rounding.
LEAST_STD = 1e-6


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


def read_series(
    folder: str | os.PathLike, say: Callable[[str], None] | None = print
) -> tuple[list[Path], list[Series]]:
    """Every sound series of a folder, in the order of their names.

    Args:
        folder: the folder of the series.
        say: receives a line about every damaged file, which is set aside; None: it is refused.

    Returns:
        The files and their series.

    Raises:
        ValueError: a file is damaged, and `say` is None.
    """
    paths, series, check = [], [], checks(folder)
    for path in list_episodes(folder):
        try:
            check(path)
            series.append(Series.load(path))
            paths.append(path)
        except ValueError as error:
            if say is None:
                raise
            say(f"set aside as {set_aside(path).name}: {error}")
    return paths, series


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
    paths, series = read_series(folder / "series", None)
    if split_of is None:
        older = older_share(folder, "memory")
        parts = split(paths, folder, "memory", experiment, older)
    else:
        parts = split_of(paths)
    by_path = dict(zip(paths, series, strict=True))
    return [by_path[path] for path in parts[0]], [by_path[path] for path in parts[1]]


def constant_latents(series: Sequence[Series]) -> list[int]:
    """The dimensions of z that do not vary over all frames: neither their mean nor by their noise.

    A density of such a number can be as high as one likes, so a loss on it has no minimum.
    """
    mean, log_var = (
        np.concatenate([getattr(each, name) for each in series]).astype(np.float64)
        for name in ("mean", "log_var")
    )
    variance = mean.var(axis=0) + np.exp(log_var).mean(axis=0)
    return np.flatnonzero(variance < LEAST_STD**2).tolist()
