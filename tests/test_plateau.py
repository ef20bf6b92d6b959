"""The training of ctallec/world-models by flags: plateaus, patience, flipped frames, RMSprop."""

import keras
import numpy as np
import pytest
from conftest import run_verb_process

from WorldModels.assembly.fit import fit_with_checkpoints, is_over, rate_after
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.memory.training import adam_of
from WorldModels.vision.batches import FrameBatches

FALLING = [1.0, 0.9, 0.8]


@pytest.mark.parametrize(
    ("losses", "halvings"),
    [
        ([], 0),
        (FALLING, 0),
        (FALLING + [0.8] * 5, 0),  # five epochs in a row may bring nothing
        (FALLING + [0.8] * 6, 1),
        (FALLING + [0.8 * (1 - 5e-5)] * 6, 1),  # not lower by a ten thousandth
        (FALLING + [0.8 * (1 - 2e-4)] * 6, 0),
        (FALLING + [0.9] * 11, 1),
        (FALLING + [0.9] * 12, 2),
        (FALLING + [0.9] * 5 + [0.7] + [0.9] * 5, 0),
        ([-1.0] + [-1.00005] * 6, 1),  # log-likelihoods may be negative losses
        ([-1.0] + [-1.001] * 6, 0),
    ],
)
def test_the_rate_halves_after_more_than_five_epochs_without_a_lower_loss(losses, halvings):
    assert rate_after(losses, 8.0) == 8.0 * 0.5**halvings


def test_patience_counts_epochs_in_a_row():
    assert not is_over(FALLING + [0.9] * 2, 3) and is_over(FALLING + [0.9] * 3, 3)
    assert not is_over(FALLING + [0.9] * 99, 0) and not is_over([], 1)


class Line(keras.Model):
    def __init__(self):
        super().__init__()
        self.slope = self.add_weight((1,), initializer="ones", name="slope")
        self.built = True

    def call(self, x):
        return x * self.slope

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(y_pred))


class Ones:
    def begin_epoch(self, epoch):
        pass

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.ones((4, 1), np.float32)


def fitted(folder, losses, epochs, patience=0):
    """Fit while the held-out losses are these; return the rows and the rate of each epoch."""
    model, rates = Line(), []
    model.compile(keras.optimizers.Adam(0.1))

    class Rates(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            rates.append(float(np.asarray(self.model.optimizer.learning_rate)))

    rows = fit_with_checkpoints(
        model,
        Ones(),
        checkpoint=folder / "state.npz",
        csv_file=folder / "rows.csv",
        epochs=epochs,
        validate=lambda epoch: {"val_loss": losses[epoch]},
        callbacks=[Rates()],
        say=lambda line: None,
        plateau=0.1,
        patience=patience,
    )
    return rows, rates, np.asarray(model.slope)


def test_a_training_follows_its_held_out_loss_and_goes_on_alike(tmp_path):
    losses = [1.0] + [2.0] * 9
    rows, rates, slope = fitted(tmp_path / "whole", losses, 9)
    np.testing.assert_allclose(rates, [0.1] * 7 + [0.05] * 2)
    fitted(tmp_path / "parts", losses, 7)
    more, later, same = fitted(tmp_path / "parts", losses, 9)
    np.testing.assert_allclose(later, [0.05] * 2)
    assert len(more) == len(rows) == 9 and (same == slope).all()


def test_it_ends_when_its_patience_does(tmp_path):
    rows, _, _ = fitted(tmp_path, [1.0, 0.5] + [2.0] * 9, 11, patience=3)
    assert len(rows) == 5
    again, rates, _ = fitted(tmp_path, [1.0, 0.5] + [2.0] * 9, 11, patience=3)
    assert len(again) == 5 and rates == []


class Frames:
    num_batches = 4

    def batches(self, epoch, start=0):
        for index in range(start, 4):
            frames = np.zeros((50, 8, 8, 3), np.uint8)
            frames[:, :, 0] = 10 * epoch + index + 1  # the left edge
            yield frames


def test_half_of_the_frames_are_mirrored_by_epoch_and_number_alone():
    batches, resumed = FrameBatches(Frames(), flips=7), FrameBatches(Frames(), flips=7)
    seen = [batches[index] for index in range(4)]
    for index, frames in enumerate(seen):
        left, right = (frames[:, 0, column, 0] for column in (0, 7))
        assert ((left == index + 1) ^ (right == index + 1)).all()
        assert 10 < (right > 0).sum() < 40
    np.testing.assert_array_equal(resumed[3], seen[3])
    batches.begin_epoch(1)
    assert ((batches[0] > 0) != (seen[0] > 0)).any(), "another epoch mirrors others"
    plain = FrameBatches(Frames())[0]
    assert (plain[:, 0, 7] == 0).all()


def test_rmsprop_is_that_of_the_seed_and_warm_up_does_not_go_with_a_plateau():
    optimizer = adam_of(MemorySettings(optimizer="rmsprop", schedule="plateau"), 100, 60)
    assert type(optimizer) is keras.optimizers.RMSprop and optimizer.rho == 0.9
    assert float(np.asarray(optimizer.learning_rate)) == pytest.approx(1e-3)
    for settings in (MemorySettings, VisionSettings):
        with pytest.raises(ValueError, match="warmup-steps: expected 0 with .*schedule plateau"):
            settings(schedule="plateau", warmup_steps=5)


@pytest.mark.slow
def test_the_verbs_take_the_seeds_flags(smoke_run, tmp_path):
    flags = ["--vision.schedule", "plateau", "--vision.patience", "2", "--vision.flip"]
    flags += ["--memory.schedule", "plateau", "--memory.optimizer", "rmsprop"]
    flags += ["--memory.patience", "1", "--memory.epochs", "3", "--reuse", str(smoke_run)]
    for verb in ("train_vision", "encode", "train_memory"):
        done = run_verb_process(verb, tmp_path / "run", *flags)
        assert done.returncode == 0, done.stdout + done.stderr
    assert 1 <= len(read_rows(tmp_path / "run/0/vision.csv"))
    assert 2 <= len(read_rows(tmp_path / "run/0/memory.csv")) <= 3
