"""What a memory must beat: densities of the next latent that know little or nothing of the past.

Two are Gaussians fit in closed form; the third is the memory's own head without inputs.
"""

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from WorldModels.memory.batches import SeriesBatches

# How a head is fit without inputs: Adam steps, and their minimum where there are few latents;
# latents per step; and the learning rate, which falls to 0 along a cosine.
FIT_STEPS, FEWEST_STEPS, FIT_BATCH, FIT_RATE = 400, 100, 512, 0.03
HELD_OUT_BATCH = 50  # episodes at a time
FIT_LATENTS = 20_000  # drawn from the series, at most
# A latent whose standard deviation is smaller does not vary: V's z is about 1 in size, and float32
# cannot tell smaller differences from rounding.
LEAST_STD = 1e-6


class GaussianBaselines:
    """Two Gaussians for each latent dimension, fit to series in closed form.

        static         N(mean of all z, their variance)
        copy_previous  N(previous z, mean square of a step's change)

    z = mean + exp(log_var / 2) * noise is random, so its variance counts in both, and twice in the
    difference of two draws.

    Args:
        series: objects with mean and log_var (T+1, Z).
        log_std_floor: the lowest log standard deviation, as M has it; -inf: none.
    """

    def __init__(self, series: Sequence[Any], log_std_floor: float = -math.inf):
        least = math.exp(2 * log_std_floor)
        noise = _mean(np.exp(s.log_var.astype(np.float64)) for s in series)
        self.mean = _mean(s.mean for s in series)
        spread = _mean(np.square(s.mean - self.mean) for s in series)
        steps = _mean(np.square(np.diff(s.mean, axis=0).astype(np.float64)) for s in series)
        self.variance = np.maximum(spread + noise, least)
        self.step_variance = np.maximum(steps + 2 * noise, least)

    def score(self, batches: Iterable[dict[str, np.ndarray]]) -> dict[str, float]:
        """Mean negative log-density per dimension, in nats, over the steps that count.

        Args:
            batches: as MixtureMemory.compute_loss takes them.
        """
        totals, weight = np.zeros(2), 0.0
        for batch in batches:
            counts = (batch["mask"] * (1 - batch["terminated"]))[..., None]
            static = _negative_log_density(batch["next_z"] - self.mean, self.variance)
            copied = _negative_log_density(batch["next_z"] - batch["z"], self.step_variance)
            totals += np.sum(static * counts), np.sum(copied * counts)
            weight += counts.sum() * self.mean.size
        static, copied = totals / max(weight, 1.0)
        return {"static_nll": float(static), "copy_previous_nll": float(copied)}


def _mean(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The mean (Z,) over the rows of arrays (n, Z), which are never all in memory."""
    total, count = np.float64(0), 0
    for part in parts:
        total, count = total + part.sum(axis=0, dtype=np.float64), count + len(part)
    return total / count


def constant_latents(series: Sequence[Any]) -> list[int]:
    """The dimensions of z that do not vary over all frames: neither their mean nor by their noise.

    A density of such a number can be as high as one likes, so a loss on it has no minimum.

    Args:
        series: objects with mean and log_var (T+1, Z).
    """
    return np.flatnonzero(GaussianBaselines(series).variance < LEAST_STD**2).tolist()


def _negative_log_density(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return 0.5 * (difference**2 / variance + np.log(2 * np.pi * variance))


class Unconditional(keras.Model):
    """A memory's density of latents for a hidden that never changes: its head fit without inputs.

    The rest of the memory stays as it is. The hidden is (1, 0, ..., 0): if it were all zeros, all
    components of a mixture would start equal and stay equal.

    Args:
        memory: M of any kind, built; it is copied in float32.
    """

    def __init__(self, memory: keras.Model):
        super().__init__()
        self.memory = type(memory).from_config({**memory.get_config(), "dtype": "float32"})
        self.built = True

    def call(self, z):
        """Log-density (B,) of latents z (B, Z), in nats per dimension."""
        size = self.memory.hidden_size
        hidden = ops.broadcast_to(ops.eye(1, size), (ops.shape(z)[0], size))
        return self.memory.log_density(hidden, z)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return -ops.mean(y_pred)

    def fit_latents(self, series: Sequence[Any], seed: int) -> None:
        """Fit the head to the latents of series, drawn once.

        Args:
            series: objects with mean and log_var (T+1, Z).
            seed: for the draws; equal seeds give equal fits.
        """
        draw = np.random.default_rng(seed)
        ends = np.cumsum([len(s.mean) - 1 for s in series])
        chosen = draw.permutation(ends[-1])[:FIT_LATENTS]
        owners = np.searchsorted(ends, chosen, side="right")
        places = list(zip(owners, chosen - ends[owners], strict=True))  # counted from the end
        mean, log_var = (
            np.stack([getattr(series[owner], name)[place] for owner, place in places])
            for name in ("mean", "log_var")
        )
        z = mean + np.exp(log_var / 2) * draw.standard_normal(mean.shape, np.float32)
        steps = fit_steps(len(z))
        batches = [z[draw.integers(len(z), size=FIT_BATCH)] for _ in range(steps)]
        self.compile(fit_adam(steps))
        self.optimizer.build(self.trainable_variables)  # otherwise the step is traced twice
        with warnings.catch_warnings():
            # The warning is about the weights outside the head.
            warnings.filterwarnings("ignore", "Gradients do not exist")
            self.fit(np.concatenate(batches), batch_size=FIT_BATCH, shuffle=False, verbose=0)

    def score(self, batches: Iterable[dict[str, np.ndarray]]) -> dict[str, float]:
        """See GaussianBaselines.score."""
        total = weight = 0.0
        for batch in batches:
            counts = (batch["mask"] * (1 - batch["terminated"])).astype(bool)
            z = batch["next_z"][counts]
            log_densities = self.predict(z, batch_size=FIT_BATCH, verbose=0)
            total -= float(np.sum(log_densities, dtype=np.float64))
            weight += len(z)
        return {"unconditional_nll": total / max(weight, 1)}


def fit_steps(latents: int) -> int:
    """The steps in which a head is fit without inputs to some latents."""
    return max(FEWEST_STEPS, FIT_STEPS * min(latents, FIT_LATENTS) // FIT_LATENTS)


def fit_adam(steps: int) -> keras.optimizers.Adam:
    """The Adam that fits a head without inputs in some steps."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(FIT_RATE, steps))


def held_out_batches(held_out: Sequence[Any], seed: int) -> SeriesBatches:
    """The held-out episodes as batches of whole episodes, each in exactly one batch.

    They are made anew, and are the same, each time that one goes through them.

    Args:
        held_out: Series.
        seed: for the draw of z; equal seeds give equal batches.
    """
    longest = max(len(series) for series in held_out)
    return SeriesBatches(held_out, "episodes", HELD_OUT_BATCH, longest, seed, keep_rest=True)


def unconditional(
    memory: keras.Model,
    training: Sequence[Any],
    batches: Iterable[dict[str, np.ndarray]],
    seed: int,
) -> dict[str, float]:
    """The loss that the head of this kind of memory reaches without inputs; see Unconditional.

    Args:
        memory: M of the kind, built; it is copied.
        training: Series to fit the head to.
        batches: batches to score it on; see held_out_batches.
        seed: for the fit; equal seeds give equal fits.

    Returns:
        unconditional_nll, in nats per dimension.
    """
    density = Unconditional(memory)
    density.fit_latents(training, seed)
    return density.score(batches)
