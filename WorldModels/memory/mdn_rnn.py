"""M as an LSTM with a mixture density."""

import keras
from keras import ops

from WorldModels.interfaces import DROPPED, STEPPED
from WorldModels.memory import unrolled
from WorldModels.memory.mixture_memory import MixtureMemory
from WorldModels.memory.recurrence import RestartCell


@keras.saving.register_keras_serializable("WorldModels")
class MDNRNN(MixtureMemory):
    """The published MDN-RNN (paper A.2; hardmaru's rnn.py of carracing and doomrnn).

    [z, action] -> LSTM -> for each latent dimension a mixture of Gaussians for its next value, and
    if asked for, the reward and the logit of the episode's end. It has 422,368 parameters at Z =
    32, A = 3 without the two heads; 1,678,785 at Z = 64, A = 1, 512 units, with terminated head and
    restart input; 383,047 with both heads and one joint mixture (ctallec/world-models, mdrnn.py,
    which has a second bias in its LSTM).

    Args:
        lstm_size: units, the size of h and of c.
        restart_input: one more input, 1 at the first step of an episode, else 0 (doomrnn: restart).
        lstm_dropout: share of the LSTM's outputs that the heads do not see. One mask holds for a
            whole row in training and for a whole dream, so each dream is one of many worlds; a
            driver sees h unmasked, and so do the heads in the real world.
        shared: latent_size, action_size, ...: see MixtureMemory.

    Raises:
        ValueError: a size that is not above 0, or no such mixture.
    """

    def __init__(self, lstm_size=256, restart_input=False, lstm_dropout=0.0, **shared):
        super().__init__(hidden_size=lstm_size, **shared)
        self.lstm_size, self.restart_input = self.hidden_size, bool(restart_input)
        self.lstm_dropout = float(lstm_dropout)
        if self.lstm_dropout:
            self.masks = keras.random.SeedGenerator(self.seed + 5)
        self.lstm = keras.layers.LSTM(
            self.lstm_size,
            return_sequences=True,
            return_state=True,
            kernel_initializer=keras.initializers.GlorotUniform(self.seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=self.seed + 1),
            seed=self.seed,
            dtype=self.dtype_policy,
            name="lstm",
        )
        self.lstm.build((None, None, self.latent_size + self.action_size + self.restart_input))
        self.build_heads()

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """See MixtureMemory; lstm_size takes the place of hidden_size."""
        return tuple(name for name in super().argument_names() if name != "hidden_size")

    def initial_state(self, batch: int) -> dict:
        """Zeros: h and c (B, units) float32; with the restart input also stepped (B, 1).

        stepped is 0 before the first step and 1 from then on. With dropout there is also dropped
        (B, units): 0 keeps all outputs; a dream begins with uniform numbers, and an output is
        dropped where its number is below lstm_dropout.
        """
        state = {"h": ops.zeros((batch, self.lstm_size)), "c": ops.zeros((batch, self.lstm_size))}
        if self.restart_input:
            state[STEPPED] = ops.zeros((batch, 1))
        return (
            {**state, DROPPED: ops.zeros((batch, self.lstm_size))} if self.lstm_dropout else state
        )

    def begun(self, state: dict, training: bool) -> dict:
        """See MixtureMemory: in training each row has a mask of its own."""
        if not (training and self.lstm_dropout):
            return state
        return {**state, DROPPED: keras.random.uniform(ops.shape(state[DROPPED]), seed=self.masks)}

    def seen_by_heads(self, state: dict):
        """See MixtureMemory."""
        return self._masked(state["h"], state)

    def _masked(self, hidden, state: dict):
        """Outputs (B, ..., units) as the heads see them; those kept make up for the others."""
        if not self.lstm_dropout:
            return hidden
        drawn = state[DROPPED]
        kept = ops.cast(drawn >= self.lstm_dropout, "float32") / (1 - self.lstm_dropout)
        mask = ops.where(ops.any(drawn > 0, axis=-1, keepdims=True), kept, ops.ones_like(kept))
        return hidden * (mask[:, None] if len(hidden.shape) == 3 else mask)

    def step(self, state: dict, z, action, reward=None) -> dict:
        """See interfaces.Memory; this kind does not use the reward."""
        inputs = [z, self.as_seen(action)] + ([1 - state[STEPPED]] if self.restart_input else [])
        inputs = ops.concatenate(inputs, axis=-1)
        _, carried = self.lstm.cell(
            self._cast(inputs), [self._cast(state["h"]), self._cast(state["c"])]
        )
        return self._state(*carried, inputs, state)

    def sequence(self, z, actions, rewards, state: dict, restarts=None):
        """See interfaces.Memory; this kind does not use the rewards."""
        inputs = [z, self.as_seen(actions)]
        if self.restart_input:
            first = 1 - state[STEPPED][:, None]
            flags = ops.concatenate([first, ops.zeros_like(z[:, 1:, :1])], axis=1)
            inputs.append(flags if restarts is None else ops.maximum(flags, restarts[..., None]))
        layer, initial = self.lstm, [self._cast(state["h"]), self._cast(state["c"])]
        if restarts is not None:
            inputs.append(1 - restarts[..., None])
            layer = keras.layers.RNN(
                RestartCell(self.lstm.cell),
                return_sequences=True,
                return_state=True,
                dtype=self.dtype_policy,
            )
        inputs = self._cast(ops.concatenate(inputs, axis=-1))
        if restarts is None and unrolled.is_faster(inputs.shape[1]):
            hidden, *carried = unrolled.unrolled_lstm(layer.cell, inputs, *initial)
        else:
            hidden, *carried = layer(inputs, initial_state=initial)
        hidden = self._masked(ops.cast(hidden, "float32"), state)
        return hidden, self._state(*carried, inputs, state)

    def hidden(self, state: dict) -> dict:
        """What a controller may see: h and c, each (B, units)."""
        return {"h": state["h"], "c": state["c"]}

    def _cast(self, x):
        return ops.cast(x, self.compute_dtype)

    def _state(self, h, c, inputs, before: dict) -> dict:
        state = {"h": ops.cast(h, "float32"), "c": ops.cast(c, "float32")}
        if self.restart_input:
            state[STEPPED] = ops.ones((ops.shape(inputs)[0], 1))
        return {**state, DROPPED: before[DROPPED]} if self.lstm_dropout else state
