"""The frames of stored episodes: checked, read in pieces or by number, and their median."""

import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from WorldModels.episodes.episode import (
    SMALL_FIELDS,
    check_shapes,
    list_episodes,
    load_npz,
    sound_files,
)
from WorldModels.experiment.damage import checks, readable

MEMBER = "observations.npy"
PIECE = 1000  # frames that are read at a time
# The median frame is taken over at most this many frames, from at most this many episodes.
MEDIAN_FRAMES, MEDIAN_EPISODES = 1000, 100


class FrameFile:
    """The frames of one stored episode.

    Args:
        path: an episode's .npz. Only the header of its frames is read.

    Attributes:
        shape: (T+1, H, W, 3), or (T+1, D).
        dtype: uint8, or float32 where the world has no picture.
        start: the place in the file where the first frame begins, in bytes; None if the frames are
            compressed.

    Raises:
        ValueError: the file has no readable frames, or they are pickled.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        with self._errors(), open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            info = archive.getinfo(MEMBER)
            with archive.open(info) as member:
                self.shape, self.dtype = _header(member)
                header_size = member.tell()
            self.start = _start(file, info) + header_size
            if info.compress_type != zipfile.ZIP_STORED:
                self.start = None

    def __len__(self) -> int:
        return self.shape[0]

    def pieces(self, size: int) -> Iterator[np.ndarray]:
        """All frames from the first to the last, at most `size` at a time.

        Raises:
            ValueError: the frames are damaged (which shows with the last piece), or hold NaN.
        """
        frame_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        with self._errors(), zipfile.ZipFile(self.path) as archive, archive.open(MEMBER) as member:
            _header(member)
            for start in range(0, len(self), size):
                count = min(size, len(self) - start)
                content = member.read(count * frame_bytes)
                yield _finite(np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:]))

    def some(self, numbers: np.ndarray) -> np.ndarray:
        """The frames of some numbers: (n, H, W, 3) or (n, D).

        No others are read, so their checksum, which is one for all, is compared only if all are
        wanted, or if they are compressed.

        Raises:
            ValueError: the frames are damaged, or hold NaN.
        """
        frames = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        if self.start is None or len(numbers) == len(self):
            seen = 0
            for piece in self.pieces(PIECE):
                here = np.flatnonzero((numbers >= seen) & (numbers < seen + len(piece)))
                frames[here] = piece[numbers[here] - seen]
                seen += len(piece)
            return frames
        with self._errors(), open(self.path, "rb") as file:
            for number, frame in zip(numbers.tolist(), frames, strict=True):
                file.seek(self.start + number * frame.nbytes)
                if file.readinto(frame) < frame.nbytes:
                    raise EOFError("it ends within its frames")
            return _finite(frames)

    def _errors(self) -> AbstractContextManager:
        return readable(self.path, "the frames of an episode (.npz)")


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


def _start(file, info: zipfile.ZipInfo) -> int:
    """Where a member of an archive begins: after 30 bytes, its name and an extra field.

    These are its local header (.ZIP File Format Specification, PKWARE, section 4.3.7).
    """
    file.seek(info.header_offset + 26)
    name_size, extra_size = struct.unpack("<HH", file.read(4))
    return info.header_offset + 30 + name_size + extra_size


def _finite(frames: np.ndarray) -> np.ndarray:
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise ValueError("NaN or infinity")
    return frames


def check_episode(path: Path) -> tuple[int, ...]:
    """Check a stored episode, of its observations the header only.

    Returns:
        The shape of its observations.

    Raises:
        ValueError: the file is truncated or not an episode, or its lengths disagree; the message
            names it.
    """
    fields, frames = load_npz(path, set(SMALL_FIELDS), "an episode"), FrameFile(path)
    check_shapes(path, frames.shape, frames.dtype, fields)
    return frames.shape


def sound_episodes(folder: Path, say: Callable[[str], None] = print) -> list[Path]:
    """The sound episodes of a folder, in the order of their names.

    Damaged files, those that differ from their stage's sum, and files whose observations differ in
    shape from most, are set aside and counted. No frames are read: if the stage lists all files,
    sizes are compared, and the sums of those that were written since; otherwise all are opened.
    Other damage shows where frames are read.

    Args:
        folder: the folder of the episodes.
        say: receives a line about every file that is set aside.
    """
    there = list_episodes(folder)
    listed = dict(sound_files(there, checks(folder, touched=True), say))
    sound = list(listed) if all(listed.values()) else _alike(listed, say)
    if damaged := len(there) - len(sound):
        files = "file" if damaged == 1 else "files"
        say(f"{damaged} damaged {files} set aside; sound episodes: {len(sound)}.")
    return sound


def _alike(paths: Iterable[Path], say: Callable[[str], None]) -> list[Path]:
    """The sound episodes whose observations have the shape of most."""
    shapes = {path: shape[1:] for path, shape in sound_files(paths, check_episode, say)}
    usual = Counter(shapes.values()).most_common(1)[0][0] if shapes else None

    def check(path: Path) -> None:
        if shapes[path] != usual:
            raise ValueError(
                f"{path}: expected observations {usual} like the others, received {shapes[path]}."
            )

    return [path for path, _ in sound_files(shapes, check, say)]


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


def frames_at(files: Sequence[FrameFile], numbers: np.ndarray, into: np.ndarray) -> None:
    """Read frames by their numbers, counted through all files; each file is opened once.

    Args:
        files: at least one.
        numbers: (n,) integers.
        into: (n, H, W, 3) or (n, D), to write them to.

    Raises:
        ValueError: a file is damaged; see FrameFile.some.
    """
    ends = np.cumsum([len(file) for file in files])
    order = np.argsort(numbers, kind="stable")
    owners = np.searchsorted(ends, numbers[order], side="right")
    for owner in np.unique(owners):
        here = order[slice(*np.searchsorted(owners, (owner, owner + 1)))]
        into[here] = files[owner].some(numbers[here] - ends[owner] + len(files[owner]))


def spread_frames(paths: Sequence[Path], most: int) -> np.ndarray:
    """At most `most` frames, (n, H, W, 3) or (n, D), spread evenly over these episodes.

    Raises:
        ValueError: there are no files, their frames differ, or a file is damaged.
    """
    files = [FrameFile(path) for path in paths]
    shape, dtype = common_frame(files)
    total = sum(map(len, files))
    chosen = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    frames = np.empty((len(chosen), *shape), dtype)
    frames_at(files, chosen, frames)
    return frames


def usual_frames(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Some frames of these episodes (n, H, W, 3) uint8, and their median, pixel by pixel.

    The median is (H, W, 3) float32 in 0..1.

    Raises:
        ValueError: there are no files, their frames differ, or a file is damaged.
    """
    frames = spread_frames(paths[:: -(-len(paths) // MEDIAN_EPISODES)], MEDIAN_FRAMES)
    return frames, (np.median(frames, axis=0) / 255).astype(np.float32)
