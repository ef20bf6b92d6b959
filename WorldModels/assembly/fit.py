"""Trains a Keras model so that a run killed and started again ends with the same weights.

one epoch of fit() -> validate -> checkpoint (weights, optimizer, metrics, place, rows)
    -> CSV, TensorBoard
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from tqdm import tqdm

from WorldModels.assembly.checkpoint import array_of, read_checkpoint, write_checkpoint
from WorldModels.assembly.tensorboard_files import event_writer
from WorldModels.experiment.interrupt import held_interrupt
from WorldModels.experiment.rows import write_rows

# torch's ReduceLROnPlateau as ctallec/world-models calls it (trainvae.py, trainmdrnn.py).
FACTOR, WAITS = 0.5, 5  # of the rate; epochs without a lower loss before it falls
THRESHOLD = 1e-4  # share of the lowest loss by which another must be lower
KEPT = ("epoch", "place", "step", "seconds", "rows")  # in a checkpoint, besides arrays


class EpochBatches(Protocol):
    """Batches that depend only on (seed, epoch, index).

    A keras.utils.PyDataset with `begin_epoch` is one.
    """

    def begin_epoch(self, epoch: int) -> None:
        """Prepare the batches of this epoch."""

    def __len__(self) -> int:
        """The number of batches per epoch, the same in every epoch."""

    def __getitem__(self, index: int) -> Any:
        """One batch, an array or a dict of arrays.

        Batches are asked for in order, starting at 0, or later in the epoch after a resume.
        """


@dataclass
class Training:
    """How a built and compiled model is fit; see `fit_with_checkpoints`.

    Args:
        model: its `compute_loss` takes the batches; every variable is saved, including seed
            generators and carried states.
        batches: see EpochBatches.
        checkpoint: .npz file of the state so far.
        csv_file: one row per epoch: epoch (from 0), step, seconds, the model's metrics, and what
            `validate` returned. All of it is rewritten from the rows in the checkpoint, so a kill
            neither loses nor duplicates a row.
        epochs: the budget in epochs; 0: only `steps` counts.
        steps: the budget in steps; if both are above 0, the smaller one counts. The last epoch may
            be short.
        validate: called after each epoch with its number; returns scalars for the row, which must
            depend only on the weights.
        callbacks: Keras callbacks; their on_epoch_end(epoch, logs) runs before `validate`.
        tensorboard: folder for event files; a line is printed if tensorboard is not installed.
        say: prints a line.
        label: the name on the progress bar and in messages.
        plateau: learning rate that halves while the held-out loss does not fall (see
            rate_after); 0: the optimizer's own.
        patience: epochs without a lower held-out loss after which training ends; 0: never.
        remedy: what the error about a loss that is not finite tells the user to do.
        checkpoint_minutes: minutes between checkpoints within an epoch.
    """

    model: keras.Model
    batches: EpochBatches
    checkpoint: str | Path
    csv_file: str | Path
    epochs: int = 0
    steps: int = 0
    validate: Callable[[int], dict[str, float]] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    tensorboard: str | Path | None = None
    say: Callable[[str], None] = print
    label: str = "training"
    plateau: float = 0.0
    patience: int = 0
    remedy: str = "lower the learning rate"
    checkpoint_minutes: float = 5.0

    @property
    def total_steps(self) -> int:
        """The budget in steps."""
        budgets = (self.steps, self.epochs * len(self.batches))
        return min((budget for budget in budgets if budget > 0), default=0)


def fit_with_checkpoints(
    model: keras.Model, batches: EpochBatches, **how: Any
) -> list[dict[str, float]]:
    """Fit a model, continuing from its checkpoint if there is one; return the rows of the CSV.

    A run that is killed and started again with the same budget ends with exactly the weights of an
    uninterrupted one. The checkpoint is written after each epoch, every few minutes and on Ctrl-C.
    It is kept, so that a larger budget continues from it.

    Args:
        model: see Training.
        batches: see Training.
        how: the other fields of Training.

    Raises:
        ValueError: the checkpoint is damaged or belongs to another network, there are no batches,
            or the loss is not finite.
        KeyboardInterrupt: after Ctrl-C, once the step is finished and the checkpoint is written.
    """
    training = Training(model, batches, **how)
    say, label, total = training.say, training.label, training.total_steps
    if len(batches) == 0:
        raise ValueError(
            f"{label}: expected at least one batch per epoch, received none; record more episodes."
        )
    progress = _Progress(training)
    if progress.restore():
        say(f"{label}: continues after step {progress.step} of {max(total, progress.step)}.")
    with held_interrupt() as progress.interrupted, _bar(label, total, progress.step) as bar:
        progress.run(bar)
    return progress.rows


class _Progress(keras.callbacks.Callback):
    """The state of the training, and the callback that advances it."""

    def __init__(self, training: Training):
        super().__init__()
        self.training, self.network = training, training.model
        self.path, self.total = Path(training.checkpoint), training.total_steps
        # Number of the epoch; steps done in it and planned for it; steps done in total.
        self.epoch = self.place = self.end = self.step = 0
        self.seconds, self.rows = 0.0, []
        self.metrics: list[np.ndarray] = []  # of an interrupted epoch
        self.bar, self.interrupted = None, threading.Event()
        self.failed: Exception | None = None  # in reading a batch

    def run(self, bar: tqdm) -> None:
        """Train until the budget is spent."""
        self.bar, training = bar, self.training
        write_event = lambda row: None  # noqa: E731
        if training.tensorboard:
            write_event = event_writer(training.tensorboard, training.say, "step")
        while self.step < self.total and not is_over(self.losses, training.patience):
            row = self.one_epoch()
            write_event(row)
            if self.interrupted.is_set():
                raise KeyboardInterrupt

    @property
    def losses(self) -> list[float]:
        """Each epoch's held-out loss; that of training where nothing is held out."""
        return [row.get("val_loss", row["loss"]) for row in self.rows]

    def one_epoch(self) -> dict[str, float]:
        """Train an epoch, or the rest of one, and return its row."""
        batches = self.training.batches
        batches.begin_epoch(self.epoch)
        if self.place >= len(batches):  # less data than when it was interrupted
            self.place = 0
        self.end = min(len(batches), self.place + self.total - self.step)
        self.started = self.saved = time.monotonic()
        if self.training.plateau:
            rate = rate_after(self.losses, self.training.plateau)
            self.network.optimizer.learning_rate = rate
        try:
            history = self.network.fit(
                self._batches(range(self.place, self.end)),
                steps_per_epoch=self.end - self.place,
                initial_epoch=self.epoch,
                epochs=self.epoch + 1,
                shuffle=False,
                verbose=0,
                callbacks=[self, *self.training.callbacks],
            )
        except Exception as error:
            raise (self.failed or error) from error.__cause__
        row = {name: float(values[-1]) for name, values in history.history.items()}
        row |= self.training.validate(self.epoch) if self.training.validate else {}
        self._tick()
        row = {"epoch": self.epoch, "step": self.step, "seconds": round(self.seconds, 1), **row}
        self.rows.append(row)
        self.epoch, self.place = self.epoch + 1, 0
        self._save([])
        write_rows(self.training.csv_file, self.rows)
        return row

    def _batches(self, places: range) -> Iterator[tuple]:
        """The epoch's batches; what one raises is kept, as TensorFlow hides it in its own error."""
        try:
            for i in places:
                yield (self.training.batches[i],)
        except Exception as error:
            self.failed = error
            raise

    def on_epoch_begin(self, epoch, logs=None):
        # fit() has just reset the running metrics; an interrupted epoch restores its own.
        variables, strict = self.model.metrics_variables, bool(self.metrics)
        for variable, value in zip(variables, self.metrics, strict=strict):
            variable.assign(value)
        self.metrics = []

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise ValueError(
                f"loss: expected a finite number, received {loss} at step {self.step}; "
                f"{self.training.remedy}."
            )
        self.place, self.step = self.place + 1, self.step + 1
        self.bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        self.bar.update()
        if self.place == self.end:
            return  # one_epoch() writes the next checkpoint
        period = self.training.checkpoint_minutes * 60
        if self.interrupted.is_set() or time.monotonic() - self.saved > period:
            self._tick()
            self._save([array_of(variable) for variable in self.model.metrics_variables])
        if self.interrupted.is_set():
            raise KeyboardInterrupt

    def _tick(self):
        now = time.monotonic()
        self.seconds, self.started, self.saved = self.seconds + now - self.started, now, now

    def _variables(self) -> list:
        return [*self.network.variables, *self.network.optimizer.variables]

    def _save(self, metrics: list[np.ndarray]) -> None:
        header = {key: getattr(self, key) for key in KEPT}
        write_checkpoint(self.path, header, self._variables(), metrics)

    def restore(self) -> bool:
        """Continue from the checkpoint; False if there is none."""
        self.network.optimizer.build(self.network.trainable_variables)
        if not self.path.exists():
            return False
        header, variables, self.metrics = read_checkpoint(self.path)
        own = self._variables()
        if [tuple(v.shape) for v in own] != [v.shape for v in variables]:
            raise ValueError(
                f"{self.path}: expected a checkpoint of this network, received one of other sizes "
                "or another optimizer; use --force or another --results folder."
            )
        for variable, value in zip(own, variables, strict=True):
            variable.assign(value)
        for key in KEPT:
            setattr(self, key, header[key])
        if self.rows:
            write_rows(self.training.csv_file, self.rows)
        return True


def _bar(label: str, total: int, done: int) -> tqdm:
    how = {"unit": "step", "mininterval": 0.5, "smoothing": 0.05}
    return tqdm(total=max(total, done), initial=done, desc=label, **how)


def rate_after(losses: Sequence[float], rate: float) -> float:
    """The learning rate after epochs with these held-out losses, from an initial rate.

    It is multiplied by FACTOR each time that more than WAITS epochs in a row bring no lower loss.
    """
    for waited in _waited(losses):
        if waited and waited % (WAITS + 1) == 0:
            rate *= FACTOR
    return rate


def is_over(losses: Sequence[float], patience: int) -> bool:
    """Whether `patience` epochs in a row have brought no lower loss; 0: never."""
    return 0 < patience <= max(_waited(losses), default=0)


def _waited(losses: Sequence[float]) -> list[int]:
    """After each epoch, the number of epochs since the lowest loss."""
    best, waited = float("inf"), []
    for loss in losses:
        lower = loss < best * (1 - THRESHOLD) if best > 0 else loss < best * (1 + THRESHOLD)
        best = loss if lower else best
        waited.append(0 if lower else (waited[-1] if waited else 0) + 1)
    return waited
