"""Training on parallel streams: M's state after one batch is its state before the next."""

from typing import Any

import keras
import numpy as np
from keras import ops

from WorldModels.memory.optimizer import adam_of


class StreamTraining(keras.Model):
    """A memory together with the state of each stream, as in hardmaru's doomrnn/rnn_train.py.

    Train it with fit() on SeriesBatches of kind "streams". The state lives in variables of this
    model, not of the memory, so that a checkpoint of this model resumes in the middle of an epoch,
    and the memory's own file does not hold it. Gradients do not reach back into an earlier batch.

    Args:
        memory: a built memory.
        num_streams: B, rows of a batch.
    """

    def __init__(self, memory: keras.Model, num_streams: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.memory = memory
        state = {
            name: np.asarray(ops.convert_to_numpy(x))
            for name, x in memory.initial_state(num_streams).items()
        }
        self.carried = {
            name: self.add_weight(
                shape=x.shape, initializer="zeros", trainable=False, dtype="float32", name=name
            )
            for name, x in state.items()
        }
        self.built = True

    @property
    def metrics(self):
        # Keras leaves out the metrics of a model within a model.
        return [*super().metrics, *self.memory.term_metrics.values()]

    def call(self, batch, training=False):
        """Hidden (B, T, hidden_size) of a batch; keeps the state after it.

        Where batch["carry"] (B,) is 0, the state begins at zero.
        """
        state = {
            name: x * ops.reshape(batch["carry"], (-1, *[1] * (len(x.shape) - 1)))
            for name, x in self.carried.items()
        }
        if "stepped" in state:  # an epoch's rows may begin within an episode
            state["stepped"] = ops.maximum(state["stepped"], batch["stepped"])
        hidden, state = self.memory.sequence(
            batch["z"], batch["actions"], batch["last_rewards"], state, batch["restarts"]
        )
        for name, x in state.items():
            self.carried[name].assign(ops.stop_gradient(x))
        return hidden

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.memory.compute_loss(x, y, y_pred, sample_weight, training)


def compiled(
    memory: keras.Model, settings: Any, num_rows: int, steps: int, warmup_steps: int = 0
) -> keras.Model:
    """The model that fit() trains: M, or for streams the one that carries M's state along.

    Both are compiled with the Adam that the settings ask for.

    Args:
        memory: a built memory.
        settings: experiment.settings.MemorySettings.
        num_rows: B, of a batch.
        steps: the budget.
        warmup_steps: fewest steps of warm-up.
    """
    model = StreamTraining(memory, num_rows) if settings.batching == "streams" else memory
    for each in {id(m): m for m in (model, memory)}.values():
        each.compile(adam_of(settings, steps, warmup_steps))
    return model
