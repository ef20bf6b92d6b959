"""Laws of the VAE-GAN: published losses and layers, one loss per network, batch statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import compiled
from keras import ops

from WorldModels.experiment.presets import preset
from WorldModels.vision.gan_losses import METRICS, cross_entropy
from WorldModels.vision.vae_gan import VAEGAN

SMALL = {"latent_size": 4, "depth": 2, "kernel_size": 3}
NETWORKS = ("encoder", "generator", "discriminator")


def frames(count=8, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def published_losses(vision, x):
    """Each network's published loss, with no network frozen; draws noise in the model's order."""
    mean, log_var = vision.encode(x, training=True)
    e, r, again = (keras.random.normal(mean.shape, seed=vision.noise) for _ in range(3))
    fake, random = tf.split(
        vision.decode(tf.concat([mean + tf.exp(log_var / 2) * e, r], 0), training=True), 2
    )
    true, made, drawn = (vision.judge(y, training=True)[0] for y in (x, fake, random))
    inner_true, inner_made = tf.split(vision.judge(tf.concat([x, fake], 0), training=True)[1], 2)

    def bce(logit, target):
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(logit.shape, target), logit)
        )

    matching = tf.reduce_mean((inner_made - tf.stop_gradient(inner_true)) ** 2)
    kl = tf.reduce_mean(-0.5 * tf.reduce_mean(1 + log_var - mean**2 - tf.exp(log_var), axis=-1))
    m, v = tf.nn.moments(mean + tf.exp(log_var / 2) * again, axes=0)
    normality = tf.reduce_mean(m**2) + tf.reduce_mean((v - 1) ** 2)
    gan = 0.5 * bce(true, 1.0) + 0.25 * bce(made, 0.0) + 0.25 * bce(drawn, 0.0)
    generator = matching - gan
    if vision.generator_loss == "non_saturating":
        generator = matching + 0.25 * bce(made, 1.0) + 0.25 * bce(drawn, 1.0)
    return {
        "encoder": matching + 0.01 * kl + 0.1 * normality,
        "generator": generator,
        "discriminator": gan,
    }


@pytest.mark.parametrize("form", ["minimax", "non_saturating"])
def test_each_network_learns_its_own_published_loss_and_nothing_else(form):
    vision, x = VAEGAN(**SMALL, generator_loss=form), tf.constant(frames() / np.float32(255))
    state = array(vision.noise.state)
    with tf.GradientTape() as tape:
        loss = vision.compute_loss(x=x, y_pred=vision(x, training=True))
    received = tape.gradient(
        loss, {name: getattr(vision, name).trainable_variables for name in NETWORKS}
    )
    vision.noise.state.assign(state)
    with tf.GradientTape(persistent=True) as tape:
        losses = published_losses(vision, x)
    for name in NETWORKS:
        variables = getattr(vision, name).trainable_variables
        assert float(losses[name]) == pytest.approx(
            float(vision.terms[f"{name}_loss"].result()), rel=1e-4
        )
        for variable, mine, wanted in zip(
            variables, received[name], tape.gradient(losses[name], variables), strict=True
        ):
            np.testing.assert_allclose(
                mine, wanted, atol=1e-5 + 1e-3 * np.abs(wanted).max(), err_msg=variable.path
            )


def test_the_networks_are_the_published_ones():
    vision = VAEGAN()

    def kernels(network):
        return [w.shape for w in network.trainable_variables if w.name == "kernel"]

    assert kernels(vision.encoder) == [
        (5, 5, 3, 64),
        (5, 5, 64, 128),
        (5, 5, 128, 256),
        (16384, 512),
        (512, 512),
        (512, 512),
    ]
    assert kernels(vision.generator) == [
        (512, 16384),
        (5, 5, 256, 256),
        (5, 5, 128, 256),
        (5, 5, 32, 128),
        (5, 5, 32, 3),
    ]
    # 32 channels first: the published code defines this layer but then bypasses it
    assert kernels(vision.discriminator) == [
        (5, 5, 3, 32),
        (5, 5, 32, 128),
        (5, 5, 128, 256),
        (5, 5, 256, 256),
        (16384, 256),
        (256, 1),
    ]
    assert (
        sum(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in vision.discriminator.layers
        )
        == 4
    )
    assert vision.discriminator.output[1].shape == (None, 8, 8, 256)
    slopes = {
        getattr(layer, "negative_slope", 0.2)
        for n in NETWORKS
        for layer in getattr(vision, n).layers
    }
    assert slopes == {0.2}


@pytest.mark.slow
def test_every_weight_learns_and_batch_statistics_are_used():
    vision, x = VAEGAN(**SMALL), frames()
    before = {v.path: array(v) for v in vision.variables}
    compiled(vision, keras.optimizers.Adam(1e-3))
    history = vision.fit(x, batch_size=8, epochs=2, verbose=0).history
    assert set(history) == {"loss", *METRICS}

    for variable in vision.variables:
        assert not np.array_equal(array(variable), before[variable.path]), variable.path

    # After training a frame is encoded the same alone and in a batch.
    alone, among = (array(vision.encode(y)[0])[0] for y in (x[:1], x))
    np.testing.assert_allclose(alone, among, atol=1e-5)
    assert np.abs(array(vision.encode(x, training=True)[0])[0] - among).max() > 1e-3


def test_the_cross_entropy_is_its_closed_form():
    logit = np.array([-30.0, -1.0, 0.0, 2.0, 40.0], np.float32)
    p = 1 / (1 + np.exp(-logit.astype(np.float64)))
    assert float(cross_entropy(ops.convert_to_tensor(logit), 1.0)) == pytest.approx(
        -np.log(p).mean(), rel=1e-5
    )
    assert float(cross_entropy(ops.convert_to_tensor(logit[:4]), 0.0)) == pytest.approx(
        -np.log(1 - p[:4]).mean(), rel=1e-5
    )


def test_latents_are_bounded():
    vision = VAEGAN(**SMALL)
    for weight in vision.encoder.trainable_variables:
        weight.assign(weight * 50.0)
    mean, log_var = (array(x) for x in vision.encode(frames()))
    assert np.abs(mean).max() <= 1 and np.abs(log_var).max() <= 1 and np.abs(mean).max() > 0.9


@pytest.mark.parametrize(
    ("shape", "kernel_size"),
    [((64, 64, 3), 10), ((96, 96, 3), 4), ((64, 64, 3), 1), ((16, 32, 3), 5)],
)
def test_any_kernel_and_any_picture_of_eighths(shape, kernel_size):
    vision = VAEGAN(shape, 3, kernel_size, depth=1)
    assert array(vision.decode(array(vision.encode(np.zeros((2, *shape), np.uint8))[0]))).shape == (
        2,
        *shape,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation_shape": (63, 64, 3)}, "multiples of 8"),
        ({"observation_shape": (8,)}, "observation_shape"),
        ({"generator_loss": "wasserstein"}, "minimax, non_saturating"),
        ({"depth": 0}, "depth"),
    ],
)
def test_what_there_is_no_network_for_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        VAEGAN(**{**SMALL, **change})


def test_the_paper_scale_holds_the_published_numbers():
    settings = preset("carracing", "paper", {"vision": "vae_gan"}).vision
    published = {
        "latent_size": 512,
        "kernel_size": 5,
        "depth": 32,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "kl_weight": 0.01,
        "normality_weight": 0.1,
        "generator_loss": "minimax",
        "warmup_steps": 0,
    }
    assert {name: getattr(settings, name) for name in published} == published
