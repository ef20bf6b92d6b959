"""Shuffled batches of frames from episode files, with a bounded number of frames in memory.

Episodes are shuffled and read one after the other into a buffer; batches are drawn from the buffer
at random. The order depends only on the epoch's random generator, which the caller provides, so
which frames the buffer holds at any batch is known without reading those before.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from WorldModels.episodes.frames import PIECE, FrameFile, common_frame, frames_at

READ_AHEAD = 4  # batches of frames that are ready before they are asked for
PIECES_AHEAD = 2  # of these, the ones that are read and not yet shuffled
FIRST_FILL = 4  # the first batch is drawn once 1/FIRST_FILL of the buffer is filled


class FrameStream:
    """Samples batches of frames from episode files; every frame comes at most once per epoch.

    If all frames fit into the buffer, they are all shuffled together, and stay in memory once they
    were read. Otherwise the buffer and what is read ahead never exceed `buffer_frames`, and each
    frame that leaves the buffer is replaced by the next one of the shuffled episodes. An incomplete
    last batch is dropped; which frames that affects differs from epoch to epoch.

    Args:
        paths: episode files (.npz).
        batch_size: frames in a batch (B).
        buffer_frames: most frames held in memory (12 kB each at 64x64).
        generator: epoch -> np.random.Generator; the order depends on nothing else.

    Attributes:
        num_frames: frames in all files.
        num_batches: batches per epoch.
        frame_shape, dtype: of one frame.

    Raises:
        ValueError: there are no files, their frames differ or are too few for one batch, or a
            file's header is damaged.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        batch_size: int,
        buffer_frames: int,
        generator: Callable[[int], np.random.Generator],
    ):
        self.files = [FrameFile(path) for path in paths]
        self.frame_shape, self.dtype = common_frame(self.files)
        self.batch_size, self.buffer_frames, self.generator = batch_size, buffer_frames, generator
        self.ends = np.cumsum([len(file) for file in self.files])
        self.num_frames = int(self.ends[-1])
        self.num_batches = self.num_frames // batch_size
        if self.num_batches == 0:
            raise ValueError(
                f"batch size: expected at most {self.num_frames}, the number of recorded frames, "
                f"received {batch_size}; record more episodes."
            )
        self._held: np.ndarray | None = None
        self._is_held = np.zeros(len(self.files), bool)

    def batches(self, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
        """The epoch's batches, (B, H, W, 3) or (B, D), from number `start` on.

        One thread reads the files ahead of time, and another shuffles; close the iterator to stop
        early. What only earlier batches hold is not read.
        """
        generator = self.generator(epoch)
        made = (
            self._from_memory(generator, start)
            if self.num_frames <= self.buffer_frames
            else self._from_files(generator, start)
        )
        return read_ahead(made, READ_AHEAD - PIECES_AHEAD)

    def _from_memory(self, generator, start):
        if self._held is None:
            self._held = np.empty((self.num_frames, *self.frame_shape), self.dtype)
        order = generator.permutation(self.num_frames)
        for i in range(start, self.num_batches):
            drawn = order[i * self.batch_size : (i + 1) * self.batch_size]
            self._hold(np.unique(np.searchsorted(self.ends, drawn, side="right")))
            yield self._held[drawn]

    def _hold(self, owners: np.ndarray) -> None:
        """Read the files of these numbers into memory, if they are not there."""
        for owner in owners[~self._is_held[owners]]:
            file, end = self.files[owner], self.ends[owner]
            _fill(_Source(file.pieces(PIECE)), self._held, np.arange(end - len(file), end))
            self._is_held[owner] = True

    def _from_files(self, generator, start):
        # Frames that are read ahead, being read, or in use count towards the limit too.
        size = max(self.buffer_frames - (READ_AHEAD + 3) * self.batch_size, self.batch_size)
        files = [self.files[i] for i in generator.permutation(len(self.files))]
        slots = np.empty((size, *self.frame_shape), self.dtype)
        buffer = self._buffer_at(start, files, slots, generator)
        for _ in range(start, self.num_batches):
            yield buffer.draw()

    def _buffer_at(self, start, files, slots, generator) -> "_Buffer":
        """The buffer before batch `start`, with nothing read but what it then holds."""
        size = self.batch_size
        if start == 0:
            return _Buffer(_Source(_read(files, size)), slots, generator, size)
        # What is drawn depends on the number of frames, not on what they show.
        numbers = iter(np.array_split(np.arange(self.num_frames), self.num_batches))
        buffer = _Buffer(_Source(numbers), np.empty(len(slots), int), generator, size)
        for _ in range(start):
            buffer.draw()
        frames_at(files, buffer.slots[: buffer.filled], slots)
        buffer.source = _Source(_read(files, size, buffer.source.taken))
        buffer.slots = slots
        return buffer


class _Buffer:
    """Slots, the first `filled` of which hold something.

    Args:
        source: what to fill them from.
        slots: an array whose first axis counts them.
        generator: for the draws.
        batch_size: how many are drawn at a time.
    """

    def __init__(self, source: "_Source", slots: np.ndarray, generator, batch_size: int):
        self.source, self.slots = source, slots
        self.generator, self.batch_size = generator, batch_size
        first = max(len(slots) // FIRST_FILL, batch_size)
        self.filled = _fill(source, slots, np.arange(first))

    def draw(self) -> np.ndarray:
        """What some random slots hold, which are then filled again."""
        drawn = self.generator.choice(self.filled, self.batch_size, replace=False)
        batch = self.slots[drawn]
        refilled = _fill(self.source, self.slots, drawn)
        self.filled -= _close_gaps(self.slots, self.filled, drawn[refilled:])
        more = min(self.filled + self.batch_size, len(self.slots))
        self.filled += _fill(self.source, self.slots, np.arange(self.filled, more))
        return batch


class _Source:
    """Frames, or their numbers, taken in order, any number at a time; `taken` counts them."""

    def __init__(self, pieces: Iterator[np.ndarray]):
        self._pieces, self.taken = pieces, 0
        self._left: np.ndarray | None = None

    def take(self, count: int) -> np.ndarray | None:
        """The next ones, at most `count`; None at the end."""
        if self._left is None or len(self._left) == 0:
            self._left = next(self._pieces, None)
            if self._left is None:
                return None
        taken, self._left = self._left[:count], self._left[count:]
        self.taken += len(taken)
        return taken


def _read(files: Sequence[FrameFile], size: int, skip: int = 0) -> Iterator[np.ndarray]:
    """The frames of files in order, at most `size` at a time, after the first `skip` of them.

    A thread reads them ahead of time.
    """
    # One piece more than the queue holds is being read, and one is being taken from.
    return read_ahead(_pieces(files, size, skip), PIECES_AHEAD - 1)


def _pieces(files: Sequence[FrameFile], size: int, skip: int) -> Iterator[np.ndarray]:
    for file in files:
        if len(file) <= skip:
            skip -= len(file)
            continue
        for frames in file.pieces(size):
            if len(frames) > skip:
                yield frames[skip:]
            skip = max(skip - len(frames), 0)


def _fill(source: _Source, slots: np.ndarray, places: np.ndarray) -> int:
    """Put what comes next into these places of the buffer; return how many it filled."""
    done = 0
    while done < len(places):
        frames = source.take(len(places) - done)
        if frames is None:
            break
        slots[places[done : done + len(frames)]] = frames
        done += len(frames)
    return done


def _close_gaps(slots: np.ndarray, filled: int, gaps: np.ndarray) -> int:
    """Close the gaps in a buffer with what it holds last; return how many there were."""
    end = filled - len(gaps)
    movable = np.setdiff1d(np.arange(end, filled), gaps)
    slots[np.sort(gaps[gaps < end])] = slots[movable]
    return len(gaps)


def read_ahead(items: Iterator, depth: int) -> Iterator:
    """The same items, made by a thread up to `depth` items ahead.

    Errors in the thread are raised here. Closing the iterator, or dropping it, stops the thread.
    """
    made: queue.Queue = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(
        target=_make, args=(items, made, stop), name="read_ahead", daemon=True
    )
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stop.set()
        thread.join()


def _make(items: Iterator, made: queue.Queue, stop: threading.Event) -> None:
    """Put (item, None) for every item, and (None, error) at the end, until told to stop."""
    try:
        for item in items:
            if not _put(made, (item, None), stop):
                return
        _put(made, (None, StopIteration()), stop)
    except Exception as error:  # raised where the next item is asked for
        _put(made, (None, error), stop)


def _put(made: queue.Queue, entry: tuple, stop: threading.Event) -> bool:
    """Put an entry as soon as there is room; False if told to stop."""
    while not stop.is_set():
        try:
            made.put(entry, timeout=0.1)
            return True
        except queue.Full:
            pass
    return False
