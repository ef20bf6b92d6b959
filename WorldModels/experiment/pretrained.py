"""Trained drivers that come with the package, in WorldModels/pretrained/NAME/.

    networks.safetensors   every weight of V and M, in float16
    settings.json          what V, M and C were made with, and the sums of the other files
    first_latents.npz      where dreams begin
    controller.npz         the mean of C's search, and its sigma
    generations.csv        the rows of that search

The first use makes a run of one, results/NAME-pretrained, where verbs read and write as in any
other. Nothing is written into the package.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.files import hash_files, read_json, sum_of

PREFIX = "pretrained:"  # before a name, where a flag takes the folder of a run too
HERE = Path(__file__).resolve().parents[1] / "pretrained"
NETWORKS, SETTINGS, LATENTS = "networks.safetensors", "settings.json", "first_latents.npz"
DRIVER, ROWS = "controller.npz", "generations.csv"
MADE_FROM = "pretrained.json"  # in the folder of the run: the sum of what it was made from


def names() -> list[str]:
    """The trained drivers that there are."""
    return sorted(path.parent.name for path in HERE.glob(f"*/{SETTINGS}"))


def is_pretrained(source: str) -> bool:
    """Whether a flag names a trained driver instead of a folder."""
    return source.startswith(PREFIX)


def source_of(source: str, say: Callable[[str], None] = print) -> Path:
    """The folder of the run that a flag names; that of a trained driver is made by its first use.

    Args:
        source: a folder, or pretrained:NAME.
        say: prints a line before the seconds that making it takes.

    Raises:
        ValueError: no such driver; or it is damaged; or the folder was made from another one.
    """
    if not is_pretrained(source):
        return Path(source)
    name = source.removeprefix(PREFIX)
    if name not in names():
        known = ", ".join(f"{PREFIX}{each}" for each in names()) or "none in this version"
        raise ValueError(
            f"{PREFIX}{name}: expected a driver that comes with the package ({known}) or the "
            f"folder of a run, received {name!r}."
        )
    folder, made_from = Path("results") / f"{name}-pretrained", {"pack": sum_of_all(HERE / name)}
    if folder.exists() and read_json(folder / MADE_FROM) != made_from:
        raise ValueError(
            f"{folder}: expected the run that was made from {source}, received another one; "
            f"rename or remove it: mv {folder} {folder}-before"
        )
    if not folder.exists():
        say(f"{source}: makes its V and M in {folder}, once.")
        _make(HERE / name, folder)
    return folder


def _make(pack: Path, folder: Path) -> None:
    """Make the run of a trained driver, in a process of its own, which imports Keras."""
    module = "WorldModels.assembly.packing"
    words = [sys.executable, "-m", module, "unpack", str(pack), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise ValueError(f"{PREFIX}{pack.name}: cannot be made in {folder}: {reason}")


def settings_of(pack: Path) -> dict[str, Any]:
    """What a trained driver was made with.

    Args:
        pack: its folder in the package.

    Raises:
        ValueError: a file of it is damaged.
    """
    found = read_json(pack / SETTINGS, lambda: "install the package again")
    for file, (size, sum_) in found["sums"].items():
        path = pack / file
        if not path.exists() or path.stat().st_size != size or sum_of(path) != sum_:
            raise ValueError(
                f"{path}: expected a file of the package, received a damaged or missing one; "
                "install the package again."
            )
    return found


def sum_of_all(pack: Path) -> str:
    """One sum of all files of a trained driver."""
    return hash_files([pack / file for file in (*settings_of(pack)["sums"], SETTINGS)])


def weights_of(pack: Path) -> dict[str, np.ndarray]:
    """The weights of V and M, float16, by names such as vision/encoder/mean/kernel."""
    from safetensors.numpy import load_file

    return load_file(pack / NETWORKS)
