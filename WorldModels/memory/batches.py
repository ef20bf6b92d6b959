"""Series cut into batches for M, in one of three ways.

    episodes  from their first step, padded (hardmaru, carracing/rnn_train.py)
    streams   all episodes end to end, cut into parallel streams whose state is carried from batch
              to batch (hardmaru, doomrnn/rnn_train.py)
    segments  pieces of a given length from anywhere in an episode

In each epoch z is drawn again from each frame's mean and variance, as in the paper (A.2). A batch
depends only on (seed, epoch, index).
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from WorldModels.interfaces import STEPPED

KINDS = ("episodes", "streams", "segments")
# What a draw is for: these numbers keep the generators of one (seed, epoch) apart.
ORDER, NOISE, PLACES = range(3)
LEAST_EPOCH = 25  # fewest steps between two rows, if the budget is in steps


class SeriesBatches(keras.utils.PyDataset):
    """Batches of dicts as MixtureMemory.compute_loss takes them, all of one shape.

    Each holds z and next_z (B, T, Z), actions (B, T, A), rewards, last_rewards, terminated and mask
    (B, T), and stepped (B, 1), float32. rewards are received for the actions: targets. last_rewards
    are those of the steps before (0 at an episode's first step): what M reads in use. stepped is 1
    where a row does not begin with its episode's first step. Streams also hold restarts (B, T), 1
    at an episode's first step, and carry (B,), 0 in the first batch of an epoch and then 1. Where
    series have targets instead of rewards there is rewarded (B, T), 1 where they are known.

    Args:
        series: objects with mean and log_var (T+1, Z), actions (T, A), rewards (T,) and terminated.
        kind: "episodes", "streams" or "segments".
        batch_size: B; less if there are fewer episodes (or, for streams, steps).
        length: T of streams and segments, and the most steps of an episode; less if all episodes
            (or streams) are shorter.
        seed: for every draw.
        least_steps: fewest batches in an epoch of segments, even if fewer would cover the series.
        keep_rest: the episodes that do not fill a batch come in a last one, whose other rows are
            empty (mask 0); only for episodes. Otherwise an epoch leaves them out.

    Raises:
        ValueError: there is no such kind, or there are no series.
    """

    def __init__(
        self,
        series: Sequence[Any],
        kind: str = "episodes",
        batch_size: int = 100,
        length: int = 999,
        seed: int = 0,
        least_steps: int = 0,
        keep_rest: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"batching: expected one of {', '.join(KINDS)}, received {kind!r}.")
        if not series:
            raise ValueError(
                "series: expected at least one, received none; record and encode more episodes."
            )
        self.series, self.kind, self.seed = list(series), kind, seed
        self.lengths = np.array([len(s.actions) for s in self.series])
        self._plan(batch_size, length, least_steps)
        if keep_rest and kind == "episodes":
            self.steps = -(-len(self.series) // self.batch_size)
        self.begin_epoch(0)

    def _plan(self, batch_size: int, length: int, least_steps: int) -> None:
        """Set the batches' size and length, and how many there are in an epoch."""
        total = int(self.lengths.sum())
        if self.kind == "streams":
            self.batch_size = min(batch_size, total)
            self.length = min(length, total // self.batch_size)
            self.steps = total // self.batch_size // self.length
            return
        whole = self.kind == "episodes"
        self.batch_size = min(batch_size, len(self.series)) if whole else batch_size
        self.length = min(length, int(self.lengths.max()))
        self.steps = len(self.series) // self.batch_size
        if self.kind == "segments":
            self.steps = max(1, least_steps, total // (self.batch_size * self.length))

    def begin_epoch(self, epoch: int) -> None:
        """Shuffle for this epoch, counted from 0."""
        self.epoch = epoch
        self.order = self._rng(ORDER).permutation(len(self.series))
        # Where each episode starts in the epoch's one long row.
        self.starts = np.concatenate([[0], np.cumsum(self.lengths[self.order])])

    def on_epoch_end(self):
        self.begin_epoch(self.epoch + 1)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return getattr(self, f"_{self.kind}")(index)

    def _rng(self, purpose: int, *indices: int) -> np.random.Generator:
        return np.random.default_rng(
            np.random.SeedSequence([self.seed, self.epoch, purpose, *indices])
        )

    def _empty(self) -> dict[str, np.ndarray]:
        latent_size, action_size = self.series[0].mean.shape[1], self.series[0].actions.shape[1]
        sizes = {
            "z": (latent_size,),
            "next_z": (latent_size,),
            "actions": (action_size,),
            "rewards": (),
            "last_rewards": (),
            "terminated": (),
            "mask": (),
        }
        if any(_targets_of(each) is not None for each in self.series):
            sizes["rewarded"] = ()
        batch = {
            name: np.zeros((self.batch_size, self.length, *size), np.float32)
            for name, size in sizes.items()
        }
        return batch | {STEPPED: np.zeros((self.batch_size, 1), np.float32)}

    def _episodes(self, index: int) -> dict[str, np.ndarray]:
        batch = self._empty()
        first = index * self.batch_size
        for row, episode in enumerate(self.order[first : first + self.batch_size]):
            steps = min(self.lengths[episode], self.length)
            self._write(batch, row, 0, episode, 0, steps, self._rng(NOISE, episode))
        return batch

    def _segments(self, index: int) -> dict[str, np.ndarray]:
        batch, rng = self._empty(), self._rng(PLACES, index)
        # The number of places where a segment of each episode may begin.
        places = np.maximum(self.lengths - self.length, 0) + 1
        ends = np.cumsum(places)
        chosen = rng.integers(ends[-1], size=self.batch_size)
        for row, episode in enumerate(np.searchsorted(ends, chosen, side="right")):
            first = chosen[row] - ends[episode] + places[episode]
            self._write(batch, row, 0, episode, first, min(self.lengths[episode], self.length), rng)
        return batch

    def _streams(self, index: int) -> dict[str, np.ndarray]:
        batch, row_length = self._empty(), self.starts[-1] // self.batch_size
        batch["restarts"] = np.zeros_like(batch["mask"])
        batch["carry"] = np.full(self.batch_size, index > 0, np.float32)
        for row in range(self.batch_size):
            here = row * row_length + index * self.length
            end, column = here + self.length, 0
            while here < end:
                place = int(np.searchsorted(self.starts, here, side="right")) - 1
                first, steps = here - self.starts[place], min(end, self.starts[place + 1]) - here
                batch["restarts"][row, column] = first == 0
                # An episode's z are the same in every batch that it reaches into.
                episode = self.order[place]
                rng = self._rng(NOISE, episode)
                self._write(batch, row, column, episode, first, steps, rng, skip=first)
                here, column = here + steps, column + steps
        return batch

    def _write(self, batch, row, column, episode, first, steps, rng, skip=0):
        """Write an episode's steps, starting at `first`, into a row, starting at `column`.

        The noise of the first `skip` frames is drawn and dropped.
        """
        series, here = self.series[episode], slice(column, column + steps)
        frames = slice(first, first + steps + 1)
        noise = rng.standard_normal((skip + steps + 1, series.mean.shape[1]), np.float32)[skip:]
        z = series.mean[frames] + np.exp(series.log_var[frames] / 2) * noise
        batch["z"][row, here], batch["next_z"][row, here] = z[:-1], z[1:]
        batch["actions"][row, here] = series.actions[first : first + steps]
        targets = _targets_of(series)
        targets = series.rewards if targets is None else targets
        batch["rewards"][row, here] = np.nan_to_num(targets[first : first + steps])
        if "rewarded" in batch:
            batch["rewarded"][row, here] = np.isfinite(targets[first : first + steps])
        before = series.rewards[max(first - 1, 0) : first + steps - 1]
        batch["last_rewards"][row, column + (first == 0) : column + steps] = before
        batch["mask"][row, here] = 1
        if column == 0:
            batch[STEPPED][row, 0] = first > 0
        if series.terminated and first + steps == len(series.actions):
            batch["terminated"][row, column + steps - 1] = 1


def _targets_of(series: Any) -> np.ndarray | None:
    return getattr(series, "targets", None)


def batches_of(settings: Any, series: Sequence[Any], seed: int) -> SeriesBatches:
    """The batches that M is trained on.

    Args:
        settings: experiment.settings.MemorySettings.
        series: to train on.
        seed: for every draw.
    """
    s = settings
    least = 0 if s.epochs else LEAST_EPOCH
    return SeriesBatches(series, s.batching, s.batch_size, s.sequence_length, seed, least)
