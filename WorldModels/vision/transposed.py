"""The transposed convolution of V's decoder, computed in one of two ways from the same weights."""

import keras
from keras import ops

DECODER_FORMS = ("transpose", "depth_to_space")
# Output channels up to which depth_to_space is faster, measured in bfloat16 on Zen 5.
FEW_CHANNELS = 8


@keras.saving.register_keras_serializable("WorldModels")
class TransposedConvolution(keras.layers.Conv2DTranspose):
    """Conv2DTranspose of stride 2 without padding, computed in one of two ways.

    "depth_to_space" multiplies a picture of one pixel by the kernel as a matrix. Where the output
    has few channels, output pixel 2p + a (a = 0, 1) is the sum over inputs p - j times taps 2j + a
    of the kernel, so one convolution of stride 1 gives the four phases (two of rows times two of
    columns) as channels, which are then interleaved. Both are faster on a CPU that computes in
    bfloat16, and give the same result up to rounding. Other layers are faster without it.

    Args:
        filters, kernel_size, output_padding, ...: see keras.layers.Conv2DTranspose.
        form: "transpose" or "depth_to_space".
    """

    def __init__(self, filters, kernel_size, form="transpose", output_padding=0, **kwargs):
        kwargs |= {"strides": 2, "padding": "valid", "data_format": "channels_last"}
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
        inputs = ops.pad(inputs, ((0, 0), edge, edge, (0, 0)))
        outputs = ops.conv(inputs, kernel, padding="valid", data_format="channels_last")
        rows, columns = rows + taps - 1, columns + taps - 1
        outputs = ops.reshape(outputs, (-1, rows, columns, 2, 2, self.filters))
        return ops.reshape(
            ops.transpose(outputs, (0, 1, 3, 2, 4, 5)), (-1, 2 * rows, 2 * columns, self.filters)
        )

    def get_config(self):
        config = super().get_config()
        del config["strides"], config["padding"]
        return {**config, "form": self.form}
