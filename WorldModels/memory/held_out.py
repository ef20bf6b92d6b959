"""How well a memory predicts held-out episodes, and what its head reaches without any input."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from WorldModels.memory.baselines import Unconditional
from WorldModels.memory.batches import SeriesBatches

BATCH = 50  # episodes at a time


def held_out_batches(held_out: Sequence[Any], seed: int) -> list[dict[str, np.ndarray]]:
    """The held-out episodes as batches of whole episodes (see batches.SeriesBatches).

    Args:
        held_out: Series.
        seed: of the draw of z; equal seeds give equal batches.
    """
    longest = max(len(series) for series in held_out)
    batches = SeriesBatches(held_out, "episodes", BATCH, longest, seed)
    return [batches[i] for i in range(len(batches))]


def unconditional(
    memory: keras.Model, training: Sequence[Any], batches: list[dict[str, np.ndarray]], seed: int
) -> dict[str, float]:
    """What the head of this kind of memory reaches without inputs; see baselines.Unconditional.

    Args:
        memory: of the kind; it is copied.
        training: Series to fit the head to.
        batches: what it is scored on: see held_out_batches.
        seed: of the fit; equal seeds give equal fits.

    Returns:
        unconditional_nll, in nats a dimension.
    """
    density = Unconditional(memory)
    density.fit_latents(training, seed)
    return density.score(batches)
