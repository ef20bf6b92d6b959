"""V as a variational autoencoder of pictures."""

import keras
import numpy as np
from keras import ops

from WorldModels.vision.networks import Decoder, Encoder, architecture, unit_range
from WorldModels.vision.transposed import DECODER_FORMS

FIRST_COLOURS = (0.01, 0.99)  # range of the decoder's first colour: black would need a bias of -inf
FIRST_SPREAD = 0.3  # standard deviation of an untrained V's means (from 1 it learns less well)


@keras.saving.register_keras_serializable("WorldModels")
class VAE(keras.Model):
    """The published variational autoencoder (paper A.1; hardmaru/WorldModelsExperiments, vae.py).

    loss = mean over frames of the squared error summed over pixels and colours + kl_weight *
    max(KL, kl_tolerance * Z), where a pixel weighs 1 + rare_weight * its squared distance from
    `background`, so that small things that come and go are not smoothed away. It has 4,348,547
    parameters at 64x64 and Z = 32. Train it with fit() on batches of frames (B, H, W, 3), uint8.

    Args:
        observation_shape: (64, 64, 3) or (96, 96, 3).
        latent_size: Z.
        encoder_filters, decoder_filters: channels of the convolutions, 4 and 3 numbers (the
            decoder's last convolution has 3 channels). At 96x96 the encoder has one more layer, as
            wide as its last, and the decoder one more, twice as wide as its first.
        kl_tolerance: free nats per latent dimension, applied to the sum over a frame's dimensions.
        rare_weight: 0 as published: all pixels weigh 1. Above 0, V also has a non-trainable weight
            background (H, W, 3) in 0..1: assign the median frame to it before training.
        kl_weight: weight of the KL term; 1 as published.
        decoder_form: "transpose" or "depth_to_space": two ways to compute the same decoder from the
            same weights.
        seed: for the initial weights and the noise in training.

    Raises:
        ValueError: there is no network for this size, a wrong number of filters, or no such form.
    """

    def __init__(
        self,
        observation_shape=(64, 64, 3),
        latent_size=32,
        encoder_filters=(32, 64, 128, 256),
        decoder_filters=(128, 64, 32),
        kl_tolerance=0.5,
        rare_weight=0.0,
        kl_weight=1.0,
        decoder_form="transpose",
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        plan = _checked(tuple(observation_shape), encoder_filters, decoder_filters, decoder_form)
        self.observation_shape, self.latent_size = tuple(observation_shape), int(latent_size)
        self.encoder_filters, self.decoder_filters = tuple(encoder_filters), tuple(decoder_filters)
        self.kl_tolerance, self.kl_weight = float(kl_tolerance), float(kl_weight)
        self.rare_weight = float(rare_weight)
        self.decoder_form, self.seed = decoder_form, int(seed)
        self._make_networks(plan)
        if self.rare_weight > 0:
            self.background = self._make_background()
        self.noise = keras.random.SeedGenerator(seed)
        self.reconstruction_metric = keras.metrics.Mean("reconstruction")
        self.kl_metric = keras.metrics.Mean("kl")
        self.built = True

    def _make_networks(self, plan):
        dtype, deeper = self.dtype_policy, len(plan.encoder_kernels) - len(self.encoder_filters)
        down = self.encoder_filters + self.encoder_filters[-1:] * deeper
        up = (2 * self.decoder_filters[0],) * deeper + self.decoder_filters
        self.encoder = Encoder(
            down, plan.encoder_kernels, self.latent_size, self.seed, dtype=dtype, name="encoder"
        )
        self.encoder.build((None, *self.observation_shape))
        self.decoder = Decoder(
            self.encoder.flat_size,
            up,
            plan.decoder_kernels,
            plan.decoder_activation,
            self.decoder_form,
            self.seed,
            dtype=dtype,
            name="decoder",
        )
        self.decoder.build((None, self.latent_size))

    def _make_background(self):
        return self.add_weight(
            shape=self.observation_shape,
            initializer="zeros",
            trainable=False,
            dtype="float32",
            autocast=False,
            name="background",
        )

    def start_from(self, frames, median):
        """Let the untrained V give the median frame's colour, and means that tell frames apart.

        What V learns from the first step on is then what differs from that colour. Otherwise it
        spends the first hundred steps on the ground, with features that small things need. And a
        small thing hardly moves the means of an untrained encoder: under the noise of z it is not
        found for hundreds of steps, with some initial weights never. So the means start, over these
        frames, around 0 with a standard deviation of FIRST_SPREAD (a start from data, as in Mishkin
        and Matas 2015, "All you need is a good init").

        Args:
            frames: (n, H, W, 3) uint8, some of those to train on.
            median: (H, W, 3) float in 0..1.
        """
        colour = np.clip(np.mean(median, axis=(0, 1), dtype=np.float64), *FIRST_COLOURS)
        self.decoder.convolutions[-1].bias.assign(np.log(colour / (1 - colour)))
        pieces = np.array_split(frames, -(-len(frames) // 100))
        means = np.concatenate([ops.convert_to_numpy(self.encode(each)[0]) for each in pieces])
        spread, head = means.std(axis=0, dtype=np.float64), self.encoder.mean
        # A latent that no frame moves is left as it is.
        scale = np.where(spread > 1e-5, FIRST_SPREAD / np.maximum(spread, 1e-5), 1.0)
        head.kernel.assign(ops.convert_to_numpy(head.kernel) * scale)
        head.bias.assign((ops.convert_to_numpy(head.bias) - means.mean(axis=0)) * scale)

    def encode(self, observations):
        """Mean and log-variance of z, each (B, Z) float32.

        Args:
            observations: (B, H, W, 3), uint8 or float in 0..1.
        """
        return self.encoder(observations)

    def decode(self, z):
        """Frames (B, H, W, 3), float32 in 0..1, of latents z (B, Z)."""
        return self.decoder(z)

    def call(self, observations, training=False):
        """Encode, draw z and decode: reconstruction (B, H, W, 3), mean and log_var (B, Z)."""
        mean, log_var = self.encoder(observations)
        noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=self.noise)
        z = mean + ops.exp(log_var / 2) * noise
        return {"reconstruction": self.decoder(z), "mean": mean, "log_var": log_var}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss on a batch of frames x, given the output of `call`.

        It also updates the metrics kl and reconstruction, the squared error without pixel weights.
        """
        x = unit_range(x)
        squared_error, kl = frame_losses(x, **y_pred)
        self.reconstruction_metric.update_state(squared_error)
        self.kl_metric.update_state(kl)
        if self.rare_weight > 0:
            squared_error += self.rare_weight * rare_error(
                x, y_pred["reconstruction"], self.background
            )
        kl = ops.maximum(kl, self.kl_tolerance * self.latent_size)
        return ops.mean(squared_error) + self.kl_weight * ops.mean(kl)

    def get_config(self):
        return {
            **super().get_config(),
            "observation_shape": self.observation_shape,
            "latent_size": self.latent_size,
            "encoder_filters": self.encoder_filters,
            "decoder_filters": self.decoder_filters,
            "kl_tolerance": self.kl_tolerance,
            "rare_weight": self.rare_weight,
            "kl_weight": self.kl_weight,
            "decoder_form": self.decoder_form,
            "seed": self.seed,
        }


def frame_losses(observations, reconstruction, mean, log_var):
    """The two parts of the loss, frame by frame.

    Args:
        observations: (B, H, W, 3) float32 in 0..1.
        reconstruction: likewise.
        mean: (B, Z) of the posterior.
        log_var: (B, Z), likewise.

    Returns:
        The squared error summed over pixels and colours (B,), and the KL divergence from the
        standard normal in nats (B,): -1/2 sum(1 + log_var - mean^2 - exp(log_var)) (Kingma and
        Welling 2013, appendix B).
    """
    squared_error = ops.sum(ops.square(observations - reconstruction), axis=(1, 2, 3))
    kl = -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=1)
    return squared_error, kl


def rare_error(observations, reconstruction, background):
    """The squared error of each frame, pixels weighted by squared distance from the background.

    Args:
        observations: (B, H, W, 3) float32 in 0..1.
        reconstruction: likewise.
        background: (H, W, 3) float32 in 0..1.

    Returns:
        (B,): sum over pixels of (mean over colours of (x - background)^2) * (sum over colours of
        (x - reconstruction)^2).
    """
    distance = ops.mean(ops.square(observations - background), axis=-1)
    error = ops.sum(ops.square(observations - reconstruction), axis=-1)
    return ops.sum(distance * error, axis=(1, 2))


def _checked(observation_shape, encoder_filters, decoder_filters, decoder_form):
    if (
        len(observation_shape) != 3
        or observation_shape[0] != observation_shape[1]
        or observation_shape[2] != 3
    ):
        raise ValueError(
            f"observation_shape: expected (64, 64, 3) or (96, 96, 3), received {observation_shape}."
        )
    plan = architecture(observation_shape[0])
    for name, given, expected in (
        ("encoder_filters", encoder_filters, 4),
        ("decoder_filters", decoder_filters, 3),
    ):
        if len(given) != expected or min(given) < 1:
            raise ValueError(
                f"{name}: expected {expected} widths above 0, received {tuple(given)}."
            )
    if decoder_form not in DECODER_FORMS:
        raise ValueError(
            f"decoder_form: expected one of {', '.join(DECODER_FORMS)}, received {decoder_form!r}."
        )
    return plan
