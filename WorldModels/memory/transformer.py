"""M as a transformer with a mixture density."""

import keras
import numpy as np
from keras import ops

from WorldModels.memory.attention import AttentionLayer, dense
from WorldModels.memory.mixture_memory import MixtureMemory

BASE = 10_000.0  # of the wavelengths of the positions (Vaswani et al. 2017)


@keras.saving.register_keras_serializable("WorldModels")
class TransformerMemory(MixtureMemory):
    """A causal transformer in place of the LSTM.

    After transformers-wm, which builds on ctallec/world-models: [z, action] -> linear and relu, a
    token -> + sinusoidal position, dropout -> post-norm causal layers -> linear, h -> the heads. It
    has 506,151 parameters at Z = 32, A = 3 with one joint mixture and both heads.

    Each layer sees the last `window` steps, the present one included, in training and in use.
    Stepping with the keys and values of the last steps thus gives exactly what the full sequence
    gives, however long it is (see memory/attention.py). A position is the number of the step in its
    episode modulo 2 * window: it differs for any two steps that see each other, and is the
    published one for the first 2 * window steps. In training, rows begin anywhere on that circle,
    so that every position, and the step from the last to the first, is trained whatever the length
    of the sequences. The published network sees the last 500 steps, at positions that it was never
    trained on.

    State: h (B, hidden_size); steps (B,), how many the episode has had; for each layer keys_i and
    values_i (B, heads, window, width / heads); and the state of the positions.

    Args:
        hidden_size: numbers in h.
        width: numbers in a token.
        num_layers: attention layers.
        num_heads, feed_forward, dropout, window: see AttentionLayer.
        shared: latent_size, action_size, ...: see MixtureMemory.

    Raises:
        ValueError: a size that is not above 0, a width that is not an even multiple of num_heads,
            or no such mixture.
    """

    def __init__(
        self,
        hidden_size=256,
        width=32,
        num_layers=3,
        num_heads=8,
        feed_forward=2048,
        dropout=0.1,
        window=64,
        **shared,
    ):
        super().__init__(hidden_size=hidden_size, **shared)
        self.keep_sizes(width=width, num_layers=num_layers, num_heads=num_heads)
        self.keep_sizes(feed_forward=feed_forward, window=window)
        if width % num_heads or width % 2:
            raise ValueError(
                f"width: expected an even multiple of num_heads ({num_heads}), received {width}."
            )
        self.dropout, seed = float(dropout), 100 * self.seed
        inputs, policy = self.latent_size + self.action_size, self.dtype_policy
        self.token = dense(inputs, width, seed, policy, "token", activation="relu")
        self.places = self.make_places(seed + 1)
        self.encoder = [self._layer(i, seed + 20 * i + 20) for i in range(num_layers)]
        self.last = dense(width, hidden_size, seed + 2, policy, "hidden")
        self.build_heads()

    def _layer(self, i: int, seed: int) -> AttentionLayer:
        return AttentionLayer(
            self.width,
            self.num_heads,
            self.feed_forward,
            self.dropout,
            self.window,
            seed,
            dtype=self.dtype_policy,
            name=f"layer_{i}",
        )

    def make_places(self, seed: int) -> keras.layers.Layer:
        """The layer that adds time to tokens, used like Sinusoids; a subclass may use another."""
        return Sinusoids(self.width, 2 * self.window, self.dropout, seed)

    def initial_state(self, batch: int) -> dict:
        """Zeros; see the class for names and shapes."""
        shape = (batch, self.num_heads, self.window, self.width // self.num_heads)
        cache = {
            f"{name}_{i}": ops.zeros(shape)
            for i in range(self.num_layers)
            for name in ("keys", "values")
        }
        return {
            "h": ops.zeros((batch, self.hidden_size)),
            "steps": ops.zeros((batch,)),
            **self.places.initial_state(batch),
            **cache,
        }

    def step(self, state: dict, z, action, reward=None) -> dict:
        """See interfaces.Memory; this kind does not use the reward."""
        return self._run(z[:, None], action[:, None], state)[1]

    def sequence(self, z, actions, rewards, state: dict, restarts=None):
        """See interfaces.Memory; this kind does not use the rewards."""
        return self._run(z, actions, state, restarts)

    def call(self, batch, training=False):
        """See MixtureMemory."""
        if "restarts" in batch:
            return super().call(batch, training)
        return self._run(batch["z"], batch["actions"], None)[0]

    def _run(self, z, actions, state: dict | None, restarts=None):
        """Hidden (B, T, hidden_size) and the new state, without keys and values if it was None."""
        given = self.places.initial_state(ops.shape(z)[0]) if state is None else state
        before = 0.0 if state is None else state["steps"][:, None]
        steps = count_steps(ops.ones_like(z[..., 0], dtype="float32"), before, restarts)
        x = ops.cast(self.token(ops.concatenate([z, self.as_seen(actions)], axis=-1)), "float32")
        x, carried = self.places(x, steps, given, restarts)
        for i, layer in enumerate(self.encoder):
            past = None if state is None else [state[f"keys_{i}"], state[f"values_{i}"]]
            x, past = layer(x, past, steps)
            if past is not None:
                keys, values = (ops.cast(part, "float32") for part in past)
                carried |= {f"keys_{i}": keys, f"values_{i}": values}
        hidden = ops.cast(self.last(x), "float32")
        return hidden, {"h": hidden[:, -1], "steps": steps[:, -1], **carried}


class Sinusoids(keras.layers.Layer):
    """Adds to each token sines and cosines of its position on a circle, then applies dropout.

    After Vaswani et al. (2017). It keeps no state. In training, a row without restarts begins
    anywhere on the circle.

    Args:
        width: numbers in a token, even.
        circle: how many positions there are.
        dropout: share of units that training drops.
        seed: for the dropout and for where rows begin.
    """

    def __init__(self, width: int, circle: int, dropout: float, seed: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        angles = np.arange(circle)[:, None] / BASE ** (np.arange(0, width, 2) / width)
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(circle, width)
        self.circle, self.table = circle, table.astype(np.float32)
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype="float32")
        self.beginnings = keras.random.SeedGenerator(seed + 1)
        self.built = True

    def initial_state(self, batch: int) -> dict:
        """What is carried from step to step: nothing."""
        return {}

    def call(self, tokens, steps, state, restarts=None, training=None):
        """Tokens (B, T, width) with their positions added, and the state after the last.

        Args:
            tokens: (B, T, width).
            steps: (B, T), how many steps the episode has had, the present one included.
            state: the memory's, before the first token.
            restarts: (B, T), 1 where an episode begins; None: nowhere.
            training: whether this is training.
        """
        place = ops.cast(steps, "int32") - 1
        if training and restarts is None:
            place = place + keras.random.randint(
                (ops.shape(tokens)[0], 1), 0, self.circle, "int32", self.beginnings
            )
        return self.drop(tokens + ops.take(self.table, ops.mod(place, self.circle), axis=0)), {}


def count_steps(ones, before, restarts=None):
    """How many steps (B, T) the episode has had at each step, that step included.

    Args:
        ones: (B, T).
        before: (B, 1), steps before the first.
        restarts: (B, T), 1 where an episode begins; None: nowhere.
    """
    time = ops.cumsum(ones, axis=1)
    if restarts is None:
        return before + time
    # When the episode began; 0: before the first step.
    begun = ops.associative_scan(ops.maximum, time * restarts, axis=1)
    begun = ops.reshape(begun, (-1, time.shape[1]))  # TensorFlow has lost its shape
    return ops.where(begun > 0, time - begun + 1, before + time)
