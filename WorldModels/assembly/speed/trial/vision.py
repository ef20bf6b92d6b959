"""Tries V: some training steps, what follows an epoch, its export, and encoding."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from WorldModels.assembly.speed.trial.small_run import SmallRun, timed, twice

CALLS = 8  # of V on a whole batch, which encode makes for a group of episodes
HELD_OUT = 256  # frames that V is scored on
SHOWN, SAMPLES = 16, 128  # frames in an epoch's picture, and random latents that are decoded


def try_vision(small: SmallRun) -> Any:
    """Train V, and do what follows an epoch.

    Args:
        small: its paces read, vision, vision epoch and vision scored are set.

    Returns:
        V.
    """
    import keras

    from WorldModels.episodes.frames import sound_episodes
    from WorldModels.episodes.stream import FrameStream
    from WorldModels.vision.kinds import asked_choice, build_vision
    from WorldModels.vision.training import LossRows, learning_rate, to_time

    s, paths = small.settings.vision, small.episodes()
    read = timed(lambda: sound_episodes(paths[0].parent, small.run.say))
    frames = FrameStream(paths, s.batch_size, s.buffer_frames, np.random.default_rng)
    small.paces["read"] = [0.0, read / frames.num_frames]
    asked, amount = asked_choice(s, frames.frame_shape), s.epochs * small.plan["frames"]
    choice = small.choice("vision", asked, amount, *to_time(s, frames.frame_shape))
    began = time.perf_counter()
    vision = build_vision(s, frames.frame_shape, seed=0, **choice)
    vision.compile(keras.optimizers.Adam(learning_rate(s, 1000)))
    built = time.perf_counter() - began
    rows = LossRows(small.path / "losses.csv")
    once, each = small.fitted(vision, _batches_of(frames), [rows])
    small.paces["vision"] = [built + once, each]
    _try_epoch(small, vision)
    return vision


def _batches_of(frames: Any) -> Iterator[np.ndarray]:
    """A FrameStream's batches, epoch after epoch."""
    for epoch in itertools.count():
        yield from frames.batches(epoch)


def _try_epoch(small: SmallRun, vision: Any) -> None:
    """Do what follows an epoch: V is drawn, kept, and scored."""
    from WorldModels.assembly.checkpoint import write_checkpoint
    from WorldModels.figures.epochs import write_epoch
    from WorldModels.vision.quality import validate

    s, path = small.settings.vision, small.path
    seen = small.frames(min(s.max_validation_frames, HELD_OUT))
    noise = small.draw.standard_normal((SAMPLES, s.latent_size), np.float32)
    variables = [*vision.variables, *vision.optimizer.variables]

    def keep() -> None:
        shown, samples = seen[:SHOWN], np.asarray(vision.decode(noise[:SHOWN]))
        rebuilt = np.asarray(vision.decode(vision.encode(shown)[0]))
        write_epoch(path / "epoch.png", shown, rebuilt, samples)
        write_checkpoint(path / "state.npz", {}, variables, [])

    def score() -> None:
        validate(vision, seen, s.batch_size, noise)

    again = s.epochs > 1
    small.paces["vision epoch"] = twice(keep, again)
    if small.plan["held_out"]:
        once, each = twice(score, again)
        small.paces["vision scored"] = [once, each / len(seen)]


def write_vision(small: SmallRun, vision: Any = None) -> None:
    """Write V and its exports; V is new if it was not trained.

    Args:
        small: its pace vision export is set.
        vision: V.
    """
    from WorldModels.export.files import unavailable
    from WorldModels.vision.kinds import build_vision, published_form

    vision = vision or build_vision(small.settings.vision, tuple(small.plan["shape"]), seed=0)
    published = published_form(vision)
    published.save(small.path / "vision.keras")
    if unavailable():
        return
    from WorldModels.export import endpoints, onnx

    def export() -> None:
        for end in endpoints.of_vision(published):
            onnx.export_onnx(published, small.path / f"{end.name}.onnx", end)

    # The SavedModel, which no stage reads, has the same endpoints.
    small.paces["vision export"] = [2 * timed(export), 0.0]


def try_series(small: SmallRun) -> None:
    """Encode episodes, with what reading, checking and writing them takes.

    Args:
        small: its folder has V; its pace series is set.
    """
    from WorldModels.assembly.opening import KERAS_BATCH, keras_encoder
    from WorldModels.episodes.episode import Episode
    from WorldModels.episodes.series import Series
    from WorldModels.experiment.damage import sum_of

    paths, began = small.episodes(), time.perf_counter()
    look = keras_encoder(small.path / "vision.keras")
    look(small.frames(1))
    once, many = time.perf_counter() - began, small.frames(CALLS * KERAS_BATCH)
    latents = np.zeros((len(many), small.sizes[0]), np.float32)

    def read_and_write(path) -> int:
        sum_of(path)
        episode = Episode.load(path)
        mean = latents[: len(episode) + 1]
        series = Series(mean, mean, episode.actions, episode.rewards, episode.terminated)
        series.save(small.path / "series" / path.name)
        return len(episode) + 1

    files = small.repeated(lambda: sum(map(read_and_write, paths)))
    small.paces["series"] = [once, files + small.repeated(lambda: len(look(many)[0]))]
