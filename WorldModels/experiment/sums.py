"""Sums of trained networks, by which a stage knows whether its V or M is still the same."""

import hashlib
import zipfile
from pathlib import Path

from WorldModels.experiment.files import UNREADABLE, hash_files, once
from WorldModels.experiment.remedies import command_for, removed_first

WEIGHTS = "weights"  # under which an exported file carries the sum of its weights
VISION, MEMORY = "vision.keras", "memory.keras"
MADE_BY = {VISION: "train_vision", MEMORY: "train_memory", "judge.keras": "train_memory"}
OF_VISION = {"vision", "encode.onnx", "decode.onnx"}  # exported from V alone
ARRAYS = "model.weights.h5"  # in a .keras file


class WeightsSum(str):
    """The SHA-256 of the weights in .keras files, whatever their dates.

    Args:
        files: .keras files.

    Raises:
        ValueError: a file is damaged.
    """

    files: tuple[Path, ...]

    def __new__(cls, *files: str | Path):
        digest = hashlib.sha256()
        for file in map(Path, files):
            try:
                digest.update(_sum_of_arrays(file))
            except UNREADABLE as error:
                verb = MADE_BY.get(file.name, "train_vision")
                raise ValueError(
                    f"{file}: expected a network (.keras), received a damaged file ({error}); make "
                    f"it again: {removed_first(file, command_for(file, verb))}"
                ) from None
        made = super().__new__(cls, f"{WEIGHTS} {digest.hexdigest()}")
        made.files = tuple(map(Path, files))
        return made

    def agrees(self, stored: str) -> bool:
        """Whether a stored sum is of these weights; older stages store that of the whole files."""
        if stored.startswith(f"{WEIGHTS} "):
            return stored == self
        return stored == hash_files(list(self.files))


@once
def _sum_of_arrays(file: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return hashlib.sha256(archive.read(ARRAYS)).digest()


def agrees(now: str, stored: str | None) -> bool:
    """Whether an input is the one that a stage's file lists; an older file may not list it."""
    if stored is None:
        return True
    return now.agrees(stored) if isinstance(now, WeightsSum) else now == stored


def changed_inputs(now: dict[str, str], stored: dict[str, str]) -> list[str]:
    """The names of the inputs that differ from those that a stage's file lists."""
    gone = [name for name in stored if name not in now]
    return [name for name, value in now.items() if not agrees(value, stored.get(name))] + gone


def present_sum(exported: Path) -> str:
    """The sum of the weights that an exported file should hold; empty if they are not beside it.

    Args:
        exported: a file or folder that is exported from V, M or both, in an iteration's folder.
    """
    if exported.name == "perception.onnx":
        names = (VISION, MEMORY)
    else:
        names = (VISION,) if exported.name in OF_VISION else (MEMORY,)
    files = [exported.with_name(name) for name in names]
    return WeightsSum(*files) if all(file.exists() for file in files) else ""
