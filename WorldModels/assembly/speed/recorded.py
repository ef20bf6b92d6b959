"""How long the episodes in a folder are, without reading their frames."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from WorldModels.episodes.episode import list_episodes, load_npz
from WorldModels.episodes.frames import FrameFile

READ = 1000  # episodes whose headers are read, of more


@dataclass(frozen=True)
class Recorded:
    """The episodes in a folder.

    Attributes:
        folder: where they are.
        paths: their files.
        lengths: file -> steps, of all of them, or of some that are spread evenly.
        terminated: the share of these that the game itself ended.
    """

    folder: Path
    paths: tuple[Path, ...]
    lengths: dict[Path, int]
    terminated: float

    @property
    def mean(self) -> float:
        """The mean length, in steps."""
        return float(np.mean(list(self.lengths.values())))

    def frames(self, paths: Iterable[Path] | None = None) -> float:
        """Frames of some episodes, or of all: one more than steps in each."""
        mean = self.mean
        return sum(self.lengths.get(path, mean) + 1 for path in paths or self.paths)


def recorded_in(folder: Path) -> Recorded | None:
    """The episodes in a folder, except those that cannot be read; None if there are none."""
    paths, lengths, ends = list_episodes(folder), {}, []
    spread = np.linspace(0, len(paths) - 1, min(READ, len(paths))).round().astype(int)
    damaged = set()
    for path in [paths[i] for i in spread]:
        damaged.add(path)
        with contextlib.suppress(ValueError, OSError):
            steps = FrameFile(path).shape[0] - 1
            ends.append(bool(load_npz(path, {"terminated"}, "an episode")["terminated"]))
            lengths[path] = steps
            damaged.discard(path)
    sound = tuple(path for path in paths if path not in damaged)
    return Recorded(folder, sound, lengths, float(np.mean(ends))) if lengths else None
