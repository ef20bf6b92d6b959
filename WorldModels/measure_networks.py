"""How fast V and M of the paper's size are trained, and frames encoded, here; see measure.py. Knows no environment."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from WorldModels.experiment.machine import cpu_has_bfloat16

WARM_UP = 3  # steps before the clock starts


def prepare(folder: str) -> dict:
    """Write V and M of the paper's size, untrained, as the workers open them."""
    from WorldModels import export
    from WorldModels.models import Perception

    vision, memory = _vision("float32", "transpose"), _memory("float32")
    if reason := export.unavailable():
        vision.save(Path(folder) / "vision.keras")
        memory.save(Path(folder) / "memory.keras")
        return {"note": f"Keras models ({reason})"}
    from WorldModels.export import endpoints, onnx

    perception = Perception(vision, memory)
    onnx.export_onnx(perception, Path(folder) / "perception.onnx", endpoints.of_perception(perception))
    return {"note": "ONNX Runtime"}


def _fit_rates(model, batch, items: int, seconds: float, repeats: int) -> list[float]:
    """Items a second of fit() on the same batch over and over, in blocks of at least `seconds`, after a warm-up."""
    import keras

    times = []

    def tick(step, logs):
        float(logs["loss"])  # waits for the step
        times.append(time.perf_counter())
        model.stop_training = len(times) > WARM_UP + repeats and times[-1] - times[WARM_UP] > seconds * repeats

    def feed() -> Iterator:
        while True:
            yield (batch,)

    model.fit(feed(), steps_per_epoch=10**9, epochs=1, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=tick)])
    edges = np.linspace(WARM_UP, len(times) - 1, repeats + 1).round().astype(int)
    return [items * (end - start) / (times[end] - times[start]) for start, end in itertools.pairwise(edges.tolist())]


def vision(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Images/s of V's training by fit(), batches of 100 frames (100 as published) that lie in memory."""
    import keras

    dtype = "mixed_bfloat16" if cpu_has_bfloat16() else "float32"
    form = "depth_to_space" if cpu_has_bfloat16() else "transpose"
    model, size = _vision(dtype, form), 4 if quick else 100
    model.compile(keras.optimizers.Adam(1e-4))
    frames = np.random.default_rng(0).integers(0, 256, (size, 64, 64, 3), np.uint8)
    return {"rates": _fit_rates(model, frames, size, seconds, repeats), "note": f"{dtype}, {form}, batch {size}"}


def memory(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Tokens/s of M's training by fit(), 100 sequences of 999 steps."""
    import keras

    dtype = "mixed_bfloat16" if cpu_has_bfloat16() else "float32"
    model, shape = _memory(dtype), (2, 9) if quick else (100, 999)
    model.compile(keras.optimizers.Adam(1e-3, clipvalue=1.0))
    draw = np.random.default_rng(0)
    batch = {name: draw.standard_normal((*shape, 32), np.float32) for name in ("z", "next_z")}
    batch |= {"actions": draw.uniform(-1, 1, (*shape, 3)).astype(np.float32), "mask": np.ones(shape, np.float32)}
    batch |= {name: np.zeros(shape, np.float32) for name in ("rewards", "terminated")}
    return {"rates": _fit_rates(model, batch, shape[0] * shape[1], seconds, repeats), "note": f"{dtype}, {shape[0]} x {shape[1]}"}


def _vision(dtype: str, form: str):
    from WorldModels.vision.vae import VAE

    return VAE(decoder_form=form, dtype=dtype)


def _memory(dtype: str):
    from WorldModels.memory.mdn_rnn import MDNRNN

    return MDNRNN(dtype=dtype)
