"""The state of a training as one .npz file: weights, optimizer, metrics, place and rows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from WorldModels.experiment.damage import again
from WorldModels.experiment.files import UNREADABLE, atomic
from WorldModels.experiment.remedies import removed_first


def write_checkpoint(
    path: Path, header: dict, variables: Sequence[Any], metrics: Sequence[np.ndarray]
) -> None:
    """Write a checkpoint, complete or not at all.

    Args:
        path: of the file.
        header: plain values, stored as JSON.
        variables: those of the model and its optimizer.
        metrics: the running metrics of an unfinished epoch.
    """
    arrays = {f"metric_{i:05}": value for i, value in enumerate(metrics)}
    arrays |= {f"variable_{i:05}": array_of(variable) for i, variable in enumerate(variables)}
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def check_checkpoint(path: Path) -> None:
    """Refuse a damaged checkpoint before a stage that continues from it begins.

    Raises:
        ValueError: the file is there, and damaged.
    """
    if path.exists():
        read_checkpoint(path)


def read_checkpoint(path: Path) -> tuple[dict, list[np.ndarray], list[np.ndarray]]:
    """What `write_checkpoint` wrote: header, variables, metrics.

    Raises:
        ValueError: the file is damaged.
    """
    command = again(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            names = sorted(file.files)
            variables = [file[name] for name in names if name.startswith("variable_")]
            metrics = [file[name] for name in names if name.startswith("metric_")]
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: expected a checkpoint, received a damaged file ({error}); train again "
            f"without it: {removed_first(path, command) if command else 'use --force.'}"
        ) from error
    return header, variables, metrics


def array_of(variable: Any) -> np.ndarray:
    """A variable's value."""
    return np.asarray(keras.ops.convert_to_numpy(variable))
