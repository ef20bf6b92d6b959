"""One episode, one .npz: what was seen, done and received. Knows no environment and no network."""

import os
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from WorldModels.experiment.files import atomic


@dataclass
class Episode:
    """One episode, with the observation after the last action kept (T actions, T+1 observations:
    Minari's convention).

    Attributes:
        observations: (T+1, H, W, 3) uint8 frames, or (T+1, D) float32 where the world has no
            picture.
        actions: (T, A) float32 in -1..1; actions[t] leads from observations[t] to
            observations[t+1].
        rewards: (T,) float32; rewards[t] is received for actions[t].
        terminated, truncated: of the last step.
        seed: what the environment was reset with.
        policy: who acted.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    seed: int
    policy: str

    def __len__(self) -> int:
        return len(self.actions)

    def save(self, path: str | os.PathLike) -> None:
        """Write the episode, complete or not at all; stored, not compressed, since reading must
        keep up with training.
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
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Episode":
        """Read an episode.

        Raises:
            ValueError: the file is truncated, not an episode, pickled, or holds NaN; the message
            names it.
        """
        fields = load_npz(
            path,
            {"observations", "actions", "rewards", "terminated", "truncated", "seed", "policy"},
            "an episode",
        )
        _check_shapes(path, fields["observations"].shape, fields["observations"].dtype, fields)
        return cls(
            fields["observations"],
            fields["actions"],
            fields["rewards"],
            bool(fields["terminated"]),
            bool(fields["truncated"]),
            int(fields["seed"]),
            str(fields["policy"]),
        )


def _check_shapes(
    path: str | os.PathLike, shape: tuple[int, ...], dtype: np.dtype, fields: dict[str, np.ndarray]
) -> None:
    """Raise ValueError where observations of this shape and dtype and the other arrays make no
    episode.
    """
    actions, rewards = fields["actions"], fields["rewards"]
    frames = dtype == np.uint8 and len(shape) == 4 and shape[-1] == 3
    if not frames and not (dtype == np.float32 and len(shape) == 2):
        raise ValueError(
            f"{path}: expected frames (T+1, H, W, 3) uint8 or vectors (T+1, D) float32, received {shape} {dtype}."
        )
    if (
        actions.ndim != 2
        or len(actions) == 0
        or shape[0] != len(actions) + 1
        or rewards.shape != actions.shape[:1]
    ):
        raise ValueError(
            f"{path}: expected T+1 observations, (T, A) actions and (T,) rewards, received {shape[0]}, {actions.shape} and "
            f"{rewards.shape}; record it again."
        )
    if any(fields[name].shape for name in ("terminated", "truncated", "seed", "policy")):
        raise ValueError(
            f"{path}: expected one value each of terminated, truncated, seed and policy, received arrays."
        )


def load_npz(path: str | os.PathLike, names: set[str], what: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz that a stranger may have written: no pickles, the expected names, only
    finite numbers.

    Raises:
        ValueError: it is not so; the message names the file.
    """
    try:
        with open(path, "rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as file:
            missing = names - set(file.files)
            if missing:
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
            fields = {name: file[name] for name in names}
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
    ) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(
            f"{path}: expected {what} (.npz), received a file that cannot be read as one: {error}."
        ) from None
    for name, array in fields.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"{path}: expected finite numbers, received NaN or infinity in {name}."
            )
    return fields


def list_episodes(folder: str | os.PathLike) -> list[Path]:
    """The .npz files of a folder in the order of their names, without those that are still being
    written.
    """
    return sorted(
        path
        for path in Path(folder).glob("*.npz")
        if not path.name.startswith(".") and path.is_file()
    )


def set_aside(path: Path) -> Path:
    """Rename a damaged file to NAME.damaged, so that it is kept but never read again; give the new
    path.
    """
    target = path.with_name(path.name + ".damaged")
    os.replace(path, target)
    return target


def check_episode(path: str | os.PathLike, frames: bool = False) -> tuple[int, ...]:
    """Shape of a stored episode's observations, found without reading them, or with `frames` by
    reading the whole episode.

    Raises:
        ValueError: the file is truncated, not an episode, its lengths disagree, or (with `frames`)
        a checksum is wrong or
            an observation is NaN; the message names it.
    """
    if frames:
        return Episode.load(path).observations.shape
    fields = load_npz(
        path, {"actions", "rewards", "terminated", "truncated", "seed", "policy"}, "an episode"
    )
    try:
        with zipfile.ZipFile(path) as file, file.open("observations.npy") as member:
            np.lib.format.read_magic(member)
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(member)
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: expected an episode (.npz), received a file whose observations cannot be read: {error}."
        ) from None
    if fortran_order:
        raise ValueError(f"{path}: expected observations in C order, received Fortran order.")
    _check_shapes(path, shape, dtype, fields)
    return shape


def sound_episodes(folder: str | os.PathLike, say=print, frames: bool = False) -> list[Path]:
    """The episodes of a folder in the order of their names; damaged files are set aside by name and
    counted, never read again.

    Args:
        folder: of the episodes.
        say: told of every file that is set aside.
        frames: read every frame, so that none is found damaged later.
    """
    shapes, damaged = {}, 0
    for path in list_episodes(folder):
        try:
            shapes[path] = check_episode(path, frames)[1:]
        except ValueError as error:
            damaged += 1
            say(f"set aside as {set_aside(path).name}: {error}")
    usual = Counter(shapes.values()).most_common(1)[0][0] if shapes else None
    for path in [path for path, shape in shapes.items() if shape != usual]:
        damaged += 1
        say(
            f"set aside as {set_aside(path).name}: {path}: expected observations {usual} like the others, received {shapes.pop(path)}."
        )
    if damaged:
        say(
            f"{damaged} damaged file{'s' * (damaged > 1)} set aside, {len(shapes)} episodes are sound."
        )
    return list(shapes)
