"""V as a VAE-GAN: a variational autoencoder whose pictures are judged by a discriminator.

It follows Rtlyc/world-models (WorldModels/gan.py), but differs where that code did not do what it
was meant to do:
- In training, batches are normalised by their own statistics; encode and decode use running
  averages of them. The original called its layers without a training flag, so that nothing was
  ever normalised.
- The discriminator's first convolution feeds the second (as in Larsen et al. 2016), so that inner
  features are 8x8. In the original the second took the frames and the first was left dangling, so
  that they were 16x16.
- A frame is encoded once per step, and latents are drawn twice from that. The original ran the
  encoder twice, with the same result.
- Things that are compared are normalised in one batch: frames with their reconstructions, and drawn
  latents with random ones. If each were normalised separately, reconstructions would learn nothing
  about brightness and contrast.
The kernel size is 5 as in that code; its README says 10, which works too.
"""

import keras
from keras import ops

from WorldModels.vision import gan_losses as losses
from WorldModels.vision import gan_networks as networks
from WorldModels.vision.networks import unit_range


@keras.saving.register_keras_serializable("WorldModels")
class VAEGAN(keras.Model):
    """A VAE-GAN that is trained without comparing pixels.

    For a batch x, its drawn latents z and random latents r ~ N(0, I), the generator G, and the
    discriminator with logit D and inner features Df:

        matching  = mean (Df(G(z)) - Df(x))^2
        kl        = mean over batch and dimensions of -1/2 (1 + log_var - mean^2 - exp(log_var))
        normality = mean_j m_j^2 + mean_j (v_j - 1)^2
        gan       = 1/2 BCE(D(x), 1) + 1/4 BCE(D(G(z)), 0) + 1/4 BCE(D(G(r)), 0)

        encoder = matching + kl_weight * kl + normality_weight * normality
        generator = matching - gan
            or non_saturating: matching + 1/4 BCE(D(G(z)), 1) + 1/4 BCE(D(G(r)), 1)
        discriminator = gan

    m_j and v_j are the mean and variance over the batch of dimension j of latents drawn a second
    time. Each loss trains only its own network. One Adam on their sum, which is reported as `loss`,
    equals three, since Adam works weight by weight.

    Args:
        observation_shape: (H, W, 3), H and W multiples of 8.
        latent_size: Z.
        kernel_size: of every convolution.
        depth: width of the generator's last inner layer; the other widths are multiples of it, see
            gan_networks.py.
        kl_weight, normality_weight: weights of the terms of the encoder's loss.
        generator_loss: "minimax" as published, or "non_saturating", see gan_losses.py.
        seed: for the initial weights and the noise in training.

    Raises:
        ValueError: there is no network for this size, or no such loss.
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
        self._make_networks()
        self.noise = keras.random.SeedGenerator(seed)
        self.terms = {name: keras.metrics.Mean(name) for name in losses.METRICS}
        self.built = True

    def _make_networks(self):
        common = {
            "kernel_size": self.kernel_size,
            "depth": self.depth,
            "seed": self.seed,
            "dtype": self.dtype_policy,
        }
        self.encoder = networks.encoder(self.observation_shape, self.latent_size, **common)
        self.generator = networks.generator(self.observation_shape, self.latent_size, **common)
        self.discriminator = networks.discriminator(self.observation_shape, **common)

    def encode(self, observations, training=False):
        """Mean and log-variance of z, each (B, Z) float32 in -1..1.

        Args:
            observations: (B, H, W, 3), uint8 or float in 0..1.
            training: normalise by the batch's own statistics.
        """
        mean, log_var = self.encoder(unit_range(observations), training=training)
        return mean, log_var

    def decode(self, z, training=False):
        """Frames (B, H, W, 3), float32 in 0..1, of latents z (B, Z)."""
        return self.generator(z, training=training)

    def judge(self, frames, training=False):
        """D's logit (B,), above 0 where it takes a frame to be real, and its inner features.

        Args:
            frames: (B, H, W, 3) in 0..1.
            training: normalise by the batch's own statistics.
        """
        logit, features = self.discriminator(frames, training=training)
        return logit, features

    def call(self, observations, training=False):
        """Encode, draw z and decode, and decode random latents in the same batch.

        Returns:
            A dict of reconstruction (B, H, W, 3); mean, log_var, z and random (B, Z); and sample
            (B, H, W, 3), which random decodes to.
        """
        mean, log_var = self.encode(observations, training)
        z, random = mean + ops.exp(log_var / 2) * self._normal(mean), self._normal(mean)
        latents = ops.concatenate([ops.stop_gradient(z), random])
        made, sample = ops.split(self.decode(latents, training), 2)
        return {
            "reconstruction": made,
            "sample": sample,
            "mean": mean,
            "log_var": log_var,
            "z": z,
            "random": random,
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of the three losses on a batch of frames x, given the output of `call`.

        It also updates the metrics.
        """
        x, made, sample = unit_range(x), y_pred["reconstruction"], y_pred["sample"]
        # The discriminator learns from frames that carry no gradient.
        frames = (x, ops.stop_gradient(made), ops.stop_gradient(sample))
        logits = [self.judge(some, training)[0] for some in frames]
        discriminator = losses.gan_loss(*logits)
        # The generator learns through a frozen discriminator, from latents without a gradient.
        judged = [self._frozen(self.discriminator, some, training)[0] for some in (made, sample)]
        matching = self._matching(x, made, training)
        adversarial = losses.adversarial_loss(
            self.generator_loss, ops.stop_gradient(logits[0]), *judged
        )
        encoder = self._encoder_loss(x, y_pred, training)
        self._log_errors(x, made)
        for name, value in losses.logit_metrics(*logits).items():
            self._log(name, value)
        self._log("encoder_loss", encoder)
        self._log("generator_loss", matching + adversarial)
        self._log("discriminator_loss", discriminator)
        self._log("feature_matching", matching)
        return encoder + matching + adversarial + discriminator

    def _encoder_loss(self, x, made, training):
        """The encoder learns through a frozen generator and discriminator."""
        latents = ops.concatenate([made["z"], made["random"]])
        again = ops.split(self._frozen(self.generator, latents, training), 2)[0]
        return self._matching(x, again, training) + self._prior(made["mean"], made["log_var"])

    def _matching(self, frames, made, training):
        """The distance between the discriminator's features of frames and of reconstructions.

        Both are in one batch, so that the same statistics normalise them.
        """
        features = self._frozen(self.discriminator, ops.concatenate([frames, made]), training)[1]
        seen, shown = ops.split(features, 2)
        return ops.mean(ops.square(shown - ops.stop_gradient(seen)))

    def _normal(self, like):
        return keras.random.normal(ops.shape(like), dtype="float32", seed=self.noise)

    def _frozen(self, network, x, training):
        """The network's output for x, without a gradient to its weights or new averages."""
        weights = [
            ops.stop_gradient(ops.convert_to_tensor(variable))
            for variable in network.trainable_variables
        ]
        others = [ops.convert_to_tensor(variable) for variable in network.non_trainable_variables]
        return network.stateless_call(weights, others, x, training=training)[0]

    def _prior(self, mean, log_var):
        """The terms of the encoder's loss that pull latents towards the standard normal."""
        kl = losses.mean_kl(mean, log_var)
        normality = losses.normality_loss(mean + ops.exp(log_var / 2) * self._normal(mean))
        self._log("kl", kl * self.latent_size)  # nats per frame, as for the other kinds
        self._log("normality", normality)
        return self.kl_weight * kl + self.normality_weight * normality

    def _log(self, name, value):
        self.terms[name].update_state(value)

    def _log_errors(self, frames, made):
        difference = made - frames
        self._log("reconstruction", ops.mean(ops.sum(ops.square(difference), axis=(1, 2, 3))))
        self._log("absolute_error", ops.mean(ops.abs(difference)))

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


def _check(observation_shape, latent_size, kernel_size, depth, generator_loss):
    multiple = 1 << networks.HALVINGS
    height, width = (*observation_shape, 0, 0)[:2]
    if len(observation_shape) != 3 or height % multiple or width % multiple:
        raise ValueError(
            f"observation_shape: expected (H, W, 3), H and W multiples of {multiple}, "
            f"received {observation_shape}."
        )
    for name, number in (
        ("latent_size", latent_size),
        ("kernel_size", kernel_size),
        ("depth", depth),
    ):
        if number < 1:
            raise ValueError(f"{name}: expected a whole number above 0, received {number}.")
    if generator_loss not in losses.GENERATOR_LOSSES:
        raise ValueError(
            f"generator_loss: expected one of {', '.join(losses.GENERATOR_LOSSES)}, "
            f"received {generator_loss!r}."
        )
