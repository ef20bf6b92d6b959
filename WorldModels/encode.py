"""Show every recorded frame to V, and keep what it sees: 0/episodes + 0/vision.keras ->
0/series/*.npz, 0/first_latents.npz

    python -m WorldModels.encode carracing

A series for each episode, of the same name: mean and log-variance of every frame, with the actions
and rewards. The latents of
the first frames are where dreams begin. An interrupted run goes on where it stopped, and new
episodes are added. In a later
iteration the episodes of those before are shown to its V too: 1/series/0-000003.npz is that of
0/episodes/000003.npz.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import atomic, hash_files
from WorldModels.experiment.run import Run

BATCH = 256  # frames that V looks at in one call
GROUP = 2048  # frames that are gathered, episode by episode, before V is called


def encode(run: Run) -> None:
    """Have a series in 0/series for every sound episode that M is to be trained on."""
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.series import read_series
    from WorldModels.iterations import named_episodes

    recorded, vision_file = (
        named_episodes(run.need_episodes()),
        run.need("vision.keras", "train_vision"),
    )
    stage = run.stage("series", {"vision": hash_files([vision_file])})
    folder, first = run.path / "series", run.path / "first_latents.npz"
    if not stage.anew:
        read_series(folder, run.say)  # sets damaged ones aside
    orphans = {path.name for path in list_episodes(folder)} - set(recorded)
    missing = {
        name: path for name, path in recorded.items() if stage.anew or _older(folder / name, path)
    }
    if stage.complete and not missing and not orphans and first.exists():
        return run.say(f"encode: {len(recorded)} series are there already, in {folder}.")
    look = opened_vision(vision_file)
    stage.begin()
    folder.mkdir(parents=True, exist_ok=True)
    for name in orphans:  # of episodes that are there no more
        (folder / name).unlink(missing_ok=True)
    for name, series in _encoded(missing, look, run.say, len(recorded) - len(missing)):
        series.save(folder / name)
    written = _first_latents(folder, first, run.say)
    stage.finish(series=written)
    run.say(f"encode: {written} series in {folder}.")


def _older(series: Path, episode: Path) -> bool:
    """Whether a series is missing, or was made before its episode was recorded anew."""
    return not series.exists() or series.stat().st_mtime < episode.stat().st_mtime


def opened_vision(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """V of a file as a function from frames (N, H, W, 3) uint8, or vectors (N, D) float32, to mean
    and log-variance (N, Z), in batches
    of one size."""
    import keras

    from WorldModels.assembly.models import load_vision
    from WorldModels.interfaces import observation_dtype

    vision = load_vision(path)
    frames = keras.Input(
        vision.observation_shape, dtype=observation_dtype(vision.observation_shape)
    )
    encoder = keras.Model(frames, vision.encode(frames))

    def look(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if observations.shape[1:] != tuple(vision.observation_shape):
            raise ValueError(
                f"frames: expected {vision.observation_shape} as V was trained on, received {observations.shape[1:]}; "
                "train V again, or name another folder with --results FOLDER."
            )
        padded = np.concatenate(
            [
                observations,
                np.zeros((-len(observations) % BATCH, *observations.shape[1:]), observations.dtype),
            ]
        )
        parts = [
            encoder.predict_on_batch(padded[i : i + BATCH]) for i in range(0, len(padded), BATCH)
        ]
        mean, log_var = (
            np.concatenate(part)[: len(observations)] for part in zip(*parts, strict=True)
        )
        return mean, log_var

    return look


def _encoded(
    episodes: dict[str, Path], look: Callable, say: Callable[[str], None], done: int
) -> Iterator:
    """(name, Series) of each sound episode, V called on many episodes at once; damaged ones are set
    aside and said.
    """
    from tqdm import tqdm

    from WorldModels.episodes.episode import Episode, set_aside

    group = []
    with tqdm(total=done + len(episodes), initial=done, unit="episode", desc="encode") as bar:
        for number, (name, path) in enumerate(episodes.items(), start=1):
            try:
                group.append((name, Episode.load(path)))
            except ValueError as error:
                say(f"set aside as {set_aside(path).name}: {error}")
            if sum(len(episode) + 1 for _, episode in group) >= GROUP or number == len(episodes):
                yield from _series(group, look)
                bar.update(len(group))
                group = []


def _series(group: list, look: Callable) -> Iterator:
    from WorldModels.episodes.series import Series

    if not group:
        return
    mean, log_var = look(np.concatenate([episode.observations for _, episode in group]))
    start = 0
    for name, episode in group:
        here, start = slice(start, start + len(episode) + 1), start + len(episode) + 1
        yield (
            name,
            Series(mean[here], log_var[here], episode.actions, episode.rewards, episode.terminated),
        )


def _first_latents(folder: Path, path: Path, say: Callable[[str], None]) -> int:
    """Write mean and log_var (N, Z) of frame 0 of every series; give N."""
    from WorldModels.episodes.series import read_series

    paths, series = read_series(folder, say)
    if not paths:
        raise ValueError(
            f"{folder.parent / 'episodes'}: expected at least one sound episode, received none; record again."
        )
    mean, log_var = (
        np.stack([getattr(s, name)[0] for s in series]) for name in ("mean", "log_var")
    )
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, mean=mean, log_var=log_var, episodes=np.array([p.stem for p in paths]))
    return len(paths)


def main(argv: list[str] | None = None) -> None:
    run_verb("encode", encode, argv, __doc__)


if __name__ == "__main__":
    main()
