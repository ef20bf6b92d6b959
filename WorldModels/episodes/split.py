"""Which episodes are held out of training, to measure a network on episodes it has not seen."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from WorldModels.experiment.draws import rng


def held_out(paths: Sequence[Path], share: float) -> tuple[list[Path], list[Path]]:
    """Split episodes into those to train on and those to validate on.

    The files whose names have the lowest hashes are held out. Hence the choice follows no pattern
    in the names, and hardly changes when episodes are added.

    Args:
        paths: the episode files.
        share: share of the episodes to hold out, 0..1; above 0, at least one, but never all.

    Returns:
        (training, validation), each in the order given.
    """
    count = min(max(round(share * len(paths)), int(share > 0)), max(len(paths) - 1, 0))
    ranked = sorted(
        range(len(paths)), key=lambda i: hashlib.sha256(Path(paths[i]).name.encode()).digest()
    )
    out = set(ranked[:count])
    return [p for i, p in enumerate(paths) if i not in out], [paths[i] for i in sorted(out)]


def split_series(
    paths: Sequence[Path], seed: int, share: float, iteration: int
) -> tuple[list[Path], list[Path]]:
    """Split series into those that M trains on and those held out.

    Each iteration's episodes are split separately, so an episode that was held out in its own
    iteration is held out in all later ones.

    Args:
        paths: files of the sound series, in the order of their names.
        seed: the run's seed.
        share: share of each iteration's episodes to hold out, 0..1; above 0, at least one,
            but never all.
        iteration: the current one, to which the names without an iteration number belong.

    Returns:
        (training, held out), each in the order given.
    """
    held_out: set[int] = set()
    iterations = np.array([iteration_of(path.stem, iteration) for path in paths])
    for each in set(iterations.tolist()):
        own = np.flatnonzero(iterations == each)
        count = min(max(round(share * len(own)), share > 0), len(own) - 1)
        draw = rng(seed, "train_memory", "held-out", each)
        held_out |= set(draw.permutation(own)[:count].tolist())
    training = [path for i, path in enumerate(paths) if i not in held_out]
    return training, [paths[i] for i in sorted(held_out)]


def iteration_of(name: str, last: int) -> int:
    """The iteration that recorded an episode, by the name that `named_episodes` gave it."""
    before, dash, _ = name.partition("-")
    return int(before) if dash and before.isdigit() else last
