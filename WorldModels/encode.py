"""Encode every recorded frame with V: 0/episodes/ -> 0/series/*.npz, 0/first_latents.npz.

    python -m WorldModels.encode carracing

Each episode becomes a series of the same name: mean and log-variance of every frame, with the
actions and rewards. Dreams begin at the latents of the first frames. An interrupted run continues
where it stopped, and new episodes are added. A later iteration's V encodes the earlier episodes
too: 1/series/0-000003.npz comes from 0/episodes/000003.npz.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.damage import is_sound
from WorldModels.experiment.files import atomic
from WorldModels.experiment.lineage import note_vision
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import listed_sums, stage_facts

ENCODED = "encoded"  # in the stage's file: series -> the sum of the episode that it was made from
GROUP = 2048  # frames to gather, episode by episode, before V is called


def encode(run: Run) -> None:
    """Encode every sound episode that M is to train on into 0/series."""
    from WorldModels.assembly.opening import keras_encoder
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.frames import sound_episodes
    from WorldModels.episodes.iterations import damaged_names, named_episodes
    from WorldModels.episodes.series import sound_series
    from WorldModels.experiment.reuse import inputs_of

    episodes = run.need_episodes()
    for each in episodes:
        sound_episodes(each, run.say)  # sets damaged ones aside
    recorded = named_episodes(episodes)
    vision_file = run.need("vision.keras", "train_vision")
    stage = run.stage("series", inputs_of(run, "series"))
    folder, first = run.path / "series", run.path / "first_latents.npz"
    if not stage.anew:
        sound_series(folder, run.say)
    damaged = damaged_names(episodes)  # what was made from them while they were sound stays
    orphans = {path.name for path in list_episodes(folder)} - set(recorded) - damaged
    sums = _sums(recorded)
    before = {} if stage.anew else (stage_facts(run.path, "series") or {}).get(ENCODED, {})
    missing = {
        name: path
        for name, path in recorded.items()
        if stage.anew or _other(folder / name, path, before.get(name), sums[name])
    }
    if stage.complete and not missing and not orphans and is_sound(first, run.say):
        return run.say(f"encode: {len(recorded)} series are there already, in {folder}.")
    look = keras_encoder(vision_file)
    note_vision(run)
    stage.begin(**{ENCODED: {name: before[name] for name in before if name not in missing}})
    folder.mkdir(parents=True, exist_ok=True)
    for name in orphans:  # their episodes are gone
        (folder / name).unlink(missing_ok=True)
    for name, series in _encoded(missing, look, run.say, len(recorded) - len(missing)):
        series.save(folder / name)
    written = _write_first_latents(folder, first, run.say)
    stage.finish(series=written, **{ENCODED: {name: sum_ for name, sum_ in sums.items() if sum_}})
    run.say(f"encode: {written} series in {folder}.")


def _sums(episodes: dict[str, Path]) -> dict[str, str]:
    """The sums that the episodes' own stages list; empty for an episode that is not listed."""
    listed = cache(partial(listed_sums, name="episodes"))
    return {
        name: listed(path.parents[1]).get(f"episodes/{path.name}", [0, ""])[1]
        for name, path in episodes.items()
    }


def _other(series: Path, episode: Path, encoded: str | None, present: str) -> bool:
    """Whether a series is missing or was made from another episode.

    Where the sum of the episode is unknown, then or now, the younger file tells.
    """
    if not series.exists():
        return True
    if encoded and present:
        return encoded != present
    return series.stat().st_mtime < episode.stat().st_mtime


def _encoded(
    episodes: dict[str, Path], look: Callable, say: Callable[[str], None], done: int
) -> Iterator:
    """(name, Series) of each sound episode; V is called on several episodes at once.

    Damaged episodes are set aside, with a line that names them.
    """
    from tqdm import tqdm

    from WorldModels.episodes.episode import Episode, sound_files

    names, group, frames = {path: name for name, path in episodes.items()}, [], 0
    total = done + len(episodes)
    with tqdm(total=total, initial=done, unit="episode", desc="encode") as bar:
        for path, episode in sound_files(names, Episode.load, say):
            group.append((names[path], episode))
            frames += len(episode) + 1
            if frames >= GROUP:
                yield from _series(group, look)
                bar.update(len(group))
                group, frames = [], 0
        yield from _series(group, look)
        bar.update(len(group))


def _series(group: list, look: Callable) -> Iterator:
    from WorldModels.episodes.series import Series

    if not group:
        return
    mean, log_var = look(np.concatenate([episode.observations for _, episode in group]))
    start = 0
    for name, episode in group:
        here, start = slice(start, start + len(episode) + 1), start + len(episode) + 1
        latents = mean[here], log_var[here]
        rewards = episode.rewards, episode.terminated, episode.reward_scale
        yield name, Series(*latents, episode.actions, *rewards)


def _write_first_latents(folder: Path, path: Path, say: Callable[[str], None]) -> int:
    """Write mean and log_var (N, Z) of frame 0 of every series; return N."""
    from WorldModels.episodes.episode import list_episodes, sound_files
    from WorldModels.episodes.series import first_frame

    found = dict(sound_files(list_episodes(folder), first_frame, say))
    if not found:
        raise ValueError(
            f"{folder.parent / 'episodes'}: expected at least one sound episode, received none; "
            "record again."
        )
    mean, log_var = (
        np.stack([each[name] for each in found.values()]) for name in ("mean", "log_var")
    )
    episodes = np.array([path.stem for path in found])
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, mean=mean, log_var=log_var, episodes=episodes)
    return len(found)


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("encode", encode, argv, __doc__)


if __name__ == "__main__":
    main()
