"""Laws of V's losses: they equal their closed forms, and rare pixels get the documented weight."""

import keras
import numpy as np
import pytest
from conftest import compiled
from keras import ops
from test_vision import SMALL, array, frames

from WorldModels.episodes.episode import Episode, list_episodes
from WorldModels.episodes.frames import usual_frames
from WorldModels.episodes.split import split
from WorldModels.experiment.presets import preset
from WorldModels.train_vision import main
from WorldModels.vision.kinds import published_form
from WorldModels.vision.vae import FIRST_SPREAD, VAE, frame_losses


def test_the_losses_are_their_closed_forms():
    rng = np.random.default_rng(0)
    seen, made = rng.random((2, 3, 64, 64, 3))
    mean, log_var = rng.standard_normal((2, 3, 5))
    squared_error, kl = (
        array(x)
        for x in frame_losses(
            *(ops.convert_to_tensor(x, "float32") for x in (seen, made, mean, log_var))
        )
    )
    np.testing.assert_allclose(squared_error, ((seen - made) ** 2).sum((1, 2, 3)), rtol=1e-4)
    divergence = 0.5 * (mean**2 + np.exp(log_var) - log_var - 1).sum(1)
    np.testing.assert_allclose(kl, divergence, rtol=1e-4)
    z = mean[0] + np.exp(log_var[0] / 2) * rng.standard_normal(
        (200_000, 5)
    )  # KL is the mean of log q - log p
    sampled = 0.5 * (z**2 - (z - mean[0]) ** 2 / np.exp(log_var[0]) - log_var[0]).sum(1).mean()
    assert sampled == pytest.approx(divergence[0], rel=0.02)


def test_kl_costs_nothing_below_its_tolerance():
    vision = VAE(**SMALL, kl_tolerance=3.0)
    parts = {
        "reconstruction": np.zeros((2, 64, 64, 3), "float32"),
        "mean": np.array([[1.0] * 4, [5.0] * 4], "float32"),
        "log_var": np.zeros((2, 4), "float32"),
    }
    loss = vision.compute_loss(
        x=ops.zeros((2, 64, 64, 3)),
        y_pred={name: ops.convert_to_tensor(x) for name, x in parts.items()},
    )
    assert float(loss) == pytest.approx((max(2.0, 12.0) + max(50.0, 12.0)) / 2)


def parts_of(seed=0, count=3):
    """Frames in 0..1, and possible outputs of V for them, as tensors and as arrays."""
    rng = np.random.default_rng(seed)
    seen = rng.random((count, 64, 64, 3), "float32")
    parts = {
        "reconstruction": rng.random((count, 64, 64, 3), "float32"),
        "mean": rng.standard_normal((count, 4), "float32"),
        "log_var": rng.standard_normal((count, 4), "float32"),
    }
    return seen, parts


def loss_and_metrics(vision, seen, parts):
    loss = float(
        vision.compute_loss(
            x=ops.convert_to_tensor(seen),
            y_pred={k: ops.convert_to_tensor(x) for k, x in parts.items()},
        )
    )
    return loss, float(vision.reconstruction_metric.result()), float(vision.kl_metric.result())


def test_the_weighted_loss_is_its_closed_form():
    vision, (seen, parts) = (
        VAE(**SMALL, rare_weight=12.0, kl_weight=0.3, kl_tolerance=0.1),
        parts_of(),
    )
    background = np.random.default_rng(1).random((64, 64, 3))
    vision.background.assign(background)
    weight = 1 + 12 * ((seen - background) ** 2).mean(axis=-1, keepdims=True)
    error = (seen - parts["reconstruction"]) ** 2
    kl = 0.5 * (parts["mean"] ** 2 + np.exp(parts["log_var"]) - parts["log_var"] - 1).sum(axis=1)
    loss, reconstruction, divergence = loss_and_metrics(vision, seen, parts)
    expected = (weight * error).sum((1, 2, 3)).mean() + 0.3 * np.maximum(kl, 0.4).mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    assert reconstruction == pytest.approx(
        error.sum((1, 2, 3)).mean(), rel=1e-5
    )  # unweighted, so that runs compare
    assert divergence == pytest.approx(kl.mean(), rel=1e-5)


def test_without_weights_the_loss_is_the_published_one():
    vision, (seen, parts) = VAE(**SMALL), parts_of()
    loss, reconstruction, _ = loss_and_metrics(vision, seen, parts)
    kl = 0.5 * (parts["mean"] ** 2 + np.exp(parts["log_var"]) - parts["log_var"] - 1).sum(axis=1)
    assert loss == pytest.approx(reconstruction + np.maximum(kl, 2.0).mean(), rel=1e-6)
    plain = VAE(**SMALL, rare_weight=1e-9, kl_weight=1.0)
    assert loss_and_metrics(plain, seen, parts)[0] == pytest.approx(loss, rel=1e-6)
    assert (
        len(vision.variables) == len(plain.variables) - 1
    )  # V has a background only if it uses it


