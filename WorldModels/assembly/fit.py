"""Trains a Keras model so that a killed run, started again, ends with the very same weights.

Used by train_vision and train_memory alike. It knows no environment, no settings and no results
folder, only a model,
its batches and the files that it is told to write:

    fit() an epoch  ->  validate  ->  checkpoint (weights, optimizer, metrics, place, rows)  ->
    CSV, TensorBoard
"""

import contextlib
import csv
import json
import math
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from tqdm import tqdm

from WorldModels.assembly.tensorboard_files import event_writer
from WorldModels.experiment.files import atomic


class EpochBatches(Protocol):
    """Batches that depend on (seed, epoch, index) alone; a keras.utils.PyDataset with `begin_epoch`
    is one.
    """

    def begin_epoch(self, epoch: int) -> None:
        """Prepare the batches of this epoch."""

    def __len__(self) -> int:
        """Batches an epoch, the same in every epoch."""

    def __getitem__(self, index: int) -> Any:
        """One batch, an array or a dict of arrays; asked for in order, from 0, or from further on
        after a resume.
        """


def fit_with_checkpoints(
    model: keras.Model,
    batches: EpochBatches,
    *,
    checkpoint: str | Path,
    csv_file: str | Path,
    epochs: int = 0,
    steps: int = 0,
    validate: Callable[[int], dict[str, float]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: str | Path | None = None,
    say: Callable[[str], None] = print,
    label: str = "training",
    checkpoint_minutes: float = 5.0,
) -> list[dict[str, float]]:
    """Fit a built and compiled model, going on from its checkpoint if there is one, and return the
    rows of the CSV.

    A killed run, started again with the same budget, gives the weights of an unbroken one bit for
    bit. The checkpoint
    is written at each epoch's end, every `checkpoint_minutes` and at Ctrl-C; it stays: a larger
    budget goes on from it.

    Args:
        model: its `compute_loss` takes the batches; every variable is kept (seed generators and
            carried states too).
        batches: see EpochBatches.
        checkpoint: .npz file of the state so far.
        csv_file: a row an epoch: epoch (from 0), step, seconds, the model's metrics, what
            `validate` gave. Written whole
            from the rows in the checkpoint, so a kill neither loses nor doubles one.
        epochs, steps: the budget; where both are above 0, whichever ends first. The last epoch may
            be a short one.
        validate: called after each epoch with its number, gives scalars for the row; must depend on
            the weights only.
        callbacks: Keras callbacks; their on_epoch_end(epoch, logs) comes before `validate`.
        tensorboard: folder for event files; without the tensorboard package one line is said
            instead.
        say, label: prints a line; name on the progress bar.
        checkpoint_minutes: wall time between checkpoints within an epoch.

    Raises:
        ValueError: the checkpoint is damaged or another network's, there are no batches, or the
        loss is not finite.
        KeyboardInterrupt: after Ctrl-C, once the step is finished and the checkpoint is written.
    """
    if len(batches) == 0:
        raise ValueError(
            f"{label}: expected at least one batch an epoch, received none; record more episodes."
        )
    total = min((budget for budget in (steps, epochs * len(batches)) if budget > 0), default=0)
    run = _Run(model, Path(checkpoint), total, checkpoint_minutes * 60)
    if run.restore():
        say(f"{label}: goes on after step {run.step} of {max(total, run.step)}.")
        _write_csv(Path(csv_file), run.rows)
    write_event = event_writer(tensorboard, say, "step") if tensorboard else lambda row: None
    with _held_interrupt() as run.interrupted, _bar(label, total, run.step) as run.bar:
        while run.step < total:
            row = run.one_epoch(batches, callbacks, validate)
            _write_csv(Path(csv_file), run.rows)
            write_event(row)
            if run.interrupted.is_set():
                raise KeyboardInterrupt
    return run.rows


class _Run(keras.callbacks.Callback):
    """Where the training stands, and the callback that moves it on."""

    def __init__(self, model: keras.Model, path: Path, total: int, period: float):
        super().__init__()
        self.network, self.path, self.total, self.period = model, path, total, period
        self.epoch = self.place = self.end = self.step = (
            0  # number of the epoch, steps done and planned in it, done in all
        )
        self.seconds, self.rows = 0.0, []
        self.metrics: list[np.ndarray] = []  # of an epoch that was broken off
        self.bar, self.interrupted = None, threading.Event()

    def one_epoch(self, batches, callbacks, validate) -> dict[str, float]:
        batches.begin_epoch(self.epoch)
        if self.place >= len(batches):  # fewer data than when it was broken off
            self.place = 0
        self.end = min(len(batches), self.place + self.total - self.step)
        feed = ((batches[i],) for i in range(self.place, self.end))
        self.started = self.saved = time.monotonic()
        history = self.network.fit(
            feed,
            steps_per_epoch=self.end - self.place,
            initial_epoch=self.epoch,
            epochs=self.epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[self, *callbacks],
        )
        row = {name: float(values[-1]) for name, values in history.history.items()}
        if validate is not None:
            row.update(validate(self.epoch))
        self._tick()
        row = {"epoch": self.epoch, "step": self.step, "seconds": round(self.seconds, 1), **row}
        self.rows.append(row)
        self.epoch, self.place = self.epoch + 1, 0
        self._save([])
        return row

    def on_epoch_begin(self, epoch, logs=None):
        # fit() has just reset the running metrics: an epoch that was broken off takes its own up
        # again.
        for variable, value in zip(
            self.model.metrics_variables, self.metrics, strict=bool(self.metrics)
        ):
            variable.assign(value)
        self.metrics = []

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise ValueError(
                f"loss: expected a finite number, received {loss} at step {self.step}; lower the learning rate."
            )
        self.place, self.step = self.place + 1, self.step + 1
        self.bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        self.bar.update()
        if self.place == self.end:
            return  # the epoch's own checkpoint comes next
        if self.interrupted.is_set() or time.monotonic() - self.saved > self.period:
            self._tick()
            self._save([_array(variable) for variable in self.model.metrics_variables])
        if self.interrupted.is_set():
            raise KeyboardInterrupt

    def _tick(self):
        now = time.monotonic()
        self.seconds, self.started, self.saved = self.seconds + now - self.started, now, now

    def _variables(self) -> list:
        return [*self.network.variables, *self.network.optimizer.variables]

    def _save(self, metrics: list[np.ndarray]):
        header = {key: getattr(self, key) for key in ("epoch", "place", "step", "seconds", "rows")}
        arrays = {f"metric_{i:05}": value for i, value in enumerate(metrics)}
        arrays |= {
            f"variable_{i:05}": _array(variable) for i, variable in enumerate(self._variables())
        }
        with atomic(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, header=np.array(json.dumps(header)), **arrays)

    def restore(self) -> bool:
        """Take up the checkpoint; False where there is none."""
        self.network.optimizer.build(self.network.trainable_variables)
        if not self.path.exists():
            return False
        header, variables, self.metrics = _read(self.path)
        own = self._variables()
        if [tuple(v.shape) for v in own] != [v.shape for v in variables]:
            raise ValueError(
                f"{self.path}: expected the checkpoint of this network, received another's (other sizes or optimizer); "
                "use --force or another --results folder."
            )
        for variable, value in zip(own, variables, strict=True):
            variable.assign(value)
        for key in ("epoch", "place", "step", "seconds", "rows"):
            setattr(self, key, header[key])
        return True


def _array(variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def _read(path: Path) -> tuple[dict, list[np.ndarray], list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            names = sorted(file.files)
            variables = [file[name] for name in names if name.startswith("variable_")]
            metrics = [file[name] for name in names if name.startswith("metric_")]
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: expected a checkpoint, received a damaged file; use --force."
        ) from error
    return header, variables, metrics


def _write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _bar(label: str, total: int, done: int) -> tqdm:
    return tqdm(
        total=max(total, done),
        initial=done,
        desc=label,
        unit="step",
        mininterval=0.5,
        smoothing=0.05,
    )


@contextlib.contextmanager
def _held_interrupt() -> Iterator[threading.Event]:
    """Within, the first Ctrl-C sets the event; a second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number, frame):
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
