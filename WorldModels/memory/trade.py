"""M as TraDE, in two forms: a GRU for positions, or a density dimension by dimension."""

import keras
from keras import ops

from WorldModels.memory.autoregressive import AutoregressiveMixture
from WorldModels.memory.discrepancy import squared_mmd
from WorldModels.memory.recurrence import Recurrence
from WorldModels.memory.transformer import TransformerMemory

FORMS = ("seed", "paper")
MMD_LATENTS = 128  # drawn for the maximum mean discrepancy at a training step


@keras.saving.register_keras_serializable("WorldModels")
class TraDE(TransformerMemory):
    """A memory in one of the two forms that go by this name.

    seed: the transformer of transformers-wm with a GRU over the tokens, whose output takes the
    place of token, position and dropout (trade, which builds on ctallec/world-models). It has
    512,487 parameters at Z = 32, A = 3 with one joint mixture and both heads. The GRU's state is
    part of the memory's: gru (B, width).

    paper: the transformer unchanged, and on its h the density of TraDE (Fakoor et al. 2020, TraDE:
    Transformers for density estimation): one dimension of z after the other, see
    memory/autoregressive.py. In training

        loss = negative log-likelihood + mmd_weight * MMD^2(drawn, seen)

    MMD^2 is the unbiased estimate, which may be below 0, of the squared maximum mean discrepancy
    (Gretton et al. 2012) over Gaussian kernels of several widths, between the next latents of
    MMD_LATENTS random steps of the batch and one draw after the past of each. It thus compares
    draws with latents over all pasts, where the paper, which has no past, compares samples. Its
    gradient is the exact one of these draws: through all dimensions of a draw, one after the other,
    and through every mixture, its weights included, by the distribution function
    (autoregressive.followed), to h and into the transformer. No gradient is estimated from scores,
    and none is stopped except at the widths of the kernels. The term exists only in training; its
    noise comes from a seed generator of the model.

    Args:
        trade: which form, "seed" or "paper".
        mmd_weight: weight of the discrepancy, only for "paper"; 0: leave it out.
        shared: latent_size, action_size, ...: see TransformerMemory and MixtureMemory; "paper" has
            no joint mixture.

    Raises:
        ValueError: no such form, a negative weight, a joint mixture for "paper", or what
            TransformerMemory refuses.
    """

    def __init__(self, trade="seed", mmd_weight=0.1, **shared):
        _check(trade, mmd_weight, shared.get("mixture", "independent"))
        self.trade, self.mmd_weight = trade, float(mmd_weight)
        super().__init__(**shared)
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
            self.log_std_floor,
            dtype=self.dtype_policy,
            name="mixture",
        )

    def log_density(self, hidden, z):
        """See MixtureMemory."""
        if self.trade == "seed":
            return super().log_density(hidden, z)
        return ops.mean(self.mixture.log_density(hidden, z), axis=-1)

    def draw(self, hidden, temperature, noise: dict):
        """See MixtureMemory."""
        if self.trade == "seed":
            return super().draw(hidden, temperature, noise)
        return self.mixture.draw(hidden, temperature, noise["component"], noise["normal"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=False):
        """See MixtureMemory; in fit(), also the discrepancy, whose metric is called mmd."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training or "mmd" not in self.term_metrics:
            return loss
        hidden, seen, counts = self._random_steps(x, y_pred)
        shape = (MMD_LATENTS, self.latent_size)
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

    def _random_steps(self, x, hidden):
        """Hidden, the next latent and whether it counts, for MMD_LATENTS random steps."""
        counts = ops.reshape(x["mask"] * (1 - x["terminated"]), (-1,))
        hidden = ops.reshape(hidden, (-1, self.hidden_size))
        seen = ops.reshape(x["next_z"], (-1, self.latent_size))
        rows = keras.random.uniform((MMD_LATENTS,), seed=self.noise)
        rows = ops.cast(rows * ops.cast(ops.shape(counts)[0], "float32"), "int32")
        return (ops.take(part, rows, axis=0) for part in (hidden, seen, counts))

    def test_on_batch(self, *arguments, return_dict=False, **options):
        """See keras.Model; without the discrepancy, which exists only in training."""
        logs = super().test_on_batch(*arguments, return_dict=True, **options)
        logs.pop("mmd", None)
        return logs if return_dict else list(logs.values())


def _check(trade: str, mmd_weight: float, mixture: str) -> None:
    if trade not in FORMS:
        raise ValueError(f"--memory.trade: expected one of {', '.join(FORMS)}, received {trade!r}.")
    if trade == "paper" and mixture != "independent":
        raise ValueError(
            f"mixture: expected independent with --memory.trade paper, received {mixture!r}."
        )
    if not mmd_weight >= 0:
        raise ValueError(
            f"--memory.mmd-weight: expected a number of 0 or more, received {mmd_weight}."
        )
