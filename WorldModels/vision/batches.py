"""Batches for fit(), from a sampler."""

from collections.abc import Iterator
from typing import Protocol

import keras
import numpy as np


class Sampler(Protocol):
    """What FrameBatches draws from; the one in use is in episodes/stream.py."""

    num_batches: int

    def batches(self, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
        """An epoch's batches, (B, H, W, 3) or (B, D), starting with number `start`.

        Closing the iterator ends the epoch early.
        """


class FrameBatches(keras.utils.PyDataset):
    """A sampler's batches as Keras asks for them: by number, in order.

    Call fit() with shuffle=False (otherwise Keras shuffles the numbers with Python's global
    generator). Epochs advance by themselves; `begin_epoch` jumps to one.

    Args:
        sampler: see Sampler.
        epoch: the first epoch's number.
        flips: seed of a draw that mirrors half of the frames; None: none is.
    """

    def __init__(self, sampler: Sampler, epoch: int = 0, flips: int | None = None):
        super().__init__()
        self.sampler, self.epoch, self.flips = sampler, epoch, flips
        self._batches: Iterator[np.ndarray] | None = None
        self._next = 0

    def begin_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self._stop()
        self.epoch = epoch

    def __len__(self) -> int:
        return self.sampler.num_batches

    def __getitem__(self, index: int) -> np.ndarray:
        """Batch `index` of the epoch, (B, H, W, 3) or (B, D).

        Raises:
            ValueError: `index` is neither the next one nor 0, which starts the epoch again.
        """
        if self._batches is not None and index not in (0, self._next):
            raise ValueError(
                f"batch: expected number {self._next}, received {index}; call fit() with "
                "shuffle=False."
            )
        if self._batches is None or index != self._next:
            self._stop()
            self._batches, self._next = self.sampler.batches(self.epoch, index), index
        self._next += 1
        return self._flipped(next(self._batches), index)

    def _flipped(self, frames: np.ndarray, index: int) -> np.ndarray:
        """Frames (B, H, W, 3), half of them mirrored, which depends on epoch and number alone."""
        if self.flips is None:
            return frames
        draw, flipped = np.random.default_rng([self.flips, self.epoch, index]), frames.copy()
        chosen = draw.random(len(frames)) < 0.5
        flipped[chosen] = frames[chosen, :, ::-1]
        return flipped

    def on_epoch_end(self) -> None:
        # Keras also calls this when it has taken only the first batch of an epoch.
        if self._next == len(self):
            self.begin_epoch(self.epoch + 1)

    def _stop(self) -> None:
        if self._batches is not None:
            self._batches.close()
        self._batches, self._next = None, 0
