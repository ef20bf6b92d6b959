"""Measures how fast V and M of the paper's size train and run; see measure.py."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from WorldModels.experiment.choice import fastest, usual_choice
from WorldModels.experiment.machine import trained_on
from WorldModels.experiment.settings.experiment import Experiment

WARM_UP = 3  # steps before the clock starts
FRAME_SHAPE = (64, 64, 3)
ENCODED = 2048  # frames in a call; 256 in a quick measurement


def prepare(folder: str) -> dict:
    """Write V and M of the paper's size, untrained, as workers and `encode` open them."""
    from WorldModels.assembly.models import Imagination, Perception
    from WorldModels.export import files as export
    from WorldModels.vision.kinds import published_form

    path = Path(folder)
    vision, memory = published_form(_vision()), _memory("float32", reward_head=True)
    first = np.random.default_rng(0).standard_normal((2, 100, memory.latent_size), np.float32)
    np.savez(path / "first_latents.npz", mean=first[0], log_var=first[1])
    vision.save(path / "vision.keras")
    memory.save(path / "memory.keras")
    if reason := export.unavailable():
        return {"engine": f"Keras; {reason}"}
    from WorldModels.export import endpoints, onnx

    seen, imagined = Perception(vision, memory), Imagination(memory)
    onnx.export_onnx(seen, path / "perception.onnx", endpoints.of_perception(seen))
    onnx.export_onnx(imagined, path / "imagination.onnx", endpoints.of_imagination(imagined))
    return {"engine": "ONNX Runtime"}


