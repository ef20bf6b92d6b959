"""M as a transformer with a mixture density. Knows latents and actions, not where they come from or
what they are for.
"""

import keras
import numpy as np
from keras import ops

from WorldModels.memory.attention import AttentionLayer, dense
from WorldModels.memory.mixture_memory import MixtureMemory

BASE = 10_000.0  # of the wavelengths of the positions (Vaswani et al. 2017)


@keras.saving.register_keras_serializable("WorldModels")
class TransformerMemory(MixtureMemory):
    """A causal transformer in place of the LSTM (transformers-wm, which builds on
    ctallec/world-models).

    [z, action] -> linear and relu, a token -> + sinusoidal position, dropout -> post-norm causal
    layers -> linear, h -> the heads.
    506,151 parameters at Z = 32, A = 3 with one joint mixture and both heads.

    What happens at the window's edge: each layer sees the last `window` steps, the present one
    included, in training as in use, so
    that stepping with the keys and values of the last steps kept equals the whole sequence exactly,
    however long (see
    memory/attention.py). A position is the number of the step in its episode modulo 2 * window:
    different for any two steps that
    see each other, and for that many first steps the published ones. In training rows begin
    anywhere on that circle, so that each
    position, and the way from the last to the first, is trained, whatever the sequences' length.
    The published network sees the
    last 500 steps, at positions that it was never trained at.

    State: h (B, hidden_size), steps (B,), how many the episode has had, keys_i and values_i (B,
    heads, window, width / heads) for
    each layer, and what the positions keep.

    Args:
        hidden_size: numbers in h.
        width: numbers in a token.
        num_layers, num_heads, feed_forward, dropout, window: see AttentionLayer.
        latent_size, action_size, ...: see MixtureMemory.

    Raises:
        ValueError: a size that is not above 0, a width that is no even multiple of num_heads, or no
        such mixture.
    """

    def __init__(
        self,
        latent_size=32,
        action_size=3,
        hidden_size=256,
        width=32,
        num_layers=3,
        num_heads=8,
        feed_forward=2048,
        dropout=0.1,
        window=64,
        num_mixtures=5,
        mixture="independent",
        reward_head=False,
        terminated_head=False,
        terminated_weight=10.0,
        action_threshold=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(
            latent_size,
            action_size,
            hidden_size,
            num_mixtures,
            mixture,
            reward_head,
            terminated_head,
            terminated_weight,
            action_threshold,
            seed,
            **kwargs,
        )
        sizes = {
            "width": width,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "feed_forward": feed_forward,
            "window": window,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}: expected a number above 0, received {size}.")
            setattr(self, name, int(size))
        if width % num_heads or width % 2:
            raise ValueError(
                f"width: expected an even multiple of num_heads ({num_heads}), received {width}."
            )
        self.dropout, policy, seed = float(dropout), self.dtype_policy, 100 * self.seed
        self.token = dense(
            latent_size + action_size, width, seed, policy, "token", activation="relu"
        )
        self.places = self.make_places(seed + 1)
        self.encoder = [
            AttentionLayer(
                width,
                num_heads,
                feed_forward,
                dropout,
                window,
                seed + 20 * i + 20,
                dtype=policy,
                name=f"layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.last = dense(width, hidden_size, seed + 2, policy, "hidden")
        self.build_heads()

    def make_places(self, seed: int) -> keras.layers.Layer:
        """The layer that tells tokens when they are: called and with a state as Sinusoids; another
        kind may have another.
        """
        return Sinusoids(self.width, 2 * self.window, self.dropout, seed)

    def initial_state(self, batch: int) -> dict:
        """Zeros, see the class."""
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
        """See interfaces.Memory; the reward is not used by this kind."""
        return self._run(z[:, None], action[:, None], state)[1]

    def sequence(self, z, actions, rewards, state: dict, restarts=None):
        """See interfaces.Memory; the rewards are not used by this kind."""
        return self._run(z, actions, state, restarts)

    def call(self, batch, training=False):
        """See MixtureMemory."""
        if "restarts" in batch:
            return super().call(batch, training)
        return self._run(batch["z"], batch["actions"], None)[0]

    def _run(self, z, actions, state: dict | None, restarts=None):
        """h (B, T, hidden_size) and the state; None for zeros that nobody wants back."""
        given = self.places.initial_state(ops.shape(z)[0]) if state is None else state
        steps = count_steps(
            ops.ones_like(z[..., 0], dtype="float32"),
            0.0 if state is None else state["steps"][:, None],
            restarts,
        )
        x = ops.cast(self.token(ops.concatenate([z, self.as_seen(actions)], axis=-1)), "float32")
        x, carried = self.places(x, steps, given, restarts)
        for i, layer in enumerate(self.encoder):
            x, past = layer(
                x, None if state is None else [state[f"keys_{i}"], state[f"values_{i}"]], steps
            )
            if past is not None:
                carried |= {
                    f"keys_{i}": ops.cast(past[0], "float32"),
                    f"values_{i}": ops.cast(past[1], "float32"),
                }
        hidden = ops.cast(self.last(x), "float32")
        return hidden, {"h": hidden[:, -1], "steps": steps[:, -1], **carried}


class Sinusoids(keras.layers.Layer):
    """Adds to each token sines and cosines of its position on a circle (Vaswani et al. 2017), then
    drops out; keeps no state.

    In training a row without restarts begins anywhere on the circle.

    Args:
        width: numbers in a token, even.
        circle: positions.
        dropout: share that is dropped in training.
        seed: of the dropout and of the beginnings.
    """

    def __init__(self, width: int, circle: int, dropout: float, seed: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        angles = np.arange(circle)[:, None] / BASE ** (np.arange(0, width, 2) / width)
        self.circle, self.table = (
            circle,
            np.stack([np.sin(angles), np.cos(angles)], axis=-1)
            .reshape(circle, width)
            .astype(np.float32),
        )
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype="float32")
        self.beginnings = keras.random.SeedGenerator(seed + 1)
        self.built = True

    def initial_state(self, batch: int) -> dict:
        """What is kept from step to step, by name, zeros (B, ...): nothing."""
        return {}

    def call(self, tokens, steps, state, restarts=None, training=None):
        """Tokens (B, T, width) that know when they are, and what is kept after the last.

        Args:
            tokens: (B, T, width).
            steps: (B, T), steps that the episode has had, this one included.
            state: the memory's, before the first of them.
            restarts: (B, T), 1 where an episode begins; None: nowhere.
            training: whether it trains.
        """
        place = ops.cast(steps, "int32") - 1
        if training and restarts is None:
            place = place + keras.random.randint(
                (ops.shape(tokens)[0], 1), 0, self.circle, "int32", self.beginnings
            )
        return self.drop(tokens + ops.take(self.table, ops.mod(place, self.circle), axis=0)), {}


def count_steps(ones, before, restarts=None):
    """Steps (B, T) that the episode has had, each included.

    Args:
        ones: (B, T).
        before: (B, 1), steps before the first.
        restarts: (B, T), 1 where an episode begins; None: nowhere.
    """
    time = ops.cumsum(ones, axis=1)
    if restarts is None:
        return before + time
    begun = ops.associative_scan(
        ops.maximum, time * restarts, axis=1
    )  # when the episode began; 0: before the first
    begun = ops.reshape(begun, (-1, time.shape[1]))  # TensorFlow has lost its shape
    return ops.where(begun > 0, time - begun + 1, before + time)
