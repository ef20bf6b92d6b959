"""Batches of frames out of episode files, in a shuffled order, with a bounded number of frames in
memory.

Episodes are shuffled and read one after the other into a buffer; batches are drawn from the buffer
at random. The order
follows from the epoch alone. Knows no network; whoever asks hands in the random generators.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from WorldModels.episodes.frames import FrameFile, common_frame

READ_AHEAD = 4  # batches made before they are asked for
FIRST_FILL = 4  # the first batch is drawn once a fourth of the buffer is filled, lest training waits for the disk


class FrameStream:
    """Samples batches of frames from episode files; every frame comes at most once an epoch.

    Where all frames fit into the buffer they are held and shuffled as a whole. Else the buffer,
    with what is read ahead,
    never holds more than `buffer_frames`, and each frame that leaves it is replaced by the next one
    of the shuffled episodes.
    A last batch that would be short is left out, so the frames left out differ from epoch to epoch.

    Args:
        paths: episode files (.npz).
        batch_size: B.
        buffer_frames: frames in memory at most (12 kB each at 64x64).
        generator: epoch -> np.random.Generator; all that the order depends on.

    Attributes:
        num_frames: frames in all files.
        num_batches: batches an epoch.
        frame_shape, dtype: of one frame.

    Raises:
        ValueError: no files, files of different frames, fewer frames than a batch, or a damaged
        file.
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
        self.num_frames = sum(file.shape[0] for file in self.files)
        self.num_batches = self.num_frames // batch_size
        if self.num_batches == 0:
            raise ValueError(
                f"batch size: expected at most the {self.num_frames} frames there are, received {batch_size}; "
                "record more episodes."
            )
        self._held: np.ndarray | None = None

    def batches(self, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
        """The epoch's batches (B, H, W, 3) from number `start` on; a thread makes them ahead of
        time. Close it to stop early.
        """
        generator = self.generator(epoch)
        made = (
            self._from_memory(generator, start)
            if self.num_frames <= self.buffer_frames
            else self._from_files(generator, start)
        )
        return read_ahead(made, READ_AHEAD)

    def _from_memory(self, generator, start):
        if self._held is None:
            held = np.empty((self.num_frames, *self.frame_shape), self.dtype)
            _fill(_Frames(self.files, 1000), held, np.arange(self.num_frames))
            self._held = held
        order = generator.permutation(self.num_frames)
        for i in range(start, self.num_batches):
            yield self._held[order[i * self.batch_size : (i + 1) * self.batch_size]]

    def _from_files(self, generator, start):
        # What is read ahead, read at the moment, and in use counts as held too.
        size = max(self.buffer_frames - (READ_AHEAD + 3) * self.batch_size, self.batch_size)
        source = _Frames(
            [self.files[i] for i in generator.permutation(len(self.files))], self.batch_size
        )
        slots = np.empty((size, *self.frame_shape), self.dtype)
        filled = _fill(source, slots, np.arange(max(size // FIRST_FILL, self.batch_size)))
        for i in range(self.num_batches):
            drawn = generator.choice(filled, self.batch_size, replace=False)
            if i >= start:
                yield slots[drawn]
            refilled = _fill(source, slots, drawn)
            filled -= _close_gaps(slots, filled, drawn[refilled:])
            filled += _fill(source, slots, np.arange(filled, min(filled + self.batch_size, size)))


class _Frames:
    """The frames of some files one after the other, given out in any number."""

    def __init__(self, files: Sequence[FrameFile], piece: int):
        self._pieces = (frames for file in files for frames in file.pieces(piece))
        self._left: np.ndarray | None = None

    def take(self, count: int) -> np.ndarray | None:
        """The next frames, at most `count`; None at the end."""
        if self._left is None or len(self._left) == 0:
            self._left = next(self._pieces, None)
            if self._left is None:
                return None
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def _fill(source: _Frames, slots: np.ndarray, places: np.ndarray) -> int:
    """Put the next frames into these places of the buffer; how many there were."""
    done = 0
    while done < len(places):
        frames = source.take(len(places) - done)
        if frames is None:
            break
        slots[places[done : done + len(frames)]] = frames
        done += len(frames)
    return done


def _close_gaps(slots: np.ndarray, filled: int, gaps: np.ndarray) -> int:
    """Move the last frames of the buffer into the gaps, so that it stays without any; how many gaps
    there were.
    """
    end = filled - len(gaps)
    movable = np.setdiff1d(np.arange(end, filled), gaps)
    slots[np.sort(gaps[gaps < end])] = slots[movable]
    return len(gaps)


def read_ahead(items: Iterator, depth: int) -> Iterator:
    """The same items, made by a thread up to `depth` before they are asked for; its errors are
    raised here.

    Closing the iterator stops the thread.
    """
    made: queue.Queue = queue.Queue(depth)
    stop = threading.Event()

    def put(entry) -> bool:
        while not stop.is_set():
            try:
                made.put(entry, timeout=0.1)
                return True
            except queue.Full:
                pass
        return False

    def work():
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((None, StopIteration()))
        except Exception as error:  # handed to whoever asks next
            put((None, error))

    thread = threading.Thread(target=work, name="read_ahead", daemon=True)
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