@pytest.mark.parametrize("form", ["transpose", "depth_to_space"])
def test_v_starts_from_the_mean_colour_and_with_means_that_tell_frames_apart(form):
    vision, median = VAE(**SMALL, decoder_form=form), np.zeros((64, 64, 3), np.float32)
    median[:16] = 0.8, 0.4, 0.0
    seen = np.repeat((255 * median).round().astype(np.uint8)[None], 250, axis=0)
    for number, frame in enumerate(seen):  # two pixels that move
        frame[number % 62, number * 7 % 62 : number * 7 % 62 + 2] = 255
    vision.start_from(seen, median)
    first = array(vision.decode(np.zeros((1, vision.latent_size), np.float32)))[0]
    expected = np.broadcast_to([0.2, 0.1, 0.01], first.shape)  # 0 would need a bias of -inf
    np.testing.assert_allclose(first, expected, atol=1e-6)
    means = array(vision.encode(seen)[0])
    np.testing.assert_allclose(means.std(0), FIRST_SPREAD, rtol=1e-2)
    np.testing.assert_allclose(means.mean(0), 0, atol=1e-3)


def test_where_no_frame_differs_from_another_the_start_stays_finite():
    vision, seen = VAE(**SMALL), np.full((3, 64, 64, 3), 40, np.uint8)
    before = array(vision.encoder.mean.kernel)
    vision.start_from(seen, seen[0] / np.float32(255))
    np.testing.assert_array_equal(array(vision.encoder.mean.kernel), before)
    np.testing.assert_allclose(array(vision.encode(seen)[0]), 0, atol=1e-5)


def test_no_gradient_moves_the_background_and_every_form_keeps_it(tmp_path):
    vision = VAE(
        **SMALL,
        rare_weight=12.0,
        kl_weight=0.3,
        decoder_form="depth_to_space",
        dtype="mixed_bfloat16",
    )
    assert all(v is not vision.background for v in vision.trainable_variables)
    background = np.random.default_rng(1).random((64, 64, 3), "float32")
    vision.background.assign(background)
    compiled(vision, keras.optimizers.Adam(1e-3))
    vision.fit(frames(), epochs=1, verbose=0)
    published_form(vision).save(tmp_path / "vision.keras")
    loaded = keras.saving.load_model(tmp_path / "vision.keras")
    assert (loaded.rare_weight, loaded.kl_weight) == (12.0, 0.3)
    for form in (vision, published_form(vision), loaded):
        np.testing.assert_array_equal(array(form.background), background)


@pytest.mark.slow
def test_the_background_is_the_training_frames_and_stays_when_training_goes_on(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("WorldModels.export.files.unavailable", lambda: "skipped here")

    def train(epochs, *more):
        main(
            [
                "takecover",
                "--scale",
                "smoke",
                "--results",
                str(tmp_path),
                "--vision.epochs",
                str(epochs),
                *more,
            ]
        )
        return array(keras.saving.load_model(tmp_path / "0/vision.keras").background)

    record(tmp_path, range(4), brightness=100)
    first = train(1)
    paths = list_episodes(tmp_path / "0/episodes")
    training, _ = split(paths, tmp_path / "0", "vision", preset("takecover", "smoke"))
    np.testing.assert_array_equal(first, usual_frames(training)[1])
    record(tmp_path, range(4, 12), brightness=200)
    np.testing.assert_array_equal(train(2), first)
    assert np.abs(train(1, "--force") - first).mean() > 0.1


def record(folder, numbers, brightness):
    for number in numbers:
        observations = np.random.default_rng(number).integers(
            brightness, brightness + 50, (40, 64, 64, 3), np.uint8
        )
        Episode(observations, np.zeros((39, 1)), np.ones(39), True, False, number, "none").save(
            folder / f"0/episodes/{number:06}.npz"
        )


def test_the_median_frame_is_what_most_frames_show(tmp_path):
    still = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for number in range(3):
        observations = np.repeat(still[None], 21, axis=0)
        for t in range(20):
            observations[t, 3 * t : 3 * t + 3, 10 * number : 10 * number + 3] = (
                255  # something small that moves
            )
        np.savez_compressed(tmp_path / f"{number}.npz", observations=observations)
    paths = sorted(tmp_path.glob("*.npz"))
    some, median = usual_frames(paths)
    np.testing.assert_allclose(median, still / 255, atol=1e-6)
    assert median.dtype == np.float32 and some.dtype == np.uint8
