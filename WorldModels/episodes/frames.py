"""The frames of stored episodes: read in pieces, sampled evenly, and their median."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from WorldModels.experiment.damage import again
from WorldModels.experiment.files import UNREADABLE

MEMBER = "observations.npy"
# The median frame is taken over at most this many frames, from at most this many episodes.
MEDIAN_FRAMES, MEDIAN_EPISODES = 1000, 100


class FrameFile:
    """The frames of one stored episode, read in order, in pieces.

    Args:
        path: an episode's .npz.

    Attributes:
        shape: (T+1, H, W, 3), or (T+1, D).
        dtype: uint8, or float32 where the world has no picture.

    Raises:
        ValueError: the file has no readable frames, or they are pickled.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        with self._errors(), zipfile.ZipFile(self.path) as archive, archive.open(MEMBER) as member:
            self.shape, self.dtype = _header(member)

    def pieces(self, size: int) -> Iterator[np.ndarray]:
        """All frames from the first to the last, at most `size` at a time.

        Raises:
            ValueError: the frames are damaged.
        """
        frame_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        with self._errors(), zipfile.ZipFile(self.path) as archive, archive.open(MEMBER) as member:
            _header(member)
            for start in range(0, self.shape[0], size):
                count = min(size, self.shape[0] - start)
                content = member.read(count * frame_bytes)
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def _errors(self):
        return _Named(self.path)


class _Named:
    """Turns the errors of reading a file into a ValueError that names it."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, UNREADABLE) and not isinstance(error, FileNotFoundError):
            raise ValueError(
                f"{self.path}: expected the frames of an episode, received a damaged file "
                f"({error}); record it again: {again(self.path) or 'remove it first.'}"
            ) from None


def _header(member) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(member)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(member)
    if dtype.hasobject or fortran or len(shape) < 2:
        raise ValueError(f"frames of shape {shape} and type {dtype}")
    return shape, dtype


def common_frame(files: Sequence[FrameFile]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of one frame, the same in all files.

    Raises:
        ValueError: there are no files, or one file's frames differ; the message names it.
    """
    if not files:
        raise ValueError("episodes: expected at least one file, received none; record some first.")
    first = files[0]
    for file in files:
        if (file.shape[1:], file.dtype) != (first.shape[1:], first.dtype):
            raise ValueError(
                f"{file.path}: expected frames {first.shape[1:]} {first.dtype} as in "
                f"{first.path.name}, received {file.shape[1:]} {file.dtype}; keep only "
                "episodes of one kind in a folder."
            )
    return first.shape[1:], first.dtype


def spread_frames(paths: Sequence[Path], most: int) -> np.ndarray:
    """At most `most` frames, (n, H, W, 3) or (n, D), spread evenly over these episodes.

    Raises:
        ValueError: there are no files, their frames differ, or a file is damaged.
    """
    files = [FrameFile(path) for path in paths]
    shape, dtype = common_frame(files)
    total = sum(file.shape[0] for file in files)
    chosen = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    frames, seen = np.empty((len(chosen), *shape), dtype), 0
    for file in files:
        for piece in file.pieces(1000):
            here = np.flatnonzero((chosen >= seen) & (chosen < seen + len(piece)))
            frames[here] = piece[chosen[here] - seen]
            seen += len(piece)
    return frames


def usual_frames(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Some frames of these episodes (n, H, W, 3) uint8, and their median, pixel by pixel.

    The median is (H, W, 3) float32 in 0..1.

    Raises:
        ValueError: there are no files, their frames differ, or a file is damaged.
    """
    frames = spread_frames(paths[:: -(-len(paths) // MEDIAN_EPISODES)], MEDIAN_FRAMES)
    return frames, (np.median(frames, axis=0) / 255).astype(np.float32)
