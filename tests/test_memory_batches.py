"""Laws of batches of series: seed and epoch decide their content, and steps stay in order."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from WorldModels.episodes.series import Series
from WorldModels.memory.baselines import GaussianBaselines
from WorldModels.memory.batches import SeriesBatches

Z, A = 4, 2


def some_series(lengths, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    return [
        Series(draw(n + 1, Z), draw(n + 1, Z) - 3, np.tanh(draw(n, A)), draw(n), True)
        for n in lengths
    ]


@pytest.mark.parametrize("kind", ["episodes", "streams", "segments"])
def test_batches_follow_from_seed_and_epoch_alone(kind):
    series = some_series([12, 5, 9, 30, 8])

    def batch(seed, epoch, index):
        batches = SeriesBatches(series, kind, 2, 6, seed)
        batches.begin_epoch(epoch)
        return batches[index]

    used = SeriesBatches(series, kind, 2, 6, seed=1)
    all_of_it = [used[i] for i in range(len(used))]
    used.on_epoch_end()
    for name, x in used[1].items():
        np.testing.assert_array_equal(x, batch(1, 1, 1)[name])
        np.testing.assert_array_equal(all_of_it[1][name], batch(1, 0, 1)[name])
    assert np.abs(batch(1, 1, 1)["z"] - batch(1, 0, 1)["z"]).max() > 0
    assert np.abs(batch(1, 1, 1)["z"] - batch(2, 1, 1)["z"]).max() > 0


@pytest.mark.parametrize("kind", ["episodes", "streams", "segments"])
def test_z_is_drawn_from_mean_and_variance_of_the_right_frames(kind):
    series = some_series([12, 5, 9, 30])
    for n, s in enumerate(series):
        s.mean[:] = 100 * n + np.arange(len(s.mean))[:, None]
        s.actions[:], s.rewards[:] = (s.mean[:-1, :A] / 1000), s.mean[1:, 0]
        s.log_var[:] = -20
    batches = SeriesBatches(series, kind, 2, 6)
    for batch in (batches[i] for i in range(len(batches))):
        steps = batch["mask"] == 1
        np.testing.assert_allclose(batch["next_z"][steps], batch["z"][steps] + 1, atol=1e-2)
        np.testing.assert_allclose(
            batch["actions"][steps] * 1000, batch["z"][steps][:, :A], atol=1e-2
        )
        np.testing.assert_allclose(batch["rewards"][steps], batch["next_z"][steps][:, 0], atol=1e-2)
        last = np.isin(np.round(batch["next_z"][steps][:, 0]), [12, 105, 209, 330])
        np.testing.assert_array_equal(batch["terminated"][steps] == 1, last)
        assert not batch["z"][~steps].any()
    noisy = some_series([400])
    noisy[0].mean[:], noisy[0].log_var[:] = 2.0, 2 * np.log(3.0)
    z = SeriesBatches(noisy, kind, 1, 400)[0]["z"]
    assert z.mean() == pytest.approx(2, abs=0.3) and z.std() == pytest.approx(3, abs=0.3)


def test_streams_carry_every_step_once_and_flag_where_episodes_begin():
    series = some_series([12, 5, 9, 30])
    batches = SeriesBatches(series, "streams", 2, 7)
    rows = [batches[i] for i in range(len(batches))]
    assert len(rows) == 56 // 2 // 7
    whole = {
        name: np.concatenate([row[name] for row in rows], axis=1)
        for name in ("z", "next_z", "restarts", "terminated", "mask")
    }
    assert whole["mask"].all()
    begins = whole["restarts"][:, 1:] == 1
    np.testing.assert_array_equal(begins, whole["terminated"][:, :-1] == 1)
    np.testing.assert_array_equal(whole["z"][:, 1:][~begins], whole["next_z"][:, :-1][~begins])
    assert (
        sorted(
            len(run)
            for run in "".join(
                "".join(str(int(x)) for x in row) for row in whole["terminated"]
            ).split("1")
        )[-1]
        == 29
    )
    assert [row["carry"].tolist() for row in rows] == [[0, 0], [1, 1], [1, 1], [1, 1]]


def test_baselines_are_the_gaussians_that_they_say():
    rng = np.random.default_rng(0)
    walk = np.cumsum(0.5 * rng.standard_normal((3001, Z)), axis=0).astype(np.float32)
    series = [
        Series(
            walk,
            np.full_like(walk, -20),
            np.zeros((3000, A), np.float32),
            np.zeros(3000, np.float32),
            False,
        )
    ]
    scores = GaussianBaselines(series).score([SeriesBatches(series, "episodes", 1, 3000)[0]])
    assert scores["copy_previous_nll"] == pytest.approx(
        0.5 * np.log(2 * np.pi * np.e * 0.25), abs=0.03
    )
    assert scores["static_nll"] > scores["copy_previous_nll"] + 1
