"""Which mean a search began with: a search in the real world may start from a dream's driver.

If the dream is evolved further, that search is made again from the dream's new mean.
"""

import hashlib
from pathlib import Path

import numpy as np

from WorldModels.experiment.files import put_aside, read_json, remove, write_json
from WorldModels.experiment.remedies import command_for, removed_first
from WorldModels.experiment.rows import read_rows

FILE = "began.json"  # the hash of the mean, in the search's folder
DREAM = "dream"  # folder of the dream's own search, inside that of the search that it precedes


def mark(folder: Path, mean: np.ndarray) -> None:
    """Record that the search in a folder begins with a mean (N,)."""
    write_json(folder / FILE, {"mean": _hash(mean)})


def is_marked(folder: Path) -> bool:
    """Whether it is recorded what the search in a folder began with."""
    return (folder / FILE).exists()


def is_under_way(folder: Path) -> bool:
    """Whether a search in a folder has completed a generation."""
    return (folder / "state.pkl").exists()


def began_elsewhere(folder: Path, mean: np.ndarray) -> bool:
    """Whether the search in a folder is under way, and began with another mean than this (N,)."""
    path = folder / FILE
    again = removed_first(path, command_for(path, "train_controller"))
    return is_under_way(folder) and read_json(path, lambda: again) != {"mean": _hash(mean)}


def clear(path: Path, folder: Path, events: Path, worth_keeping: float) -> Path | None:
    """Remove a search, but not the dream's inside it; one that took long is put aside.

    Args:
        path: of the iteration, which gets the folder replaced/.
        folder: of the search.
        events: folder of its TensorBoard files.
        worth_keeping: seconds that a search must have taken to be put aside.

    Returns:
        Where it is kept; None if it is removed.
    """
    seconds = float((read_rows(folder / "generations.csv") or [{}])[-1].get("elapsed_seconds", 0))
    found = [each for place in (folder, events) for each in sorted(place.glob("*"))]
    # The state goes first: without it, nothing else of a search is read.
    found.sort(key=lambda each: each.name != "state.pkl")
    found = [each for each in found if each.name != DREAM]
    kept = put_aside(path, "controller", found) if seconds > worth_keeping else None
    for each in found:
        remove(each)
    return kept


def _hash(mean: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(mean, np.float64).tobytes()).hexdigest()
