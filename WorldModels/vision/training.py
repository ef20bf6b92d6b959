"""What V's training needs besides V: its learning rate, a table of its losses, its speed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from WorldModels.experiment.choice import sizes_of
from WorldModels.experiment.files import remove
from WorldModels.experiment.rows import append_row, read_rows
from WorldModels.vision.kinds import build_vision

EVERY = 10  # steps between rows, as in WorldModels/gan.py of Rtlyc/world-models


class LossRows(keras.callbacks.Callback):
    """Writes a row after each EVERY steps: step, and the mean of each metric over those steps.

    In fit()'s list of callbacks it has to come after the one that restores an interrupted epoch.
    Rows beyond the step at which a run resumes are dropped, so that an interrupted run leaves the
    same table as an uninterrupted one.

    Args:
        path: the CSV.
        write: also called with each row.
    """

    def __init__(self, path: str | Path, write: Callable[[dict], None] = lambda row: None):
        super().__init__()
        self.path, self.write = Path(path), write

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self._sums()
        self.step = int(self.model.optimizer.iterations)
        rows = read_rows(self.path, ("step",))
        if any(int(row["step"]) > self.step for row in rows):
            remove(self.path)
            for row in rows:
                if int(row["step"]) <= self.step:
                    append_row(self.path, row)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % EVERY == 0:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()  # within an epoch its variables are out of date
            self._row()

    def _row(self):
        sums = self._sums()
        row = {"step": self.step}
        for name, (total, count) in sums.items():
            before, counted = self.before.get(name, (0.0, 0.0))
            row[name] = (total - before) / max(count - counted, 1e-9)
        self.before = sums
        append_row(self.path, row)
        self.write(row)

    def _sums(self) -> dict[str, tuple[float, float]]:
        """The sum and the count of each running mean in this epoch, by name."""
        return {
            m.name: (float(m.total), float(m.count))
            for m in self.model.metrics
            if isinstance(m, keras.metrics.Mean)
        }


class ImageRate(keras.callbacks.Callback):
    """Adds images_per_second to an epoch's log, counted from the end of its first step.

    The first step is left out because it compiles.

    Args:
        batch_size: images a step.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self.steps, self.first = 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.steps, self.last = self.steps + 1, time.monotonic()
        self.first = self.first or self.last

    def on_epoch_end(self, epoch, logs=None):
        if self.steps > 1:
            seconds = max(self.last - self.first, 1e-9)
            logs["images_per_second"] = (self.steps - 1) * self.batch_size / seconds


def learning_rate(settings: Any, steps: int) -> float | keras.optimizers.schedules.CosineDecay:
    """The learning rate by step: constant or a cosine decay, after a warm-up if there is one.

    Args:
        settings: settings.vision.VisionSettings.
        steps: number of steps in all of training.
    """
    still = settings.schedule == "constant" and not settings.warmup_steps
    if still or settings.schedule == "plateau":  # which is lowered by whoever trains
        return settings.learning_rate
    cosine = settings.schedule == "cosine"
    final = settings.final_learning_rate if cosine else settings.learning_rate
    warmup = min(settings.warmup_steps, steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        steps - warmup,
        alpha=final / settings.learning_rate,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def to_time(settings: Any, observation_shape: tuple[int, ...]) -> tuple[dict, Callable]:
    """What experiment.choice.choose needs, to time a step on a batch of random frames.

    Args:
        settings: settings.vision.VisionSettings.
        observation_shape: (H, W, 3).

    Returns:
        Sizes; and a function that starts to train an untrained V with a choice.
    """
    shape = (settings.batch_size, *observation_shape)
    batch = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def start(**choice: str) -> Callable[[], Any]:
        vision = build_vision(settings, observation_shape, 0, **choice)
        vision.compile(keras.optimizers.Adam(settings.learning_rate))
        vision.optimizer.build(vision.trainable_variables)  # otherwise it is traced twice
        return lambda: vision.train_on_batch(batch)

    return sizes_of(settings, batch), start
