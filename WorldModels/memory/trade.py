"""M as TraDE, in two senses: a transformer whose positions are a GRU's, or one whose latents come
one dimension after the other.

Knows latents and actions, not where they come from or what they are for.
"""

import keras
from keras import ops

from WorldModels.memory.autoregressive import AutoregressiveMixture
from WorldModels.memory.mdn_rnn import RestartCell
from WorldModels.memory.transformer import TransformerMemory

FORMS = ("seed", "paper")
MMD_LATENTS = 128  # drawn for the maximum mean discrepancy at a training step
BANDWIDTHS = (
    0.25,
    0.5,
    1.0,
    2.0,
    4.0,
)  # of its kernels, in mean squared distances between latents that were seen


@keras.saving.register_keras_serializable("WorldModels")
class TraDE(TransformerMemory):
    """Two memories that go by this name.

    seed   The transformer of transformers-wm with a GRU over the tokens, whose output takes the
    place of token, position and
           dropout (trade, which builds on ctallec/world-models). 512,487 parameters at Z = 32, A =
           3 with one joint mixture and
           both heads. The GRU's state is part of the memory's: gru (B, width).
    paper  The transformer as it is, and on its h the density of TraDE (Fakoor et al. 2020, TraDE:
    Transformers for density
           estimation): one dimension of z after the other, see memory/autoregressive.py, and in
           training also
               loss = negative log-likelihood + mmd_weight * MMD^2(drawn, seen)

    The maximum mean discrepancy (Gretton et al. 2012) is taken between the latents of MMD_LATENTS
    random steps of the batch and
    one draw after the past of each, as an unbiased estimate of its square over Gaussian kernels of
    several widths: it may be
    below 0. So it compares what is drawn and seen over all pasts, where the paper, which has no
    past, compares whole samples.
    Its gradient is the exact one of these draws: through all dimensions of a draw, one after the
    other, and through every
    mixture, weights too, by its distribution function (autoregressive.followed), and from there to
    h and into the transformer.
    No gradient is estimated from scores, and none is stopped but at the widths of the kernels.
    Outside training there is no such
    term; training draws its noise from a seed generator of the model.

    Args:
        trade: "seed" or "paper".
        mmd_weight: of the discrepancy, paper only; 0: none.
        latent_size, action_size, ...: see TransformerMemory and MixtureMemory; "paper" has no joint
        mixture.

    Raises:
        ValueError: no such form, a negative weight, a joint mixture for "paper", or what
        TransformerMemory refuses.
    """

    def __init__(
        self,
        latent_size=32,
        action_size=3,
        trade="seed",
        hidden_size=256,
        width=32,
        num_layers=3,
        num_heads=8,
        feed_forward=2048,
        dropout=0.1,
        window=64,
        mmd_weight=0.1,
        num_mixtures=5,
        mixture="independent",
        reward_head=False,
        terminated_head=False,
        terminated_weight=10.0,
        action_threshold=0.0,
        seed=0,
        **kwargs,
    ):
        if trade not in FORMS:
            raise ValueError(
                f"--memory.trade: expected one of {', '.join(FORMS)}, received {trade!r}."
            )
        if trade == "paper" and mixture != "independent":
            raise ValueError(
                f"mixture: expected independent beside trade paper, received {mixture!r}."
            )
        if not mmd_weight >= 0:
            raise ValueError(
                f"--memory.mmd-weight: expected a number from 0, received {mmd_weight}."
            )
        self.trade, self.mmd_weight = trade, float(mmd_weight)
        super().__init__(
            latent_size,
            action_size,
            hidden_size,
            width,
            num_layers,
            num_heads,
            feed_forward,
            dropout,
            window,
            num_mixtures,
            mixture,
            reward_head,
            terminated_head,
            terminated_weight,
            action_threshold,
            seed,
            **kwargs,
        )
        if trade == "paper" and mmd_weight > 0:
            self.term_metrics["mmd"] = keras.metrics.Mean("mmd")
            self.noise = keras.random.SeedGenerator(self.seed)

    def make_places(self, seed: int) -> keras.layers.Layer:
        """See TransformerMemory."""
        return Recurrence(self.width, seed) if self.trade == "seed" else super().make_places(seed)

    def build_density(self, seed: int) -> None:
        """See MixtureMemory."""
        if self.trade == "seed":
            return super().build_density(seed)
        self.mixture = AutoregressiveMixture(
            self.latent_size,
            self.hidden_size,
            self.num_mixtures,
            seed,
            dtype=self.dtype_policy,
            name="mixture",
        )

    def log_density(self, hidden, z):
        """See MixtureMemory."""
        return (
            super().log_density(hidden, z)
            if self.trade == "seed"
            else ops.mean(self.mixture.log_density(hidden, z), axis=-1)
        )

    def draw(self, hidden, temperature, noise: dict):
        """See MixtureMemory."""
        if self.trade == "seed":
            return super().draw(hidden, temperature, noise)
        return self.mixture.draw(hidden, temperature, noise["component"], noise["normal"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=False):
        """See MixtureMemory; where fit() trains also the discrepancy, its metric is called mmd."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training or "mmd" not in self.term_metrics:
            return loss
        counts = ops.reshape(x["mask"] * (1 - x["terminated"]), (-1,))
        shape = (MMD_LATENTS, self.latent_size)
        rows = keras.random.uniform((MMD_LATENTS,), seed=self.noise) * ops.cast(
            ops.shape(counts)[0], "float32"
        )
        hidden, seen, counts = (
            ops.take(part, ops.cast(rows, "int32"), axis=0)
            for part in (
                ops.reshape(y_pred, (-1, self.hidden_size)),
                ops.reshape(x["next_z"], (-1, self.latent_size)),
                counts,
            )
        )
        drawn = self.mixture.draw(
            hidden,
            ops.ones((MMD_LATENTS,)),
            keras.random.uniform(shape, seed=self.noise),
            keras.random.normal(shape, seed=self.noise),
            differentiable=True,
        )
        mmd = squared_mmd(drawn, seen, counts)
        self.term_metrics["mmd"].update_state(mmd, sample_weight=ops.sum(counts))
        return loss + self.mmd_weight * mmd

    def test_on_batch(self, *arguments, return_dict=False, **options):
        """See keras.Model; without the discrepancy, which there is in training only."""
        logs = super().test_on_batch(*arguments, return_dict=True, **options)
        logs.pop("mmd", None)
        return logs if return_dict else list(logs.values())


class Recurrence(keras.layers.Layer):
    """A GRU over the tokens, whose output takes their place; in a transformer as Sinusoids, and
    with a state: gru (B, width).

    Args:
        width: numbers in a token.
        seed: of the initial weights.
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
        """What is kept from step to step, by name, zeros (B, ...)."""
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


def squared_mmd(drawn, seen, counts):
    """Unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, lemma 6),
    averaged over Gaussian kernels.

        mean over i != j of k(drawn_i, drawn_j) + k(seen_i, seen_j) - 2 k(drawn_i, seen_j)

    Args:
        drawn, seen: (N, Z), row by row after the same past, which is why i = j is left out in all
            terms.
        counts: (N,), 1 for a row that counts, else 0.

    Returns:
        A number, below 0 where the two are nearer than samples of one density are on average.
    """
    pairs = counts[:, None] * counts[None] * (1 - ops.eye(drawn.shape[0]))
    total = ops.maximum(ops.sum(pairs), 1.0)
    scale = ops.maximum(
        ops.stop_gradient(ops.sum(pairs * _squared_distances(seen, seen)) / total), 1e-6
    )

    def kernel(a, b):
        distances = _squared_distances(a, b) / scale
        return sum(ops.exp(-distances / (2 * bandwidth)) for bandwidth in BANDWIDTHS) / len(
            BANDWIDTHS
        )

    return (
        ops.sum(pairs * (kernel(drawn, drawn) + kernel(seen, seen) - 2 * kernel(drawn, seen)))
        / total
    )


def _squared_distances(a, b):
    products = ops.matmul(a, ops.swapaxes(b, 0, 1))
    return ops.maximum(
        ops.sum(ops.square(a), axis=1)[:, None]
        + ops.sum(ops.square(b), axis=1)[None]
        - 2 * products,
        0.0,
    )
