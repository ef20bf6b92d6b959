"""The convolutional encoder and decoder of V, in two sizes of picture. Knows nothing of losses and
of training.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

DECODER_FORMS = ("transpose", "depth_to_space")
FEW_CHANNELS = (
    8  # output channels up to which depth_to_space is faster: measured in bfloat16 on Zen 5
)


@dataclass(frozen=True)
class Architecture:
    """Shapes of a published network; every decoder convolution is a transposed one of stride 2
    without padding.
    """

    encoder_kernels: tuple[tuple[int, int], ...]  # (kernel, stride) of each convolution, no padding
    decoder_kernels: tuple[
        tuple[int, int], ...
    ]  # (kernel, output padding) of each transposed convolution
    decoder_activation: str  # of the decoder's dense layer


ARCHITECTURES = {
    # hardmaru/WorldModelsExperiments, carracing/vae/vae.py: 64, 31, 14, 6, 2 and 1, 5, 13, 30, 64;
    # the dense layer is linear.
    64: Architecture(((4, 2),) * 4, ((5, 0), (5, 0), (6, 0), (6, 0)), "linear"),
    # The 96x96 VAE of the transformer world models after ctallec/world-models: one more layer on
    # either side,
    # 96, 47, 22, 10, 4, 2 and 1, 4, 10, 22, 47, 96.
    96: Architecture((*((4, 2),) * 4, (3, 1)), ((4, 0), (4, 0), (4, 0), (4, 1), (4, 0)), "relu"),
}


def architecture(frame_size: int) -> Architecture:
    """The published network for square pictures of `frame_size` pixels.

    Raises:
        ValueError: there is none for this size.
    """
    if frame_size not in ARCHITECTURES:
        known = ", ".join(map(str, ARCHITECTURES))
        raise ValueError(
            f"frame size: expected one of {known}, received {frame_size}; record episodes with --env.frame-size 64."
        )
    return ARCHITECTURES[frame_size]


def unit_range(observations):
    """Pictures as float32 in 0..1: whole numbers (uint8, 0..255) are divided by 255, floats are
    taken as they are.
    """
    whole = keras.backend.is_int_dtype(observations.dtype)
    observations = ops.cast(observations, "float32")
    return observations / 255.0 if whole else observations


@keras.saving.register_keras_serializable("WorldModels")
class TransposedConvolution(keras.layers.Conv2DTranspose):
    """Conv2DTranspose of stride 2 without padding, computed in one of two ways from the same
    weights.

    With "depth_to_space", a picture of one pixel is multiplied by the kernel as a matrix; and where
    there are few channels
    to make, output pixel 2p + a (a = 0, 1) is seen as the sum over inputs p - j with taps 2j + a of
    the kernel, so that one
    convolution of stride 1 gives the four phases (a row, a column) as channels, which are then
    interleaved. Faster where
    the CPU computes in bfloat16, and equal up to rounding. Other layers are left as they are, being
    faster so.

    Args:
        filters, kernel_size, output_padding, ...: as keras.layers.Conv2DTranspose.
        form: "transpose" or "depth_to_space".
    """

    def __init__(self, filters, kernel_size, form="transpose", output_padding=0, **kwargs):
        kwargs |= {"strides": 2, "padding": "valid"}
        super().__init__(filters, kernel_size, output_padding=output_padding, **kwargs)
        self.form = form

    def call(self, inputs):
        plain = self.form == "transpose" or max(self.output_padding) > 0
        if not plain and tuple(inputs.shape[1:3]) == (1, 1):
            return self.activation(self._one_pixel(inputs) + self.bias)
        if not plain and self.filters <= FEW_CHANNELS and self.kernel_size[0] % 2 == 0:
            return self.activation(self._phases(inputs) + self.bias)
        return super().call(inputs)

    def _one_pixel(self, inputs):
        kernel = ops.reshape(self.kernel, (-1, self.kernel.shape[-1]))  # (rows * columns * out, in)
        outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), ops.transpose(kernel))
        return ops.reshape(outputs, (-1, *self.kernel_size, self.filters))

    def _phases(self, inputs):
        taps, (rows, columns, channels) = self.kernel_size[0] // 2, inputs.shape[1:]
        kernel = ops.reshape(self.kernel, (taps, 2, taps, 2, self.filters, channels))
        kernel = ops.flip(ops.transpose(kernel, (0, 2, 5, 1, 3, 4)), axis=(0, 1))
        kernel = ops.reshape(kernel, (taps, taps, channels, 4 * self.filters))
        edge = (taps - 1, taps - 1)
        outputs = ops.conv(ops.pad(inputs, ((0, 0), edge, edge, (0, 0))), kernel, padding="valid")
        rows, columns = rows + taps - 1, columns + taps - 1
        outputs = ops.reshape(outputs, (-1, rows, columns, 2, 2, self.filters))
        return ops.reshape(
            ops.transpose(outputs, (0, 1, 3, 2, 4, 5)), (-1, 2 * rows, 2 * columns, self.filters)
        )

    def get_config(self):
        config = super().get_config()
        del config["strides"], config["padding"]
        return {**config, "form": self.form}


class Seeds:
    """A different initial seed for each layer, all from one."""

    def __init__(self, seed: int, purpose: int):
        self._sequence = np.random.SeedSequence([seed, purpose])

    def glorot(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(
            seed=int(self._sequence.spawn(1)[0].generate_state(1)[0] >> 1)
        )


@keras.saving.register_keras_serializable("WorldModels")
class Encoder(keras.layers.Layer):
    """Pictures (B, H, W, 3), uint8 or float in 0..1, to mean and log_var (B, Z), float32.

    Args:
        filters: channels of each convolution.
        kernels: (kernel, stride) of each.
        latent_size: Z.
        seed: of the initial weights.
    """

    def __init__(self, filters, kernels, latent_size, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernels, self.latent_size, self.seed = (
            filters,
            kernels,
            latent_size,
            seed,
        )
        seeds = Seeds(seed, 0)
        self.convolutions = [
            keras.layers.Conv2D(
                width,
                kernel,
                stride,
                activation="relu",
                kernel_initializer=seeds.glorot(),
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            for i, (width, (kernel, stride)) in enumerate(zip(filters, kernels, strict=True))
        ]
        self.mean = keras.layers.Dense(
            latent_size, kernel_initializer=seeds.glorot(), dtype="float32", name="mean"
        )
        self.log_var = keras.layers.Dense(
            latent_size, kernel_initializer=seeds.glorot(), dtype="float32", name="log_var"
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
    """Latents z (B, Z) to pictures (B, H, W, 3), float32 in 0..1.

    Args:
        hidden_size: units of the dense layer, which becomes a picture of one pixel.
        filters: channels of each transposed convolution but the last, which has 3.
        kernels: (kernel, output padding) of each, the last included.
        activation: of the dense layer.
        form: how the transposed convolutions are computed, see TransposedConvolution.
        seed: of the initial weights.
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
        last = len(kernels) - 1
        self.convolutions = [
            TransposedConvolution(
                width,
                kernel,
                form,
                padding,
                activation=None if i == last else "relu",
                kernel_initializer=seeds.glorot(),
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            for i, (width, (kernel, padding)) in enumerate(zip((*filters, 3), kernels, strict=True))
        ]

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
