"""What a memory must beat: two densities of the next latent that learn nothing but a variance for each dimension."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


class GaussianBaselines:
    """Two Gaussians for every latent dimension, fit to series in closed form.

        static         N(mean of all z, their variance)
        copy_previous  N(z before, mean square of a step's change)

    z = mean + exp(log_var / 2) * noise is random: its variance enters both, twice in the difference of two draws.

    Args:
        series: objects with mean and log_var (T+1, Z).
    """

    def __init__(self, series: Sequence[Any]):
        means = np.concatenate([s.mean for s in series]).astype(np.float64)
        noise = np.mean(np.exp(np.concatenate([s.log_var for s in series]).astype(np.float64)), axis=0)
        steps = np.concatenate([np.diff(s.mean, axis=0) for s in series]).astype(np.float64)
        self.mean, self.variance = means.mean(axis=0), means.var(axis=0) + noise
        self.step_variance = np.mean(steps**2, axis=0) + 2 * noise

    def score(self, batches: Iterable[dict[str, np.ndarray]]) -> dict[str, float]:
        """Mean negative log-density per dimension, in nats, of the steps that count in batches as MDNRNN.compute_loss takes them."""
        totals, weight = np.zeros(2), 0.0
        for batch in batches:
            counts = (batch["mask"] * (1 - batch["terminated"]))[..., None]
            static = _negative_log_density(batch["next_z"] - self.mean, self.variance)
            copied = _negative_log_density(batch["next_z"] - batch["z"], self.step_variance)
            totals += np.sum(static * counts), np.sum(copied * counts)
            weight += counts.sum() * self.mean.size
        static, copied = totals / max(weight, 1.0)
        return {"static_nll": float(static), "copy_previous_nll": float(copied)}


def _negative_log_density(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return 0.5 * (difference**2 / variance + np.log(2 * np.pi * variance))
