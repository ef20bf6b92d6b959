"""Which episodes are held out of training, and so say how well a network does on new ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from WorldModels.experiment.run import rng


def split_series(
    paths: Sequence[Path], seed: int, share: float, iteration: int
) -> tuple[list[Path], list[Path]]:
    """Series that M trains on, and whole episodes held out.

    Each iteration's episodes are split by themselves, so an episode that its own iteration held out
    is held out in all later ones.

    Args:
        paths: files of the sound series, in the order of their names.
        seed: of the run.
        share: of each iteration's episodes to hold out, 0..1; above 0 it is at least one, but never
            all.
        iteration: the present one, which recorded the episodes without a number before a dash.

    Returns:
        (training, held out), each in the order given.
    """
    held_out: set[int] = set()
    iterations = np.array([_iteration_of(path.stem, iteration) for path in paths])
    for each in set(iterations.tolist()):
        own = np.flatnonzero(iterations == each)
        count = min(max(round(share * len(own)), share > 0), len(own) - 1)
        draw = rng(seed, "train_memory", "held-out", each)
        held_out |= set(draw.permutation(own)[:count].tolist())
    training = [path for i, path in enumerate(paths) if i not in held_out]
    return training, [paths[i] for i in sorted(held_out)]


def _iteration_of(name: str, last: int) -> int:
    """Which iteration recorded an episode: 0 for 0-000003, the last for 000003."""
    before, dash, _ = name.partition("-")
    return int(before) if dash and before.isdigit() else last
