"""A density of the next latent, dimension by dimension, as in TraDE (Fakoor et al. 2020).

    p(z | hidden) = prod_i p(z_i | hidden, z_j for j < i), each factor a mixture of Gaussians

Dimensions are tokens. Token i is made from hidden and z_(i-1); a GRU over the tokens takes the
place of positions, causal attention looks back at the tokens before, and a separate linear layer
for each i turns the result for token i into the mixture of z_i.
"""

import math

import keras
from keras import ops

from WorldModels.memory import density
from WorldModels.memory.attention import HIDDEN, dense

UNITS, HEADS, FEED_FORWARD = 32, 2, 64  # of the network over dimensions
LEAST_DENSITY = 1e-3  # the smallest density that a draw's gradient is divided by


class AutoregressiveMixture(keras.layers.Layer):
    """A mixture of Gaussians for each dimension of z, given hidden and the dimensions before it.

    Besides being conditioned on a past, it differs from Fakoor et al. (2020) in two ways: it has
    one attention layer; and the mixture of dimension i is the sum of a linear layer on hidden and
    one on token i, both with separate weights for every i, where the paper shares one layer across
    all i. The network over dimensions can therefore be small: it adds to the density that a memory
    has without it.

    Args:
        latent_size: Z.
        hidden_size: numbers in hidden.
        num_mixtures: K.
        seed: for the initial weights.
        log_std_floor: see MixtureMemory.
    """

    def __init__(
        self,
        latent_size: int,
        hidden_size: int,
        num_mixtures: int,
        seed: int,
        log_std_floor: float = -math.inf,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.latent_size, self.num_mixtures = latent_size, num_mixtures
        self.log_std_floor = log_std_floor
        seed, policy = 100 * seed, self.dtype_policy
        self.mixture = dense(
            hidden_size, 3 * num_mixtures * latent_size, seed, "float32", "mixture"
        )
        self.context = dense(hidden_size, UNITS, seed + 1, policy, "context")
        self.value = dense(1, UNITS, seed + 2, policy, "value")
        self.gru = self._gru(seed)
        self.attended = dense(UNITS, 3 * UNITS, seed + 5, policy, "attended")
        self.joined = dense(UNITS, UNITS, seed + 6, policy, "joined")
        self.expanded = dense(UNITS, FEED_FORWARD, seed + 7, policy, "expanded", activation="relu")
        self.contracted = dense(FEED_FORWARD, UNITS, seed + 8, policy, "contracted")
        self.norms = [self._norm(i) for i in range(2)]
        self.readout = self.add_weight(
            shape=(latent_size, UNITS, 3 * num_mixtures),
            dtype="float32",
            name="readout",
            initializer=keras.initializers.GlorotUniform(seed + 9),
        )
        self.built = True

    def _gru(self, seed: int) -> keras.layers.GRU:
        gru = keras.layers.GRU(
            UNITS,
            return_sequences=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed + 3),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 4),
            seed=seed,
            dtype=self.dtype_policy,
            name="gru",
        )
        gru.build((None, self.latent_size, UNITS))
        return gru

    def _norm(self, i: int) -> keras.layers.LayerNormalization:
        norm = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=self.dtype_policy, name=f"norm_{i}"
        )
        norm.build((None, None, UNITS))
        return norm

    def outputs(self, hidden, z):
        """The mixtures of all dimensions, (B, 3KZ) as density.log_density takes them.

        Args:
            hidden: (B, hidden_size).
            z: (B, Z).
        """
        before = ops.concatenate([ops.zeros_like(z[:, :1]), z[:, :-1]], axis=1)
        tokens = self.gru(self.context(hidden)[:, None] + self.value(before[..., None]))
        causal = ops.tril(ops.ones((self.latent_size, self.latent_size), "bool"))
        tokens = self._rest(tokens, self._attend(*self._heads(tokens), causal))
        added = ops.einsum("bzu,zuo->boz", ops.cast(tokens, "float32"), self.readout)
        size = self.num_mixtures * self.latent_size
        outputs = self.mixture(hidden) + ops.reshape(added, (-1, 3 * size))
        return density.with_floor(outputs, size, self.log_std_floor)

    def log_density(self, hidden, z):
        """Log-density (B, Z) in nats of each dimension of z, given those before it.

        Args:
            hidden: (B, hidden_size).
            z: (B, Z).
        """
        return density.log_density(self.outputs(hidden, z), z, self.num_mixtures)

    def draw(self, hidden, temperature, component, normal, differentiable: bool = False):
        """Draw one dimension after the other, each as density.draw does.

        Args:
            hidden: (B, hidden_size).
            temperature: (B,), 0 or more.
            component: (B, Z), uniform in [0, 1).
            normal: (B, Z), standard normal.
            differentiable: the draws carry gradients, see `followed`; only for temperature 1.

        Returns:
            z (B, Z).
        """
        mixtures = ops.reshape(self.mixture(hidden), (-1, 3 * self.num_mixtures, self.latent_size))
        context = self.context(hidden)

        def one(i, carried):
            before, state, keys, values, drawn = carried
            outputs, *past = self._next(i, mixtures, context, before, state, keys, values)
            noise = (ops.take(x, i, axis=1)[:, None] for x in (component, normal))
            z = density.draw(outputs, temperature, *noise, self.num_mixtures)
            z = followed(outputs, z, self.num_mixtures) if differentiable else z
            return z, *past, ops.where(ops.arange(self.latent_size) == i, z, drawn)

        cache = ops.zeros_like(context)[:, None, None, :1] * ops.ones(
            (HEADS, self.latent_size, UNITS // HEADS), context.dtype
        )
        start = (ops.zeros_like(normal[:, :1]), ops.zeros_like(context), cache, cache)
        return ops.fori_loop(0, self.latent_size, one, (*start, ops.zeros_like(normal)))[-1]

    def _next(self, i, mixtures, context, before, state, keys, values):
        """The mixture (B, 3K) of dimension i after z_(i-1), and the new state, keys and values."""
        here = ops.arange(self.latent_size) == i
        embedded, (state,) = self.gru.cell(context + self.value(before), [state])
        query, key, value = self._heads(embedded[:, None])
        keys, values = (
            ops.where(here[:, None], new, old) for new, old in ((key, keys), (value, values))
        )
        seen = self._attend(query, keys, values, (ops.arange(self.latent_size) <= i)[None])
        seen = ops.cast(self._rest(embedded[:, None], seen)[:, 0], "float32")
        added = ops.matmul(seen, ops.take(self.readout, i, axis=0))
        outputs = ops.take(mixtures, i, axis=2) + added
        outputs = density.with_floor(outputs, self.num_mixtures, self.log_std_floor)
        return outputs, state, keys, values

    def _heads(self, tokens):
        """Scaled queries, keys and values (B, heads, tokens, size of a head).

        Args:
            tokens: (B, tokens, units).
        """
        parts = ops.reshape(self.attended(tokens), (-1, tokens.shape[1], 3, HEADS, UNITS // HEADS))
        queries, keys, values = (ops.swapaxes(parts[:, :, i], 1, 2) for i in range(3))
        return queries / math.sqrt(UNITS // HEADS), keys, values

    @staticmethod
    def _attend(queries, keys, values, visible):
        """What queries see of keys and values, all (B, heads, tokens, size of a head).

        Args:
            queries: as `_heads` gives them.
            keys: likewise.
            values: likewise.
            visible: (queries, keys), bool.
        """
        scores = ops.where(visible, ops.matmul(queries, ops.swapaxes(keys, -1, -2)), HIDDEN)
        return ops.matmul(ops.softmax(scores, axis=-1), values)

    def _rest(self, tokens, seen):
        """The rest of a post-norm layer, as in the layers over steps.

        Args:
            tokens: (B, tokens, units).
            seen: by the attention, (B, heads, tokens, size of a head).
        """
        seen = ops.reshape(ops.swapaxes(seen, 1, 2), (-1, tokens.shape[1], UNITS))
        tokens = self.norms[0](tokens + self.joined(seen))
        return self.norms[1](tokens + self.contracted(self.expanded(tokens)))


def followed(outputs, z, num_mixtures: int):
    """Draws from one-dimensional mixtures, with the gradient that they have as quantiles.

    A draw z at the quantile u of the distribution function F solves F(z; outputs) = u, hence dz =
    -dF / p(z): means, deviations and weights all get their exact gradient (Graves 2016, Stochastic
    backpropagation through mixture density distributions). p(z) is kept above LEAST_DENSITY, so
    that a draw between two distant components does not outweigh all others.

    Args:
        outputs: (B, 3K), as density.draw takes them.
        z: (B, 1), drawn from them at temperature 1.
        num_mixtures: K.

    Returns:
        z (B, 1), with the same values.
    """
    z = ops.stop_gradient(z)
    logits, means, log_stds = ops.split(outputs, 3, axis=-1)
    below = 0.5 * (1 + ops.erf((z - means) * ops.exp(-log_stds) / math.sqrt(2)))
    share = ops.sum(ops.softmax(logits, axis=-1) * below, axis=-1, keepdims=True)
    probability = ops.exp(density.log_density(ops.stop_gradient(outputs), z, num_mixtures))
    return z - (share - ops.stop_gradient(share)) / ops.maximum(probability, LEAST_DENSITY)
