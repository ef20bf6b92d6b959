"""The convolutional encoder and decoder of V, for two sizes of picture."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from WorldModels.vision.transposed import TransposedConvolution


@dataclass(frozen=True)
class Architecture:
    """The shape of a published network.

    Every decoder convolution is a transposed one of stride 2 without padding.

    Attributes:
        encoder_kernels: (kernel, stride) of each convolution, without padding.
        decoder_kernels: (kernel, output padding) of each transposed convolution.
        decoder_activation: activation of the decoder's dense layer.
    """

    encoder_kernels: tuple[tuple[int, int], ...]
    decoder_kernels: tuple[tuple[int, int], ...]
    decoder_activation: str


ARCHITECTURES = {
    # hardmaru/WorldModelsExperiments, carracing/vae/vae.py: 64, 31, 14, 6, 2 pixels, and back from
    # 1, 5, 13, 30, 64; the dense layer is linear.
    64: Architecture(((4, 2),) * 4, ((5, 0), (5, 0), (6, 0), (6, 0)), "linear"),
    # The 96x96 VAE of the transformer world models, after ctallec/world-models with one more layer
    # on either side: 96, 47, 22, 10, 4, 2 pixels, and back from 1, 4, 10, 22, 47, 96.
    96: Architecture((*((4, 2),) * 4, (3, 1)), ((4, 0), (4, 0), (4, 0), (4, 1), (4, 0)), "relu"),
}


def architecture(frame_size: int) -> Architecture:
    """The published network for square pictures of `frame_size` pixels.

    Raises:
        ValueError: there is no network for this size.
    """
    if frame_size not in ARCHITECTURES:
        known = ", ".join(map(str, ARCHITECTURES))
        raise ValueError(
            f"frame size: expected one of {known}, received {frame_size}; record episodes with "
            "--env.frame-size 64."
        )
    return ARCHITECTURES[frame_size]


def unit_range(observations):
    """Pictures as float32 in 0..1.

    Integers (uint8, 0..255) are divided by 255; floats are only cast.
    """
    whole = keras.backend.is_int_dtype(observations.dtype)
    observations = ops.cast(observations, "float32")
    return observations / 255.0 if whole else observations


class Seeds:
    """Derives a seed for each layer's initial weights from one seed."""

    def __init__(self, seed: int, purpose: int):
        self._sequence = np.random.SeedSequence([seed, purpose])

    def glorot(self) -> keras.initializers.Initializer:
        """Glorot's uniform initializer with the next seed."""
        return keras.initializers.GlorotUniform(
            seed=int(self._sequence.spawn(1)[0].generate_state(1)[0] >> 1)
        )


@keras.saving.register_keras_serializable("WorldModels")
class Encoder(keras.layers.Layer):
    """From pictures (B, H, W, 3), uint8 or float in 0..1, to mean and log_var (B, Z), float32.

    Args:
        filters: channels of each convolution.
        kernels: (kernel, stride) of each.
        latent_size: Z.
        seed: for the initial weights.
    """

    def __init__(self, filters, kernels, latent_size, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernels = filters, kernels
        self.latent_size, self.seed = latent_size, seed
        seeds = Seeds(seed, 0)
        self.convolutions = [
            self._convolution(i, width, kernel, stride, seeds)
            for i, (width, (kernel, stride)) in enumerate(zip(filters, kernels, strict=True))
        ]
        self.mean, self.log_var = (self._head(name, seeds) for name in ("mean", "log_var"))

    def _convolution(self, i, width, kernel, stride, seeds):
        return keras.layers.Conv2D(
            width,
            kernel,
            stride,
            data_format="channels_last",
            activation="relu",
            kernel_initializer=seeds.glorot(),
            dtype=self.dtype_policy,
            name=f"convolution_{i}",
        )

    def _head(self, name, seeds):
        return keras.layers.Dense(
            self.latent_size, kernel_initializer=seeds.glorot(), dtype="float32", name=name
        )

    def build(self, input_shape):
        shape = tuple(input_shape)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.flat_size = int(np.prod(shape[1:]))
        self.mean.build((shape[0], self.flat_size))
        self.log_var.build((shape[0], self.flat_size))

    def call(self, observations):
        x = ops.cast(unit_range(observations), self.compute_dtype)
        for convolution in self.convolutions:
            x = convolution(x)
        x = ops.reshape(x, (-1, self.flat_size))
        return self.mean(x), self.log_var(x)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernels": self.kernels,
            "latent_size": self.latent_size,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("WorldModels")
class Decoder(keras.layers.Layer):
    """From latents z (B, Z) to pictures (B, H, W, 3), float32 in 0..1.

    Args:
        hidden_size: units of the dense layer, whose output becomes a picture of one pixel.
        filters: channels of each transposed convolution but the last, which has 3.
        kernels: (kernel, output padding) of each, the last included.
        activation: of the dense layer.
        form: see TransposedConvolution.
        seed: for the initial weights.
    """

    def __init__(
        self, hidden_size, filters, kernels, activation="linear", form="transpose", seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_size, self.filters, self.kernels = hidden_size, filters, kernels
        self.hidden_activation, self.form, self.seed = activation, form, seed
        seeds = Seeds(seed, 1)
        self.dense = keras.layers.Dense(
            hidden_size,
            activation=activation,
            kernel_initializer=seeds.glorot(),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.convolutions = [
            self._convolution(i, width, kernel, padding, seeds)
            for i, (width, (kernel, padding)) in enumerate(zip((*filters, 3), kernels, strict=True))
        ]

    def _convolution(self, i, width, kernel, padding, seeds):
        return TransposedConvolution(
            width,
            kernel,
            self.form,
            padding,
            activation=None if i == len(self.kernels) - 1 else "relu",
            kernel_initializer=seeds.glorot(),
            dtype=self.dtype_policy,
            name=f"convolution_{i}",
        )

    def build(self, input_shape):
        self.dense.build(tuple(input_shape))
        shape = (input_shape[0], 1, 1, self.hidden_size)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)

    def call(self, z):
        x = ops.reshape(self.dense(z), (-1, 1, 1, self.hidden_size))
        for convolution in self.convolutions:
            x = convolution(x)
        return ops.sigmoid(ops.cast(x, "float32"))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_size": self.hidden_size,
            "filters": self.filters,
            "kernels": self.kernels,
            "activation": self.hidden_activation,
            "form": self.form,
            "seed": self.seed,
        }
