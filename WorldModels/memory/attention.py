"""Attention to the last steps of an episode: a transformer layer that can resume where it left off.

Each step sees itself and the window - 1 steps before it in its own episode, in training and in use.
From call to call, the layer carries the keys and values of the last `window` steps, oldest first;
the episode's number of steps so far says how many of them count. So a sequence gives the same
result in one call, in pieces or step by step, even far beyond the window's length; n layers
together reach n * (window - 1) steps back.
"""

import keras
from keras import ops

HIDDEN = -1e9  # the score of a key that a query must not see


class AttentionLayer(keras.layers.Layer):
    """A causal post-norm layer of a transformer's encoder, with a window.

    After Vaswani et al. 2017 and torch.nn.TransformerEncoderLayer:

        x = norm(x + dropout(attention(x)));  x = norm(x + dropout(dense(dropout(relu(dense(x))))))

    Dropout also applies to the attention's weights. Sums, norms and the softmax are always float32.

    Args:
        width: numbers in a token.
        num_heads: attention heads; must divide width.
        feed_forward: units of the inner dense layer.
        dropout: share of units that training drops.
        window: steps that a step sees, itself included.
        seed: for the initial weights and the dropout.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        feed_forward: int,
        dropout: float,
        window: int,
        seed: int,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.num_heads, self.head_size, self.window = num_heads, width // num_heads, window
        policy = self.dtype_policy
        self.attended = dense(width, 3 * width, seed, policy, "queries_keys_values")
        self.joined = dense(width, width, seed + 1, policy, "joined")
        self.expanded = dense(width, feed_forward, seed + 2, policy, "expanded", activation="relu")
        self.contracted = dense(feed_forward, width, seed + 3, policy, "contracted")
        self.norms = [_norm(i, width) for i in range(2)]
        self.drops = [
            keras.layers.Dropout(dropout, seed=seed + 4 + i, dtype=policy) for i in range(4)
        ]
        self.built = True

    def call(self, x, past, steps):
        """Tokens after this layer, and what it carries to the next call.

        Args:
            x: (B, T, width), float32.
            past: keys and values of the steps before, each (B, heads, window, width / heads); None:
                there were none.
            steps: (B, T), how many steps the episode has had, the present one included.

        Returns:
            x (B, T, width), and (keys, values) of the last `window` steps, None without a past.
        """
        parts = ops.split(self.attended(x), 3, axis=-1)
        queries, keys, values = [self._heads(part) for part in parts]
        before = 0
        if past is not None:
            keys, values, before = _joined(past[0], keys), _joined(past[1], values), self.window
            past = [part[:, :, -self.window :] for part in (keys, values)]
        seen = ops.transpose(self._attend(queries, keys, values, steps, before), (0, 2, 1, 3))
        seen = ops.reshape(seen, (-1, ops.shape(x)[1], self.num_heads * self.head_size))
        x = self.norms[0](x + ops.cast(self.drops[0](self.joined(seen)), "float32"))
        inner = self.contracted(self.drops[1](self.expanded(x)))
        return self.norms[1](x + ops.cast(self.drops[2](inner), "float32")), past

    def _heads(self, x):
        heads = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, self.head_size))
        return ops.transpose(heads, (0, 2, 1, 3))

    def _attend(self, queries, keys, values, steps, before: int):
        """What the queries (B, heads, T, d) see of keys and values (B, heads, before + T, d)."""
        length, count = queries.shape[2], ops.shape(queries)[2]
        if length is None or length > self.window:
            queries, keys, values, steps = self._cut(queries, keys, values, steps, before)
            length = before = self.window
        else:
            queries, keys, values = (part[:, :, None] for part in (queries, keys, values))
            steps = steps[:, None]
        # age (queries, keys): how many steps before the query a key was; `before` keys come before
        # the first query.
        age = ops.arange(length)[:, None] + before - ops.arange(before + length)[None]
        age = ops.cast(age, "float32")
        visible = (age >= 0) & (age < ops.minimum(steps, self.window)[:, None, ..., None])
        scores = ops.cast(ops.matmul(queries, ops.swapaxes(keys, -1, -2)), "float32")
        scores = ops.where(visible, scores * self.head_size**-0.5, HIDDEN)
        weights = ops.cast(ops.softmax(scores, axis=-1), values.dtype)
        seen = ops.matmul(self.drops[3](weights), values)
        seen = ops.reshape(seen, (-1, self.num_heads, ops.shape(seen)[2] * length, self.head_size))
        return seen[:, :, :count]

    def _cut(self, queries, keys, values, steps, before: int):
        """Cut into blocks of `window` steps, with all the keys and values that each block can see.

        Those are its own and the previous block's.
        """
        size, count = self.window, (ops.shape(queries)[2] + self.window - 1) // self.window
        nothing = ops.zeros_like(queries[:, :, :1]) * ops.ones((1, 1, size, 1), queries.dtype)
        queries = ops.concatenate([queries, nothing], axis=2)[:, :, : count * size]
        steps = ops.concatenate([steps, ops.ones_like(steps[:, :1]) * ops.ones((1, size))], axis=1)[
            :, : count * size
        ]
        blocks = []
        for x in (keys, values):
            x = ops.concatenate([*[nothing] * (before == 0), x, nothing], axis=2)[
                :, :, : (count + 1) * size
            ]
            x = ops.reshape(x, (-1, self.num_heads, count + 1, size, self.head_size))
            blocks.append(ops.concatenate([x[:, :, :-1], x[:, :, 1:]], axis=3))
        queries = ops.reshape(queries, (-1, self.num_heads, count, size, self.head_size))
        return queries, *blocks, ops.reshape(steps, (-1, count, size))


def _joined(old, new):
    """Keys or values of the past, followed by the new ones."""
    return ops.concatenate([ops.cast(old, new.dtype), new], axis=2)


def _norm(i: int, width: int) -> keras.layers.LayerNormalization:
    norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype="float32", name=f"norm_{i}")
    norm.build((None, None, width))
    return norm


def dense(
    inputs: int, outputs: int, seed: int, dtype, name: str, activation: str | None = None
) -> keras.layers.Dense:
    """A built dense layer with Glorot's uniform initial weights."""
    layer = keras.layers.Dense(
        outputs,
        activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        dtype=dtype,
        name=name,
    )
    layer.build((None, inputs))
    return layer
