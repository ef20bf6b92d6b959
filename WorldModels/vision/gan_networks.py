"""The three networks of the VAE-GAN: encoder, generator and discriminator.

They follow WorldModels/gan.py of Rtlyc/world-models, whose layers are those of Larsen et al. 2016
(Autoencoding beyond pixels using a learned similarity metric). Widths are multiples of `depth`, and
sizes are given for 64x64 frames. Batch normalisation follows every layer except the discriminator's
first and the last of each network.
"""

import keras
from keras import layers

from WorldModels.vision.networks import Seeds

SLOPE = 0.2  # of LeakyReLU below 0
HALVINGS = 3  # convolutions of stride 2 between a frame and the smallest feature map


class Layers:
    """Makes layers of one dtype, each with its own seed.

    Args:
        seed, purpose: for the initial weights.
        dtype: of the computation; heads are float32.
    """

    def __init__(self, seed: int, purpose: int, dtype):
        self.seeds, self.dtype = Seeds(seed, purpose), dtype

    def convolution(self, width, kernel_size, stride=1, transposed=False, **options):
        """A convolution that divides the size by its stride, or, transposed, multiplies it."""
        kind = layers.Conv2DTranspose if transposed else layers.Conv2D
        return kind(
            width,
            kernel_size,
            stride,
            "same",
            data_format="channels_last",
            kernel_initializer=self.seeds.glorot(),
            **{"dtype": self.dtype, **options},
        )

    def dense(self, units, **options):
        """A dense layer."""
        return layers.Dense(
            units, kernel_initializer=self.seeds.glorot(), **{"dtype": self.dtype, **options}
        )

    def normal(self, x):
        """Batch normalisation and LeakyReLU of x."""
        return self.leaky(layers.BatchNormalization(dtype=self.dtype)(x))

    def leaky(self, x):
        """LeakyReLU of x."""
        return layers.LeakyReLU(SLOPE, dtype=self.dtype)(x)


def encoder(observation_shape, latent_size, kernel_size, depth, seed, dtype) -> keras.Model:
    """From frames (B, H, W, 3) in 0..1 to mean and log_var (B, Z), each in -1..1.

    Convolutions of stride 2 to 32x32, 16x16 and 8x8, with 2, 4 and 8 times depth channels; a dense
    layer as wide as z; two heads with tanh.
    """
    make = Layers(seed, 0, dtype)
    x = frames = keras.Input(observation_shape)
    for multiple in (2, 4, 8):
        x = make.normal(make.convolution(multiple * depth, kernel_size, 2)(x))
    x = make.normal(make.dense(latent_size)(layers.Flatten("channels_last", dtype=dtype)(x)))
    heads = [
        make.dense(latent_size, activation="tanh", dtype="float32", name=name)(x)
        for name in ("mean", "log_var")
    ]
    return keras.Model(frames, heads, name="encoder")


def generator(observation_shape, latent_size, kernel_size, depth, seed, dtype) -> keras.Model:
    """From latents (B, Z) to frames (B, H, W, 3) in 0..1.

    A dense layer to 8x8; transposed convolutions of stride 2 to 16x16, 32x32 and 64x64, with 8, 4
    and 1 times depth channels; a convolution to 3 channels.
    """
    make, (height, width, colours) = Layers(seed, 1, dtype), observation_shape
    small = height >> HALVINGS, width >> HALVINGS, 8 * depth
    z = keras.Input((latent_size,))
    x = make.normal(make.dense(small[0] * small[1] * small[2])(z))
    x = layers.Reshape(small, dtype=dtype)(x)
    for multiple in (8, 4, 1):
        x = make.normal(make.convolution(multiple * depth, kernel_size, 2, transposed=True)(x))
    x = make.convolution(colours, kernel_size)(x)
    return keras.Model(z, layers.Activation("sigmoid", dtype="float32")(x), name="generator")


def discriminator(observation_shape, kernel_size, depth, seed, dtype) -> keras.Model:
    """From frames (B, H, W, 3) in 0..1 to a logit and inner features.

    Convolutions of stride 2 to 32x32, 16x16 and 8x8, with 1, 4 and 8 times depth channels, and one
    more of stride 1, whose output before normalisation gives the inner features (B, 8, 8, 8 *
    depth); a dense layer of 8 * depth units; and the logit (B,), above 0 for real.
    """
    make = Layers(seed, 2, dtype)
    frames = keras.Input(observation_shape)
    x = make.leaky(make.convolution(depth, kernel_size, 2)(frames))
    for multiple in (4, 8):
        x = make.normal(make.convolution(multiple * depth, kernel_size, 2)(x))
    features = make.convolution(8 * depth, kernel_size)(x)
    x = layers.Flatten("channels_last", dtype=dtype)(make.normal(features))
    x = make.normal(make.dense(8 * depth)(x))
    logit = layers.Reshape((), dtype="float32")(make.dense(1, dtype="float32")(x))
    return keras.Model(
        frames,
        [logit, layers.Activation("linear", dtype="float32")(features)],
        name="discriminator",
    )
