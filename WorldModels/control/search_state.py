"""Reads the state of an evolution from state.pkl, even from an earlier version of this package."""

import pickle
from pathlib import Path
from typing import Any

# Where a class was when a run was made -> where it is now.
MOVED = {
    ("WorldModels.control.evolution", "CMAES"): ("WorldModels.control.strategies.cmaes", "CMAES"),
    ("WorldModels.control.evolution", "_Normal"): (
        "WorldModels.control.strategies.cmaes",
        "_Normal",
    ),
}


class _Unpickler(pickle.Unpickler):
    """Finds our classes under the names they had when the state was written."""

    def find_class(self, module: str, name: str) -> Any:
        """The class that a name in the file refers to."""
        return super().find_class(*MOVED.get((module, name), (module, name)))


def load_state(folder: Path) -> tuple[Any, Any] | None:
    """The evolution and its Progress after the last complete generation; None if there is none.

    It unpickles, so it must only read files that we wrote ourselves.

    Args:
        folder: the evolution's folder, see generations.Generations.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / "state.pkl"
    if not path.exists():
        return None
    try:
        with open(path, "rb") as file:
            return _Unpickler(file).load()
    except Exception as error:
        raise ValueError(
            f"{path}: expected the state of an evolution, received a damaged file ({error}); "
            "use --force."
        ) from None
