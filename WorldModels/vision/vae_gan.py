"""V as a variational autoencoder whose pictures a discriminator judges. Knows pictures and latents,
not where they come from.
"""

import keras
from keras import ops

from WorldModels.vision import gan_networks as networks
from WorldModels.vision.networks import unit_range

GENERATOR_LOSSES = ("minimax", "non_saturating")
METRICS = (
    "encoder_loss",
    "generator_loss",
    "discriminator_loss",
    "feature_matching",
    "kl",
    "normality",
    "gan_real",
    "gan_reconstructed",
    "gan_random",
    "reconstruction",
    "absolute_error",
    "real_probability",
    "fake_probability",
)


@keras.saving.register_keras_serializable("WorldModels")
class VAEGAN(keras.Model):
    """A VAE-GAN after Rtlyc/world-models (WorldModels/gan.py): no pixel is compared in training.

    With a batch x, its latents z, drawn; G(z), G(r) of r ~ N(0, I); D's logit, and D's inner
    features Df:

        matching  = mean (Df(G(z)) - Df(x))^2
        kl        = mean over batch and dimensions of -1/2 (1 + log_var - mean^2 - exp(log_var))
        normality = mean_j m_j^2 + mean_j (v_j - 1)^2          m, v: mean and variance over the
        batch of latents drawn anew
        gan       = 1/2 BCE(D(x), 1) + 1/4 BCE(D(G(z)), 0) + 1/4 BCE(D(G(r)), 0)

        encoder = matching + kl_weight * kl + normality_weight * normality
        generator = matching - gan,  or non_saturating: matching + 1/4 BCE(D(G(z)), 1) + 1/4
        BCE(D(G(r)), 1)
        discriminator = gan

    Each loss trains its own network only. One Adam on the sum is three Adams, as Adam is per
    weight; the sum that is reported
    as `loss` only counts what carries a gradient.

    Otherwise than the published code, where that did not do what it was written for:
    - Batches are normalised by their own statistics in training, which are also averaged; encode
    and decode use the averages.
      There, layers were called without a training flag, so that nothing was ever normalised.
    - The discriminator's first convolution feeds the second one (as in Larsen et al. 2016). There
    the second one took the
      frames, and the first was left dangling; so inner features are 8x8 and not 16x16.
    - A frame is encoded once a step, and latents drawn twice from that. There the encoder ran
    twice, to the same end.
    - What is compared is normalised together: features of frames and of their reconstructions in
    one batch, and drawn and random
      latents in one. Each normalised by itself, a reconstruction would be told nothing of its
      brightness and its contrast.
    The kernel size is 5 as in the code; its README says 10, which works too.

    Args:
        observation_shape: (H, W, 3), H and W multiples of 8.
        latent_size: Z.
        kernel_size: of every convolution.
        depth: of the generator's last inner layer; the other widths are multiples, see
            gan_networks.py.
        kl_weight, normality_weight: of the terms of the encoder's loss.
        generator_loss: "minimax" as published, or "non_saturating" (Goodfellow et al. 2014, section
            3).
        seed: of the initial weights and of the noise in training.

    Raises:
        ValueError: a size or a loss that there is no network for.
    """

    def __init__(
        self,
        observation_shape=(64, 64, 3),
        latent_size=512,
        kernel_size=5,
        depth=32,
        kl_weight=0.01,
        normality_weight=0.1,
        generator_loss="minimax",
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check(tuple(observation_shape), latent_size, kernel_size, depth, generator_loss)
        self.observation_shape, self.latent_size = tuple(observation_shape), int(latent_size)
        self.kernel_size, self.depth, self.seed = int(kernel_size), int(depth), int(seed)
        self.kl_weight, self.normality_weight = float(kl_weight), float(normality_weight)
        self.generator_loss = generator_loss
        common = {
            "kernel_size": self.kernel_size,
            "depth": self.depth,
            "seed": self.seed,
            "dtype": self.dtype_policy,
        }
        self.encoder = networks.encoder(self.observation_shape, self.latent_size, **common)
        self.generator = networks.generator(self.observation_shape, self.latent_size, **common)
        self.discriminator = networks.discriminator(self.observation_shape, **common)
        self.noise = keras.random.SeedGenerator(seed)
        self.terms = {name: keras.metrics.Mean(name) for name in METRICS}
        self.built = True

    def encode(self, observations, training=False):
        """Mean and log-variance of z, each (B, Z) float32 in -1..1, of frames (B, H, W, 3), uint8
        or float in 0..1.
        """
        mean, log_var = self.encoder(unit_range(observations), training=training)
        return mean, log_var

    def decode(self, z, training=False):
        """Frames (B, H, W, 3), float32 in 0..1, of latents z (B, Z)."""
        return self.generator(z, training=training)

    def judge(self, frames, training=False):
        """D's logit (B,), above 0 where it believes frames (B, H, W, 3) in 0..1 to be real, and
        inner features; float32.
        """
        logit, features = self.discriminator(frames, training=training)
        return logit, features

    def call(self, observations, training=False):
        """Encode, draw z, decode: a dict of reconstruction (B, H, W, 3), mean and log_var and z (B,
        Z), and beside them, in the
        same batch, random (B, Z) latents and sample (B, H, W, 3), what they decode to."""
        mean, log_var = self.encode(observations, training)
        z, random = mean + ops.exp(log_var / 2) * self._normal(mean), self._normal(mean)
        made, sample = ops.split(
            self.decode(ops.concatenate([ops.stop_gradient(z), random]), training), 2
        )
        return {
            "reconstruction": made,
            "sample": sample,
            "mean": mean,
            "log_var": log_var,
            "z": z,
            "random": random,
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of the three losses of a batch of frames x and what `call` made of them; also
        updates the metrics.
        """
        x, made, sample = unit_range(x), y_pred["reconstruction"], y_pred["sample"]
        # The discriminator learns from frames that carry no gradient.
        logits = [
            self.judge(frames, training)[0]
            for frames in (x, ops.stop_gradient(made), ops.stop_gradient(sample))
        ]
        discriminator = gan_loss(*logits)
        # The generator, through a frozen discriminator and from latents that carry no gradient.
        judged = [
            self._frozen(self.discriminator, frames, training)[0] for frames in (made, sample)
        ]
        matching, adversarial = (
            self._matching(x, made, training),
            self._adversarial(ops.stop_gradient(logits[0]), *judged),
        )
        # The encoder, through frozen generator and discriminator.
        latents = ops.concatenate([y_pred["z"], y_pred["random"]])
        again = ops.split(self._frozen(self.generator, latents, training), 2)[0]
        encoder = self._matching(x, again, training) + self._prior(y_pred)
        self._log(
            x,
            made,
            dict(zip(("real", "reconstructed", "random"), logits, strict=True)),
            encoder_loss=encoder,
            generator_loss=matching + adversarial,
            discriminator_loss=discriminator,
            feature_matching=matching,
        )
        return encoder + matching + adversarial + discriminator

    def _matching(self, frames, made, training):
        """How far the discriminator's inner features of frames and of what is made of them are
        apart; in one batch, so that
        the same statistics normalise both."""
        features = self._frozen(self.discriminator, ops.concatenate([frames, made]), training)[1]
        seen, shown = ops.split(features, 2)
        return ops.mean(ops.square(shown - ops.stop_gradient(seen)))

    def _normal(self, like):
        return keras.random.normal(ops.shape(like), dtype="float32", seed=self.noise)

    def _frozen(self, network, x, training):
        """The network on x; no gradient reaches its weights, and its averages of batches stay as
        they are.
        """
        weights = [
            ops.stop_gradient(ops.convert_to_tensor(variable))
            for variable in network.trainable_variables
        ]
        others = [ops.convert_to_tensor(variable) for variable in network.non_trainable_variables]
        return network.stateless_call(weights, others, x, training=training)[0]

    def _prior(self, made):
        """The terms of the encoder's loss that hold latents to the standard normal."""
        mean, log_var = made["mean"], made["log_var"]
        kl = ops.mean(-0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var)))
        again = mean + ops.exp(log_var / 2) * self._normal(mean)
        normality = ops.mean(ops.square(ops.mean(again, axis=0))) + ops.mean(
            ops.square(ops.var(again, axis=0) - 1)
        )
        self.terms["kl"].update_state(
            kl * self.latent_size
        )  # nats a frame, as the other kinds count it
        self.terms["normality"].update_state(normality)
        return self.kl_weight * kl + self.normality_weight * normality

    def _adversarial(self, real, reconstructed, random):
        """The generator's part of the game, from D's logits."""
        if self.generator_loss == "minimax":
            return -gan_loss(real, reconstructed, random)
        return 0.25 * cross_entropy(reconstructed, 1.0) + 0.25 * cross_entropy(random, 1.0)

    def _log(self, frames, made, logits, **terms):
        difference = made - frames
        fakes = [ops.mean(ops.sigmoid(logits[name])) for name in ("reconstructed", "random")]
        terms |= {
            f"gan_{name}": cross_entropy(logit, float(name == "real"))
            for name, logit in logits.items()
        }
        terms |= {
            "reconstruction": ops.mean(ops.sum(ops.square(difference), axis=(1, 2, 3))),
            "absolute_error": ops.mean(ops.abs(difference)),
            "real_probability": ops.mean(ops.sigmoid(logits["real"])),
            "fake_probability": sum(fakes) / 2,
        }
        for name, value in terms.items():
            self.terms[name].update_state(value)

    def get_config(self):
        return {
            **super().get_config(),
            "observation_shape": self.observation_shape,
            "latent_size": self.latent_size,
            "kernel_size": self.kernel_size,
            "depth": self.depth,
            "kl_weight": self.kl_weight,
            "normality_weight": self.normality_weight,
            "generator_loss": self.generator_loss,
            "seed": self.seed,
        }


