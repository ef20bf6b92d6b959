"""What a reset of a vector world asks for: seeds, and which of its worlds begin again."""

import operator
from typing import Any

import numpy as np

RESET_MASK = "reset_mask"  # Gymnasium's option that names the worlds to begin again


def asked_of_reset(count: int, seed: Any, options: dict | None) -> tuple[list, np.ndarray]:
    """What the reset of a vector world begins: the seed of each world, and a mask (count,).

    Args:
        count: number of worlds.
        seed: a whole number of any type: world i takes seed + i; or one or None for each world.
        options: {"reset_mask": (count,) bool}, or None: all.

    Raises:
        ValueError: an option is unknown, or the seeds or the mask have another length or type.
    """
    options = options or {}
    if unknown := [str(name) for name in options if name != RESET_MASK]:
        raise ValueError(
            f"options: expected none but {RESET_MASK}, received {', '.join(unknown)}; drop it."
        )
    mask = np.asarray(options.get(RESET_MASK, np.ones(count, bool)))
    if mask.dtype != bool or mask.shape != (count,):
        there = len(mask) if mask.ndim == 1 else f"shape {mask.shape}"
        raise ValueError(
            f"{RESET_MASK}: expected {count} bools, one a world, received {there} ({mask.dtype})."
        )
    return _seeds(count, seed), mask


def _seeds(count: int, seed: Any) -> list[int | None]:
    seed = [None] * count if seed is None else seed
    try:
        if np.ndim(seed) == 0:
            return [operator.index(seed) + i for i in range(count)]
        seeds = [None if each is None else operator.index(each) for each in seed]
    except TypeError:
        raise ValueError(f"seed: expected whole numbers, received {seed!r}.") from None
    if len(seeds) != count:
        raise ValueError(f"seed: expected one, or {count}, one a world, received {len(seeds)}.")
    return seeds
