"""Measures of a trained V equal their closed forms; losses by step survive a kill."""

import keras
import numpy as np
import pytest

from WorldModels.experiment.files import read_rows
from WorldModels.figures.losses import loss_curves
from WorldModels.vision.quality import mean_difference, ssim
from WorldModels.vision.training import LossRows


def test_structural_similarity_is_its_closed_form():
    one, other = np.random.default_rng(0).random((2, 2, 13, 12, 3))
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    expected = np.zeros(2)
    for i in range(2):
        for y in range(3):
            for x in range(2):
                for c in range(3):
                    a, b = (p[i, y : y + 11, x : x + 11, c] for p in (one, other))
                    m, n = (window * a).sum(), (window * b).sum()
                    v, w, k = (
                        (window * p).sum() for p in ((a - m) ** 2, (b - n) ** 2, (a - m) * (b - n))
                    )
                    expected[i] += (
                        (2 * m * n + 1e-4)
                        * (2 * k + 9e-4)
                        / ((m * m + n * n + 1e-4) * (v + w + 9e-4))
                        / 18
                    )
    np.testing.assert_allclose(ssim(one, other), expected, atol=1e-4)
    np.testing.assert_allclose(ssim(one, one), 1, atol=1e-6)


def test_the_mean_difference_is_over_all_pairs():
    observations = np.random.default_rng(0).random((7, 4, 3))
    pairs = [
        np.abs(a - b).mean()
        for i, a in enumerate(observations)
        for j, b in enumerate(observations)
        if i != j
    ]
    assert mean_difference(observations) == pytest.approx(np.mean(pairs), rel=1e-5)
    assert mean_difference(np.ones((5, 2))) == 0


class Once(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.seen = keras.metrics.Mean("seen")
        self.dense.build((None, 1))
        self.built = True

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.seen.update_state(x)
        return keras.ops.mean(y_pred) ** 2


def test_a_row_holds_the_means_of_its_steps_and_a_table_is_never_doubled(tmp_path):
    model = Once()
    model.compile(keras.optimizers.SGD(0.0))
    x, written = np.arange(50, dtype=np.float32)[:, None], []
    for _ in range(2):  # the second run is like one after a kill that lost the first
        written.clear()
        model.optimizer.iterations.assign(0)
        model.fit(
            x,
            batch_size=2,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=[LossRows(tmp_path / "rows.csv", written.append)],
        )
    rows = read_rows(tmp_path / "rows.csv")
    assert (
        [int(row["step"]) for row in rows]
        == [10, 20, 30, 40, 50]
        == [row["step"] for row in written]
    )
    # 25 steps an epoch over 0 to 49: the third row is the first five steps of the second epoch
    assert [float(row["seen"]) for row in rows] == pytest.approx(
        [9.5, 29.5, 4.5, 19.5, 39.5], rel=1e-5
    )


def test_the_curves_have_a_panel_for_each_number():
    often = [{"step": "10", "loss": "3", "kl": "1"}, {"step": "20", "loss": "2", "kl": "1"}]
    figure = loss_curves(
        often,
        [
            {
                "epoch": 0,
                "step": 20,
                "seconds": 1,
                "loss": 2.5,
                "kl": 1,
                "val_loss": 2,
                "val_ssim": 0.5,
            }
        ],
    )
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["loss", "kl", "ssim"]
    with pytest.raises(ValueError, match="at least one"):
        loss_curves(often, [])