def cross_entropy(logit, target: float):
    """Mean binary cross-entropy in nats of logits (B,) against a target, 0 or 1: softplus(logit) -
    target * logit.
    """
    return ops.mean(ops.softplus(logit) - target * logit)


def gan_loss(real, reconstructed, random):
    """The discriminator's loss from its logits (B,) of frames, of their reconstructions and of what
    random latents decode to.
    """
    return (
        0.5 * cross_entropy(real, 1.0)
        + 0.25 * cross_entropy(reconstructed, 0.0)
        + 0.25 * cross_entropy(random, 0.0)
    )


def _check(observation_shape, latent_size, kernel_size, depth, generator_loss):
    multiple = 1 << networks.HALVINGS
    if (
        len(observation_shape) != 3
        or observation_shape[0] % multiple
        or observation_shape[1] % multiple
    ):
        raise ValueError(
            f"observation_shape: expected (H, W, 3), H and W multiples of {multiple}, received {observation_shape}."
        )
    for name, number in (
        ("latent_size", latent_size),
        ("kernel_size", kernel_size),
        ("depth", depth),
    ):
        if number < 1:
            raise ValueError(f"{name}: expected a whole number above 0, received {number}.")
    if generator_loss not in GENERATOR_LOSSES:
        raise ValueError(
            f"generator_loss: expected one of {', '.join(GENERATOR_LOSSES)}, received {generator_loss!r}."
        )
