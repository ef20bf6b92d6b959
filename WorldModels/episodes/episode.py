"""One episode, one .npz: what was seen, done and received. Knows no environment and no network."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from WorldModels.experiment.files import atomic


@dataclass
class Episode:
    """One episode, with the observation after the last action kept (T actions, T+1 observations: Minari's convention).

    Attributes:
        observations: (T+1, H, W, 3) uint8 frames, or (T+1, D) float32 where the world has no picture.
        actions: (T, A) float32 in -1..1; actions[t] leads from observations[t] to observations[t+1].
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
        """Write the episode, complete or not at all; stored, not compressed, since reading must keep up with training."""
        with atomic(path) as temporary:
            np.savez(temporary, observations=self.observations, actions=self.actions.astype(np.float32),
                     rewards=self.rewards.astype(np.float32), terminated=np.bool_(self.terminated),
                     truncated=np.bool_(self.truncated), seed=np.int64(self.seed), policy=np.str_(self.policy))  # fmt: skip

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Episode":
        """Read an episode.

        Raises:
            ValueError: the file is truncated, not an episode, pickled, or holds NaN; the message names it.
        """
        fields = load_npz(path, {"observations", "actions", "rewards", "terminated", "truncated", "seed", "policy"}, "an episode")
        episode = cls(fields["observations"], fields["actions"], fields["rewards"], bool(fields["terminated"]),
                      bool(fields["truncated"]), int(fields["seed"]), str(fields["policy"]))  # fmt: skip
        steps = len(episode.actions)
        if steps == 0 or len(episode.observations) != steps + 1 or episode.rewards.shape != (steps,):
            raise ValueError(
                f"{path}: expected T+1 observations, T actions and T rewards, received {len(episode.observations)}, "
                f"{steps} and {episode.rewards.shape}; record it again."
            )
        return episode


def load_npz(path: str | os.PathLike, names: set[str], what: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz that a stranger may have written: no pickles, the expected names, only finite numbers.

    Raises:
        ValueError: it is not so; the message names the file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = names - set(file.files)
            if missing:
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
            fields = {name: file[name] for name in names}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: expected {what} (.npz), received a file that cannot be read as one: {error}.") from None
    for name, array in fields.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{path}: expected finite numbers, received NaN or infinity in {name}.")
    return fields


def list_episodes(folder: str | os.PathLike) -> list[Path]:
    """The .npz files of a folder in the order of their names, without those that are still being written."""
    return sorted(path for path in Path(folder).glob("*.npz") if not path.name.startswith("."))


def set_aside(path: Path) -> Path:
    """Rename a damaged file to NAME.damaged, so that it is kept but never read again; give the new path."""
    target = path.with_name(path.name + ".damaged")
    os.replace(path, target)
    return target


def check_episode(path: str | os.PathLike, frames: bool = False) -> int:
    """Length of a stored episode in steps, found without reading its frames, or with `frames` by reading them all.

    Raises:
        ValueError: the file is truncated, not an episode, its lengths disagree, or (with `frames`) a checksum is wrong;
            the message names it.
    """
    fields = load_npz(path, {"actions", "rewards", "terminated", "truncated", "seed", "policy"}, "an episode")
    with zipfile.ZipFile(path) as file:
        if "observations.npy" not in file.namelist():
            raise ValueError(f"{path}: expected an episode (.npz), received a file without observations.")
        with file.open("observations.npy") as member:
            np.lib.format.read_magic(member)
            shape = np.lib.format.read_array_header_1_0(member)[0]
        if frames and file.testzip():
            raise ValueError(f"{path}: expected an episode (.npz), received one whose {file.testzip()} is damaged.")
    if shape[0] != len(fields["actions"]) + 1 or len(fields["rewards"]) != len(fields["actions"]):
        raise ValueError(f"{path}: expected T+1 observations for {len(fields['actions'])} actions, received {shape[0]}.")
    return len(fields["actions"])


def sound_episodes(folder: str | os.PathLike, say=print, frames: bool = False) -> list[Path]:
    """The episodes of a folder in the order of their names; damaged files are set aside by name and counted, never read again.

    Args:
        folder: of the episodes.
        say: told of every file that is set aside.
        frames: read every frame, so that none is found damaged later.
    """
    sound, damaged = [], []
    for path in list_episodes(folder):
        try:
            check_episode(path, frames)
            sound.append(path)
        except ValueError as error:
            damaged.append(set_aside(path))
            say(f"set aside as {damaged[-1].name}: {error}")
    if damaged:
        say(f"{len(damaged)} damaged file{'s' * (len(damaged) > 1)} set aside, {len(sound)} episodes are sound.")
    return sound
