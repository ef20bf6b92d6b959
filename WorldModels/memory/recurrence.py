"""Recurrent layers whose state is reset where an episode begins within a row."""

import keras
from keras import ops


class RestartCell(keras.layers.Layer):
    """A recurrent cell whose state is multiplied by its last input, 0 where an episode begins.

    It has no weights of its own.

    Args:
        cell: an LSTM's or a GRU's.
    """

    def __init__(self, cell):
        super().__init__(dtype=cell.dtype_policy)
        self.cell, self.state_size, self.output_size = cell, cell.state_size, cell.units
        self.built = True

    def call(self, inputs, states, training=False):
        keep = inputs[:, -1:]
        return self.cell(inputs[:, :-1], [state * keep for state in states])


class Recurrence(keras.layers.Layer):
    """A GRU over the tokens, whose output takes their place; used like transformer.Sinusoids.

    Its state is gru (B, width).

    Args:
        width: numbers in a token.
        seed: for the initial weights.
    """

    def __init__(self, width: int, seed: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.gru = keras.layers.GRU(
            width,
            return_sequences=True,
            return_state=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
            seed=seed,
            dtype="float32",
            name="gru",
        )
        self.gru.build((None, None, width))
        self.built = True

    def initial_state(self, batch: int) -> dict:
        """What is carried from step to step, by name: zeros (B, width)."""
        return {"gru": ops.zeros((batch, self.gru.units))}

    def call(self, tokens, steps, state, restarts=None, training=None):
        """See Sinusoids; the state is zeroed where an episode begins."""
        initial = state["gru"]
        if tokens.shape[1] == 1:  # a step needs no loop
            keep = 1.0 if restarts is None else 1 - restarts
            token, (last,) = self.gru.cell(tokens[:, 0], [initial * keep])
            return token[:, None], {"gru": last}
        layer = self.gru
        if restarts is not None:
            tokens = ops.concatenate([tokens, 1 - restarts[..., None]], axis=-1)
            layer = keras.layers.RNN(
                RestartCell(self.gru.cell),
                return_sequences=True,
                return_state=True,
                dtype="float32",
            )
        tokens, last = layer(tokens, initial_state=[initial])
        return tokens, {"gru": last}
