"""Measures of a trained V equal their closed forms; losses by step survive a kill."""

import keras
import numpy as np
import pytest

from WorldModels.experiment.rows import read_rows
from WorldModels.figures.losses import loss_curves
from WorldModels.vision.quality import (
    FADED,
    IN_USE,
    mean_difference,
    rare_share,
    ssim,
    validate,
    warnings_of,
)
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


def ball(count=12):
    """Frames (n, 64, 64, 3) uint8 with a ball of 2x2 pixels, each time at another place."""
    frames = np.full((count, 64, 64, 3), 40, np.uint8)
    for i, frame in enumerate(frames):
        frame[4 * i : 4 * i + 2, 60 - 4 * i : 62 - 4 * i] = 240
    return frames


def test_a_ball_that_is_left_out_is_seen_in_the_rarest_pixels_only():
    frames = ball()
    still = np.full(frames.shape, np.float32(40 / 255))
    assert rare_share(frames, still) == pytest.approx(1)
    assert rare_share(frames, frames / 255) == pytest.approx(0, abs=1e-6)
    noise = np.random.default_rng(0).normal(0, 0.05, frames.shape)
    assert rare_share(frames, frames / 255 + noise) < 0.01, "the ground does not count"
    assert ssim(still, frames / 255).mean() > 0.95, "the usual measure hides it"


@pytest.mark.parametrize(
    "rare, used, weight, said",
    [
        (1.0, 9, 0.0, ["--vision.rare-weight 30 with --vision.median-start"]),
        (1.0, 9, 100.0, ["--vision.rare-weight 300 "]),
        (1.0, 9, None, []),
        (FADED - 0.1, 2, 0.0, []),
        (0.1, 1, 0.0, ["--vision.kl-weight"]),
        (1.0, 0, 0.0, ["--vision.rare-weight", "--vision.kl-weight"]),
    ],
)
def test_a_v_that_says_too_little_is_told_with_the_flag_that_helps(rare, used, weight, said):
    lines = warnings_of({"val_rare_error": rare, "val_latents_in_use": float(used)}, weight)
    assert len(lines) == len(said) and all(
        flag in line for flag, line in zip(said, lines, strict=True)
    )
    assert not warnings_of({}, weight), "nothing was held out"


def test_latents_in_use_are_counted():
    from WorldModels.vision.vae import VAE

    vision = VAE((64, 64, 3), 4, (2, 2, 2, 2), (2, 2, 2))
    vision.compile()
    encode, frames = vision.encode, ball()

    def encoded(observations):
        mean, log_var = encode(observations)
        place = keras.ops.cast(observations[:, 0, 60:61, 0], "float32") / 100
        return keras.ops.concatenate([place, 0 * mean[:, :3] + IN_USE], axis=1), log_var

    vision.encode = encoded
    assert validate(vision, frames, 4)["val_latents_in_use"] == 1


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
