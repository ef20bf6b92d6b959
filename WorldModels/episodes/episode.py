"""One episode in one .npz file: observations, actions and rewards."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from WorldModels.experiment.damage import readable
from WorldModels.experiment.files import atomic
from WorldModels.interfaces import REWARD_SCALE

SMALL_FIELDS = ("actions", "rewards", "terminated", "truncated", "seed", "policy")


@dataclass
class Episode:
    """One episode: T actions and T+1 observations, the last one included (Minari's convention).

    Attributes:
        observations: (T+1, H, W, 3) uint8 frames, or (T+1, D) float32 where the world has no
            picture.
        actions: (T, A) float32 in -1..1; actions[t] leads from observations[t] to
            observations[t+1].
        rewards: (T,) float32; rewards[t] is received for actions[t].
        terminated, truncated: of the last step.
        seed: the seed that the environment was reset with.
        policy: name of the policy that acted.
        reward_scale: see interfaces.REWARD_SCALE; 0: unknown, or the game has none.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    seed: int
    policy: str
    reward_scale: float = 0.0

    def __len__(self) -> int:
        return len(self.actions)

    def save(self, path: str | os.PathLike) -> None:
        """Write the episode atomically.

        It is not compressed, so that reading keeps up with training.
        """
        with atomic(path) as temporary:
            np.savez(
                temporary,
                observations=self.observations,
                actions=self.actions.astype(np.float32),
                rewards=self.rewards.astype(np.float32),
                terminated=np.bool_(self.terminated),
                truncated=np.bool_(self.truncated),
                seed=np.int64(self.seed),
                policy=np.str_(self.policy),
                reward_scale=np.float64(self.reward_scale),
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Episode":
        """Read an episode.

        Raises:
            ValueError: the file is truncated, not an episode, pickled, or holds NaN; the message
                names it.
        """
        names = {"observations", *SMALL_FIELDS}
        fields = load_npz(path, names, "an episode", {REWARD_SCALE: 0.0})
        check_shapes(path, fields["observations"].shape, fields["observations"].dtype, fields)
        return cls(
            fields["observations"],
            fields["actions"],
            fields["rewards"],
            bool(fields["terminated"]),
            bool(fields["truncated"]),
            int(fields["seed"]),
            str(fields["policy"]),
            float(fields[REWARD_SCALE]),
        )


def check_shapes(
    path: str | os.PathLike, shape: tuple[int, ...], dtype: np.dtype, fields: dict[str, np.ndarray]
) -> None:
    """Check that observations of this shape and dtype and the other arrays make an episode.

    Raises:
        ValueError: they do not.
    """
    frames = dtype == np.uint8 and len(shape) == 4 and shape[-1] == 3
    if not frames and not (dtype == np.float32 and len(shape) == 2):
        raise ValueError(
            f"{path}: expected frames (T+1, H, W, 3) uint8 or vectors (T+1, D) float32, "
            f"received {shape} {dtype}."
        )
    actions, rewards = fields["actions"].shape, fields["rewards"].shape
    if len(actions) != 2 or not shape[0] - 1 == actions[0] > 0 or rewards != actions[:1]:
        raise ValueError(
            f"{path}: expected T+1 observations, (T, A) actions and (T,) rewards, "
            f"received {shape[0]}, {actions} and {rewards}; record it again."
        )
    if any(fields[name].shape for name in ("terminated", "truncated", "seed", "policy")):
        raise ValueError(
            f"{path}: expected one value each of terminated, truncated, seed and policy, "
            "received arrays."
        )


def load_npz(
    path: str | os.PathLike,
    names: set[str],
    what: str,
    since: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz that cannot be trusted.

    Args:
        path: .npz file.
        names: names of the arrays to read.
        what: what the file should be, for the error message.
        since: numbers that files of earlier versions lack, and what they then are.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read, lacks an array, is pickled, or holds NaN or infinity; the
            message names the file.
    """
    with readable(path, f"{what} (.npz)"):
        fields = _read_npz(path, names, since)
    for name, array in fields.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"{path}: expected finite numbers, received NaN or infinity in {name}."
            )
    return fields


def _read_npz(
    path: str | os.PathLike, names: set[str], since: Mapping[str, float]
) -> dict[str, np.ndarray]:
    with open(path, "rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as file:
        missing = names - set(file.files)
        if missing:
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
        later = {
            name: file[name] if name in file.files else np.asarray(value)
            for name, value in since.items()
        }
        return {name: file[name] for name in names} | later


def list_episodes(folder: str | os.PathLike) -> list[Path]:
    """The complete .npz files of a folder, in the order of their names."""
    return sorted(
        path
        for path in Path(folder).glob("*.npz")
        if not path.name.startswith(".") and path.is_file()
    )


def set_aside(path: Path) -> Path:
    """Rename a damaged file to NAME.damaged, so that it is kept but never read again.

    Returns:
        The new path.
    """
    target = path.with_name(path.name + ".damaged")
    os.replace(path, target)
    return target


def sound_files(
    paths: Iterable[Path], read: Callable[[Path], Any], say: Callable[[str], None]
) -> Iterator[tuple[Path, Any]]:
    """Each file, and what `read` makes of it; those that it refuses are set aside.

    Args:
        paths: of the files.
        read: raises a ValueError for a damaged file.
        say: receives a line about every file that is set aside.
    """
    for path in paths:
        try:
            found = read(path)
        except ValueError as error:
            say(f"set aside as {set_aside(path).name}: {error}")
        else:
            yield path, found
