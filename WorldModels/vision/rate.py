"""How fast V trains."""

import time

import keras


class ImageRate(keras.callbacks.Callback):
    """Adds images_per_second to an epoch's log, counted from the end of its first step.

    The first step compiles.

    Args:
        batch_size: images a step.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self.steps, self.first = 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.steps, self.last = self.steps + 1, time.monotonic()
        self.first = self.first or self.last

    def on_epoch_end(self, epoch, logs=None):
        if self.steps > 1:
            seconds = max(self.last - self.first, 1e-9)
            logs["images_per_second"] = (self.steps - 1) * self.batch_size / seconds
