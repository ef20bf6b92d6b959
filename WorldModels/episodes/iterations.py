"""The episodes of several iterations under names of their own (paper section 5)."""

from pathlib import Path

from WorldModels.episodes.episode import list_episodes


def named_episodes(folders: list[Path]) -> dict[str, Path]:
    """The episodes of some iterations by name.

    The last iteration's keep their names; 000003.npz of iteration 0 is called 0-000003.npz.

    Args:
        folders: see experiment.run.Run.need_episodes.
    """
    earlier = {
        f"{folder.parent.name}-{path.name}": path
        for folder in folders[:-1]
        for path in list_episodes(folder)
    }
    return earlier | {path.name: path for path in list_episodes(folders[-1])}
