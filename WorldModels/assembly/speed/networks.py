"""How fast V and M of the paper's size are trained, and frames encoded, here; see measure.py. Knows
no environment.
"""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from WorldModels.experiment.machine import cpu_has_bfloat16
from WorldModels.experiment.settings.experiment import Experiment

WARM_UP = 3  # steps before the clock starts
FRAME_SHAPE = (64, 64, 3)


def prepare(folder: str) -> dict:
    """Write V and M of the paper's size, untrained, as workers and `encode` open them."""
    from WorldModels.assembly.models import Imagination, Perception
    from WorldModels.export import files as export
    from WorldModels.vision.kinds import published_form

    vision, memory = published_form(_vision()), _memory("float32", reward_head=True)
    first = np.random.default_rng(0).standard_normal((2, 100, memory.latent_size), np.float32)
    np.savez(Path(folder) / "first_latents.npz", mean=first[0], log_var=first[1])
    vision.save(Path(folder) / "vision.keras")
    memory.save(Path(folder) / "memory.keras")
    if reason := export.unavailable():
        return {"engine": f"Keras; {reason}"}
    from WorldModels.export import endpoints, onnx

    perception = Perception(vision, memory)
    onnx.export_onnx(
        perception, Path(folder) / "perception.onnx", endpoints.of_perception(perception)
    )
    imagination = Imagination(memory)
    onnx.export_onnx(
        imagination, Path(folder) / "imagination.onnx", endpoints.of_imagination(imagination)
    )
    return {"engine": "ONNX Runtime"}


def vision(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Images/s of V's training by fit(), batches as published, of frames that lie in memory."""
    import keras

    settings, model = Experiment().vision, _vision()
    size = 4 if quick else settings.batch_size
    model.compile(keras.optimizers.Adam(settings.learning_rate))
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (10 * size, *FRAME_SHAPE), np.uint8)
    rates = fit_rates(
        model, lambda step: frames[draw.permutation(len(frames))[:size]], size, seconds, repeats
    )
    return {
        "rates": rates,
        "note": f"{model.dtype_policy.name}, {model.decoder_form}, batch {size}",
    }


def memory(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Tokens/s of M's training by fit(), on whole episodes as published: 100 x 999, z drawn anew
    for each.
    """
    from WorldModels.episodes.series import Series
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.optimizer import adam

    settings, model = (
        Experiment().memory,
        _memory("mixed_bfloat16" if cpu_has_bfloat16() else "float32"),
    )
    size, length = (2, 9) if quick else (settings.batch_size, settings.sequence_length)
    model.compile(adam(settings.steps, settings.learning_rate, clip_value=settings.clip_value))
    draw = np.random.default_rng(0)
    latents = [
        draw.standard_normal((length + 1, model.latent_size), np.float32) for _ in range(size)
    ]
    series = [
        Series(
            mean,
            np.zeros_like(mean),
            np.zeros((length, 3), np.float32),
            np.zeros(length, np.float32),
            False,
        )
        for mean in latents
    ]
    batches = SeriesBatches(series, "episodes", size, length)
    rates = fit_rates(model, lambda step: batches[0], size * length, seconds, repeats)
    return {"rates": rates, "note": f"{model.dtype_policy.name}, {size} x {length}"}


def encoding(seconds: float, repeats: int, folder: str, quick: bool = False) -> dict:
    """Frames/s of `encode`, reading and writing left out."""
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.encode import BATCH, GROUP, opened_vision

    look = opened_vision(Path(folder) / "vision.keras")
    frames = np.random.default_rng(0).integers(
        0, 256, (BATCH if quick else GROUP, *FRAME_SHAPE), np.uint8
    )
    return {"rates": blocks(lambda: len(look(frames)[0]), seconds, repeats), "note": "float32"}


def population(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Lane-steps/s of 64 drivers' 16 dreams each in one compiled loop; none ends early."""
    from keras import ops

    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.control.controller import Controller
    from WorldModels.memory.imagine import PopulationDream

    memory, controller, (drivers, rollouts) = (
        _memory("float32", reward_head=True),
        Controller(),
        (2, 2) if quick else (64, 16),
    )
    dream = PopulationDream(
        memory,
        lambda p, f: controller.act(p, f, ops),
        ("z", "h"),
        termination="never",
        max_steps=50,
    )
    draw = np.random.default_rng(0)
    parameters = draw.normal(0, 0.1, (drivers, controller.num_parameters))
    first = draw.standard_normal((rollouts, memory.latent_size), np.float32)

    def generation() -> int:
        return int(dream.returns(parameters, first, draw)[1].sum())

    return {
        "rates": blocks(generation, seconds, repeats),
        "note": f"float32, {drivers} drivers x {rollouts} rollouts",
    }


def fit_rates(model, batch, items: int, seconds: float, repeats: int) -> list[float]:
    """Items a second of fit() on batch(step), in blocks of at least `seconds`, after a warm-up."""
    import keras

    times = []

    def tick(step, logs):
        float(logs["loss"])  # waits for the step
        times.append(time.perf_counter())
        model.stop_training = (
            len(times) > WARM_UP + repeats and times[-1] - times[WARM_UP] > seconds * repeats
        )

    def feed() -> Iterator:
        for step in itertools.count():
            yield (batch(step),)

    model.fit(
        feed(),
        steps_per_epoch=10**9,
        epochs=1,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=tick)],
    )
    edges = np.linspace(WARM_UP, len(times) - 1, repeats + 1).round().astype(int)
    return [
        items * (end - start) / (times[end] - times[start])
        for start, end in itertools.pairwise(edges.tolist())
    ]


def _vision():
    from WorldModels.train_vision import build_vision

    return build_vision(Experiment().vision, FRAME_SHAPE, 0)


def _memory(dtype: str, **heads: bool):
    from WorldModels.memory.mdn_rnn import MDNRNN

    return MDNRNN(dtype=dtype, **heads)
