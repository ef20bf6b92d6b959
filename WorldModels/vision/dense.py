"""V for worlds without pictures: a variational autoencoder over vectors."""

import keras
import numpy as np
from keras import ops

from WorldModels.vision.networks import Seeds

LEAST_SCALE = 1e-6  # a number whose standard deviation is below does not vary


@keras.saving.register_keras_serializable("WorldModels")
class DenseVAE(keras.Model):
    """A variational autoencoder of dense layers.

    After goodluckoguzie/WorldModels, 02_train_vae.py and VAE/: D -> 200 -> 200 -> 200, each with
    relu, to mean and log_var; back from Z -> 200 -> 200 -> D, the last one linear. Three things
    differ from the original: numbers are normalised by their mean and standard deviation in the
    recordings (`measure`), which are kept with the weights; it learned the log of the standard
    deviation, where every V here learns log_var, which is twice that; and its loss had no KL term,
    so that nothing kept its latents near the prior that dreams begin from.

    loss = mean over observations of the squared error of the normalised numbers, summed over them,
    + kl_weight * max(KL, kl_tolerance * Z). Train with fit() on batches (B, D) float32.

    Args:
        observation_shape: (D,).
        latent_size: Z; 31 as published, where D is 31 too.
        hidden_sizes: units of the encoder's hidden layers.
        decoder_hidden_sizes: units of the decoder's.
        kl_weight: weight of the KL term.
        kl_tolerance: free nats per latent dimension, applied to the sum over an observation's
            dimensions.
        seed: for the initial weights and the noise in training.

    Raises:
        ValueError: the observations are not vectors, or a layer has no units.
    """

    def __init__(
        self,
        observation_shape,
        latent_size=31,
        hidden_sizes=(200, 200, 200),
        decoder_hidden_sizes=(200, 200),
        kl_weight=1.0,
        kl_tolerance=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check(tuple(observation_shape), hidden_sizes, decoder_hidden_sizes)
        self.observation_shape, self.latent_size = tuple(observation_shape), int(latent_size)
        self.hidden_sizes = tuple(hidden_sizes)
        self.decoder_hidden_sizes = tuple(decoder_hidden_sizes)
        self.kl_weight, self.kl_tolerance = float(kl_weight), float(kl_tolerance)
        self.seed = int(seed)
        self._make_layers(Seeds(seed, 0), *self.observation_shape)
        size, own = self.observation_shape, {"trainable": False, "dtype": "float32"}
        self.center = self.add_weight(size, initializer="zeros", name="center", **own)
        self.scale = self.add_weight(size, initializer="ones", name="scale", **own)
        self.noise = keras.random.SeedGenerator(seed)
        self.reconstruction_metric = keras.metrics.Mean("reconstruction")
        self.kl_metric = keras.metrics.Mean("kl")
        self.built = True

    def _make_layers(self, seeds, size):
        last, decoder_last = self.hidden_sizes[-1], self.decoder_hidden_sizes[-1]
        self.encoder_layers = self._hidden("encoder", size, self.hidden_sizes, seeds)
        self.mean = self._head("mean", last, self.latent_size, seeds)
        self.log_var = self._head("log_var", last, self.latent_size, seeds)
        self.decoder_layers = self._hidden(
            "decoder", self.latent_size, self.decoder_hidden_sizes, seeds
        )
        self.output_layer = self._head("reconstruction", decoder_last, size, seeds)

    def _hidden(self, name, size, units, seeds):
        layers = []
        for i, width in enumerate(units):
            layer = keras.layers.Dense(
                width,
                activation="relu",
                kernel_initializer=seeds.glorot(),
                dtype=self.dtype_policy,
                name=f"{name}_{i}",
            )
            layer.build((None, size))
            layers.append(layer)
            size = width
        return layers

    def _head(self, name, size, units, seeds):
        head = keras.layers.Dense(
            units, kernel_initializer=seeds.glorot(), dtype="float32", name=name
        )
        head.build((None, size))
        return head

    def measure(self, observations) -> None:
        """Normalise by the mean and the standard deviation of observations (N, D).

        A number that does not vary keeps its scale.
        """
        observations = np.asarray(observations, np.float64)
        scale = observations.std(axis=0)
        self.center.assign(observations.mean(axis=0))
        self.scale.assign(np.where(scale > LEAST_SCALE, scale, 1.0))

    def load_own_variables(self, store):
        """Keras' hook; a file of an earlier version has no center and no scale: 0 and 1."""
        if len(store.keys()):
            super().load_own_variables(store)

    def encode(self, observations):
        """Mean and log-variance of z, each (B, Z) float32.

        Args:
            observations: (B, D) in the environment's own units.
        """
        x = (ops.cast(observations, "float32") - self.center) / self.scale
        x = ops.cast(x, self.compute_dtype)
        for layer in self.encoder_layers:
            x = layer(x)
        return self.mean(x), self.log_var(x)

    def decode(self, z):
        """Observations (B, D), float32 in the environment's own units, of latents z (B, Z)."""
        x = ops.cast(z, self.compute_dtype)
        for layer in self.decoder_layers:
            x = layer(x)
        return self.output_layer(x) * self.scale + self.center

    def call(self, observations, training=False):
        """Encode, draw z and decode: reconstruction (B, D), mean and log_var (B, Z)."""
        mean, log_var = self.encode(observations)
        z = mean + ops.exp(log_var / 2) * keras.random.normal(
            ops.shape(mean), dtype="float32", seed=self.noise
        )
        return {"reconstruction": self.decode(z), "mean": mean, "log_var": log_var}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss on a batch of observations x, given the output of `call`.

        It also updates the metrics reconstruction and kl.
        """
        mean, log_var = y_pred["mean"], y_pred["log_var"]
        error = (ops.cast(x, "float32") - y_pred["reconstruction"]) / self.scale
        squared_error = ops.sum(ops.square(error), axis=1)
        kl = -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=1)
        self.reconstruction_metric.update_state(squared_error)
        self.kl_metric.update_state(kl)
        kl = ops.maximum(kl, self.kl_tolerance * self.latent_size)
        return ops.mean(squared_error) + self.kl_weight * ops.mean(kl)

    def get_config(self):
        return {
            **super().get_config(),
            "observation_shape": self.observation_shape,
            "latent_size": self.latent_size,
            "hidden_sizes": self.hidden_sizes,
            "decoder_hidden_sizes": self.decoder_hidden_sizes,
            "kl_weight": self.kl_weight,
            "kl_tolerance": self.kl_tolerance,
            "seed": self.seed,
        }


def _check(observation_shape, hidden_sizes, decoder_hidden_sizes):
    if len(observation_shape) != 1:
        raise ValueError(
            f"observation_shape: expected (D,), a vector, received {observation_shape}; for "
            "pictures use --vision.kind vae."
        )
    for name, sizes in (
        ("hidden_sizes", hidden_sizes),
        ("decoder_hidden_sizes", decoder_hidden_sizes),
    ):
        if len(sizes) == 0 or min(sizes) < 1:
            raise ValueError(
                f"{name}: expected at least one width, each above 0, received {tuple(sizes)}."
            )
