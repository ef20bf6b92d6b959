"""Laws of training: a resumed run ends like an uninterrupted one, with all rows."""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from keras import ops

from WorldModels.assembly.fit import fit_with_checkpoints
from WorldModels.experiment.rows import read_rows

STEPS, EPOCH = 12, 5


class Batches:
    def begin_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return EPOCH

    def __getitem__(self, index):
        return {"x": np.random.default_rng([self.epoch, index]).standard_normal((4, 3), np.float32)}


class Noisy(keras.Model):
    """A network with noise of its own, like a VAE, and a metric of its own."""

    def __init__(self, units=3):
        super().__init__()
        self.dense, self.noise = keras.layers.Dense(units), keras.random.SeedGenerator(1)
        self.extra = keras.metrics.Mean("extra")
        self.dense.build((None, 3))
        self.built = True

    def call(self, batch):
        return self.dense(batch["x"] + keras.random.normal((4, 3), seed=self.noise))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = ops.mean(ops.square(y_pred - 1))
        self.extra.update_state(2 * loss)
        return loss


class BreakOff(keras.callbacks.Callback):
    """Does something at the end of a step, counted from 1 over all epochs."""

    def __init__(self, step, act):
        super().__init__()
        self.left, self.act = step, act

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.act()


def killed():
    raise RuntimeError("killed")


def interrupted():
    os.kill(os.getpid(), signal.SIGINT)


def fit(folder, *callbacks, units=3, **options):
    keras.utils.set_random_seed(0)
    model = Noisy(units)
    model.compile(keras.optimizers.Adam(1e-2))
    rows = fit_with_checkpoints(
        model,
        Batches(),
        checkpoint=folder / "state.npz",
        csv_file=folder / "rows.csv",
        callbacks=callbacks,
        validate=lambda epoch: {"val_twice": 2.0 * epoch},
        **{"steps": STEPS, "say": lambda text: None, **options},
    )
    return [
        np.array(ops.convert_to_numpy(v)) for v in (*model.variables, *model.optimizer.variables)
    ], rows


def whole(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("unbroken"))


# a checkpoint at every step, or only at the ends of epochs
@pytest.mark.parametrize(("step", "minutes"), [(5, 0.0), (8, 0.0), (8, 5.0)])
def test_a_killed_run_ends_as_an_unbroken_one(unbroken, tmp_path, step, minutes):
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, BreakOff(step, killed), checkpoint_minutes=minutes)
    variables, rows = fit(tmp_path)
    for a, b in zip(variables, unbroken[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert whole(rows) == whole(unbroken[1])
    written = read_rows(tmp_path / "rows.csv")
    assert [(row["epoch"], row["step"]) for row in written] == [
        ("0", "5"),
        ("1", "10"),
        ("2", "12"),
    ]
    assert [float(row["val_twice"]) for row in written] == [0, 2, 4]


def test_an_interrupted_run_finishes_its_step_and_goes_on_later(unbroken, tmp_path):
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # background jobs start without a handler
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, BreakOff(7, interrupted))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    said = []
    variables, rows = fit(tmp_path, say=said.append)
    assert any("after step 7 of 12" in line or "after step 8 of 12" in line for line in said)
    for a, b in zip(variables, unbroken[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert whole(rows) == whole(unbroken[1])


def test_a_complete_run_does_nothing_more_and_a_larger_budget_goes_on(tmp_path):
    variables, rows = fit(tmp_path, steps=0, epochs=1)
    again, same = fit(tmp_path, steps=0, epochs=1)
    assert whole(same) == whole(rows) and all(
        np.array_equal(a, b) for a, b in zip(variables, again, strict=True)
    )
    _, more = fit(tmp_path, steps=8, epochs=3)  # whichever budget ends first
    assert [row["step"] for row in more] == [5, 8] and whole(more)[:1] == whole(rows)


def test_another_networks_or_a_damaged_checkpoint_is_refused_in_one_line(tmp_path):
    fit(tmp_path, steps=1)
    with pytest.raises(ValueError, match="received one of other sizes or another optimizer"):
        fit(tmp_path, units=2)
    (tmp_path / "state.npz").write_bytes((tmp_path / "state.npz").read_bytes()[:200])
    with pytest.raises(ValueError, match="damaged"):
        fit(tmp_path)


def test_what_reading_a_batch_raises_comes_through_as_it_is(tmp_path):
    class Torn(Batches):
        def __getitem__(self, index):
            if (self.epoch, index) == (1, 2):
                raise ValueError("000007.npz: expected the frames of an episode")
            return super().__getitem__(index)

    model = Noisy()
    model.compile(keras.optimizers.Adam(1e-2))
    how = {"checkpoint": tmp_path / "state.npz", "csv_file": tmp_path / "rows.csv", "steps": STEPS}
    with pytest.raises(ValueError) as raised:
        fit_with_checkpoints(model, Torn(), say=lambda text: None, **how)
    assert str(raised.value) == "000007.npz: expected the frames of an episode"


def test_a_loss_that_is_not_finite_stops_the_run_and_spoils_no_checkpoint(tmp_path):
    class Spoilt(Batches):
        def __getitem__(self, index):
            return {"x": np.full((4, 3), np.nan if self.epoch == 1 else 1.0, np.float32)}

    model = Noisy()
    model.compile(keras.optimizers.Adam(1e-2))
    with pytest.raises(ValueError, match="finite.* step 5; sweep the floor"):
        fit_with_checkpoints(
            model,
            Spoilt(),
            checkpoint=tmp_path / "state.npz",
            csv_file=tmp_path / "rows.csv",
            steps=STEPS,
            say=lambda text: None,
            remedy="sweep the floor",
        )
    with np.load(tmp_path / "state.npz") as file:
        assert all(
            np.isfinite(file[name]).all() for name in file.files if file[name].dtype.kind == "f"
        )