def vision(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Images/s of training V by fit(), in batches of the published size, on frames in memory."""
    import keras

    from WorldModels.vision.kinds import asked_choice
    from WorldModels.vision.training import to_time

    settings = Experiment().vision
    size, asked = 4 if quick else settings.batch_size, asked_choice(settings, FRAME_SHAPE)
    model = _vision(**_choice(asked, *to_time(settings, FRAME_SHAPE), quick))
    model.compile(keras.optimizers.Adam(settings.learning_rate))
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (10 * size, *FRAME_SHAPE), np.uint8)

    def batch(step: int) -> np.ndarray:
        return frames[draw.permutation(len(frames))[:size]]

    rates = fit_rates(model, batch, size, seconds, repeats)
    note = f"{model.dtype_policy.name}, {model.decoder_form}, batch {size}"
    return {"rates": rates, "note": note}


def memory(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Tokens/s of training M by fit(), on complete episodes as published.

    A batch has 100 episodes of 999 steps; z is drawn afresh for each batch.
    """
    settings = Experiment().memory
    sizes = (2, 9) if quick else (settings.batch_size, settings.sequence_length)
    return _trained_memory("episodes", *sizes, seconds, repeats, quick)


def short_memory(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Tokens/s of training M by fit(), on 16 segments of 32 steps as ctallec/world-models does."""
    return _trained_memory("segments", *((2, 9) if quick else (16, 32)), seconds, repeats, quick)


def _trained_memory(
    batching: str, size: int, length: int, seconds: float, repeats: int, quick: bool
) -> dict:
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.training import adam, to_time

    settings, latent_size = Experiment().memory, Experiment().vision.latent_size
    batches = SeriesBatches(_series(size, length, latent_size), batching, size, length)
    choice = _choice({"dtype": settings.dtype}, *to_time(settings, batches[0]), quick)
    model = _memory(**choice)
    model.compile(adam(settings.steps, settings.learning_rate, clip_value=settings.clip_value))
    rates = fit_rates(model, lambda step: batches[0], size * length, seconds, repeats)
    return {"rates": rates, "note": f"{model.dtype_policy.name}, {size} x {length}"}


def _series(count: int, length: int, latent_size: int) -> list:
    """Series of random latents, with zero actions and rewards."""
    from WorldModels.episodes.series import Series

    draw, found = np.random.default_rng(0), []
    for _ in range(count):
        mean = draw.standard_normal((length + 1, latent_size), np.float32)
        actions, rewards = np.zeros((length, 3), np.float32), np.zeros(length, np.float32)
        found.append(Series(mean, np.zeros_like(mean), actions, rewards, False))
    return found


def encoding(seconds: float, repeats: int, folder: str, quick: bool = False) -> dict:
    """Frames/s of V as `encode` runs it, without reading and writing files."""
    from WorldModels.assembly.opening import open_encoder
    from WorldModels.assembly.speed.measure import blocks

    encode, count = open_encoder(Path(folder)), 256 if quick else ENCODED
    frames = np.random.default_rng(0).integers(0, 256, (count, *FRAME_SHAPE), np.uint8)
    return {"rates": blocks(lambda: len(encode(frames)[0]), seconds, repeats), "note": "float32"}


def loader(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Frames/s of the batches that V trains on, in the published size, without V.

    They come through a shuffle buffer that holds a quarter of all frames, from files that the
    system holds in memory.
    """
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.episodes.episode import Episode
    from WorldModels.episodes.stream import FrameStream
    from WorldModels.vision.batches import FrameBatches

    count, steps, size = (4, 50, 10) if quick else (20, 999, Experiment().vision.batch_size)
    draw, nothing = np.random.default_rng(0), np.zeros(steps)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.npz" for i in range(count)]
        for path in paths:
            frames = draw.integers(0, 256, (steps + 1, *FRAME_SHAPE), np.uint8)
            Episode(frames, np.zeros((steps, 3)), nothing, False, True, 0, "").save(path)
        buffer = count * (steps + 1) // 4
        batches = FrameBatches(FrameStream(paths, size, buffer, np.random.default_rng))

        def epoch() -> int:
            taken = sum(len(batches[i]) for i in range(len(batches)))
            batches.on_epoch_end()
            return taken

        return {"rates": blocks(epoch, seconds, repeats), "note": f"uint8, batch {size}"}


def population(seconds: float, repeats: int, folder: str, quick: bool = False) -> dict:
    """Lane-steps/s of 64 drivers with 16 dreams each, as a generation dreams; none ends early."""
    from WorldModels.assembly.shards import PopulationMaker, ShardedDream
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.control.controller import Controller
    from WorldModels.experiment.machine import cores

    drivers, rollouts = (2, 2) if quick else (64, 16)
    how = {"termination": "never", "max_steps": 50 if quick else 500}
    controller, draw = Controller(), np.random.default_rng(0)
    make = PopulationMaker(str(Path(folder) / "memory.keras"), controller, how)
    parameters = draw.normal(0, 0.1, (drivers, controller.num_parameters))
    first = draw.standard_normal((rollouts, Experiment().vision.latent_size), np.float32)
    with ShardedDream(make, cores(), cores()) as dream:

        def generation() -> int:
            return int(dream.returns(parameters, first, draw)[1].sum())

        rates = blocks(generation, seconds, repeats)
    return {"rates": rates, "note": f"float32, {drivers} drivers x {rollouts} rollouts"}


def fit_rates(model, batch: Callable, items: int, seconds: float, repeats: int) -> list[float]:
    """Items per second of fit(), in several blocks after a warm-up.

    Args:
        model: a compiled model.
        batch: step -> the batch to train on.
        items: number of items in a batch.
        seconds: minimum average length of a block.
        repeats: number of blocks.
    """

    def enough(times: list[float]) -> bool:
        steps, first = len(times) - 1, WARM_UP + 1
        return steps > WARM_UP + repeats and times[-1] - times[first] > seconds * repeats

    times = fit_times(model, map(batch, itertools.count()), enough)[1:]
    edges = np.linspace(WARM_UP, len(times) - 1, repeats + 1).round().astype(int).tolist()
    return [
        items * (end - start) / (times[end] - times[start])
        for start, end in itertools.pairwise(edges)
    ]


def fit_times(
    model, batches: Iterator, enough: Callable[[list[float]], bool], callbacks: Sequence = ()
) -> list[float]:
    """When fit() began, and when each of its steps ended, in seconds of time.perf_counter().

    Args:
        model: a compiled model.
        batches: to train on, without an end.
        enough: given these times, whether to stop.
        callbacks: for fit().
    """
    import keras

    times: list[float] = []

    def tick(step, logs):
        float(logs["loss"])  # waits for the step to finish
        times.append(time.perf_counter())
        model.stop_training = enough(times)

    clock = keras.callbacks.LambdaCallback(on_train_batch_end=tick)
    times.append(time.perf_counter())
    model.optimizer.build(model.trainable_variables)  # otherwise the step is traced twice
    how = {"steps_per_epoch": 10**9, "epochs": 1, "verbose": 0, "shuffle": False}
    model.fit(((batch,) for batch in batches), callbacks=[*callbacks, clock], **how)
    return times


def _choice(asked: dict[str, str], sizes: dict, start: Callable, quick: bool) -> dict[str, str]:
    """What a long training, or a quick one, would choose here."""
    import keras

    where = trained_on(keras)
    return usual_choice(asked, where["device"]) if quick else fastest(asked, sizes, start, where)[0]


def _vision(**choice: str):
    from WorldModels.vision.kinds import build_vision

    return build_vision(Experiment().vision, FRAME_SHAPE, seed=0, **choice)


def _memory(dtype: str, **heads: bool):
    from WorldModels.memory.mdn_rnn import MDNRNN

    return MDNRNN(dtype=dtype, **heads)
