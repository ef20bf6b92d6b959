"""Gives the episodes of several iterations distinct names (paper section 5)."""

from pathlib import Path

from WorldModels.episodes.episode import list_episodes


def named_episodes(folders: list[Path]) -> dict[str, Path]:
    """The episodes of these iterations, by name.

    Those of the last iteration keep their names; 000003.npz of iteration 0 becomes 0-000003.npz.

    Args:
        folders: see experiment.run.Run.need_episodes.
    """
    earlier = {
        f"{folder.parent.name}-{path.name}": path
        for folder in folders[:-1]
        for path in list_episodes(folder)
    }
    return earlier | {path.name: path for path in list_episodes(folders[-1])}


def damaged_names(folders: list[Path]) -> set[str]:
    """The names, as in `named_episodes`, of the episodes that were set aside as damaged."""
    names = set()
    for folder in folders:
        prefix = "" if folder == folders[-1] else f"{folder.parent.name}-"
        names |= {f"{prefix}{path.stem}" for path in folder.glob("*.npz.damaged")}
    return names
