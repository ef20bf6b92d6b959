"""What a reset of a vector world asks for: seeds, and which of its worlds begin again."""

import operator
from collections.abc import Mapping
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
    if not isinstance(options, Mapping | None):
        raise ValueError(
            f"options: expected a dict with {RESET_MASK}, or None, received "
            f"{type(options).__name__}; drop it."
        )
    options = options or {}
    if unknown := [str(name) for name in options if name != RESET_MASK]:
        raise ValueError(
            f"options: expected none but {RESET_MASK}, received {', '.join(unknown)}; drop it."
        )
    try:
        mask = np.asarray(options.get(RESET_MASK, np.ones(count, bool)))
    except ValueError:  # rows of several lengths
        mask = np.asarray(None)
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
            return [_whole(seed) + i for i in range(count)]
        seeds = [None if each is None else _whole(each) for each in seed]
    except (TypeError, ValueError):
        raise ValueError(f"seed: expected whole numbers, 0 or more, received {seed!r}.") from None
    if len(seeds) != count:
        raise ValueError(f"seed: expected one, or {count}, one a world, received {len(seeds)}.")
    return seeds


def _whole(seed: Any) -> int:
    number = operator.index(seed)
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number
