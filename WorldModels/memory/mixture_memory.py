"""What all kinds of memory share: a density of the next latent on top of h, heads, loss, draws.

A kind adds how h is computed: `initial_state`, `step`, `sequence` and, if a controller may see more
than h, `hidden`.
"""

import inspect
import math

import keras
from keras import ops

from WorldModels.interfaces import STEPPED
from WorldModels.memory.density import MIXTURES, with_floor


class MixtureMemory(keras.Model):
    """The heads of M on h (B, hidden_size); train with fit() on what `compute_loss` takes.

    A subclass makes its layers after super().__init__ and calls `build_heads` last. Its constructor
    takes the settings it needs from experiment.settings.MemorySettings under the same names, keeps
    each under that name, and passes on the arguments of this class.

    Args:
        latent_size: Z.
        action_size: A.
        hidden_size: numbers in h.
        num_mixtures: K, Gaussians in a mixture.
        mixture: "independent", a mixture for each latent dimension (the paper), or "joint", one
            over the full latent.
        reward_head: predict the reward.
        terminated_head: predict the end of the episode.
        terminated_weight: weight of a positive terminated target (doomrnn: restart_factor).
        action_threshold: above 0, M sees actions as -1, 0 or 1: below -threshold, between, above
            threshold. For games that have three actions in one number.
        seed: for the initial weights.
        log_std_floor: lowest logarithm of a standard deviation in the mixture; None, -inf: none.

    Raises:
        ValueError: a size that is not above 0, or no such mixture.
    """

    def __init__(
        self,
        latent_size=32,
        action_size=3,
        hidden_size=256,
        num_mixtures=5,
        mixture="independent",
        reward_head=False,
        terminated_head=False,
        terminated_weight=10.0,
        action_threshold=0.0,
        seed=0,
        log_std_floor=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.keep_sizes(latent_size=latent_size, action_size=action_size, hidden_size=hidden_size)
        self.keep_sizes(num_mixtures=num_mixtures)
        if mixture not in MIXTURES:
            raise ValueError(
                f"mixture: expected one of {', '.join(MIXTURES)}, received {mixture!r}."
            )
        self.mixture_kind, self.density = mixture, MIXTURES[mixture]
        self.log_std_floor = -math.inf if log_std_floor is None else float(log_std_floor)
        self.reward_head, self.terminated_head = bool(reward_head), bool(terminated_head)
        self.terminated_weight = float(terminated_weight)
        self.action_threshold, self.seed = float(action_threshold), int(seed)

    def keep_sizes(self, **sizes: int) -> None:
        """Keep each size under its name.

        Raises:
            ValueError: a size is not above 0.
        """
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}: expected a number above 0, received {size}.")
            setattr(self, name, int(size))

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """The constructor's arguments: those of this class and, through **shared, of its bases."""
        ours = cls.__mro__[: cls.__mro__.index(MixtureMemory) + 1]
        names = {}
        for base in reversed(ours):
            names |= inspect.signature(base.__init__).parameters
        variable = inspect.Parameter.VAR_KEYWORD
        return tuple(n for n, p in names.items() if n != "self" and p.kind is not variable)

    def build_heads(self) -> None:
        """Make the heads and the metrics; a kind's constructor calls this last."""
        self.build_density(self.seed + 2)
        self.reward = self.dense_head(1, "reward", self.seed + 3) if self.reward_head else None
        self.terminated = (
            self.dense_head(1, "terminated", self.seed + 4) if self.terminated_head else None
        )
        names = [
            "nll",
            *["reward_loss"] * self.reward_head,
            *["terminated_loss"] * self.terminated_head,
        ]
        self.term_metrics = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def build_density(self, seed: int) -> None:
        """Make the layer that `log_density` and `draw` need."""
        self.mixture = self.dense_head(
            self.density.size(self.latent_size, self.num_mixtures), "mixture", seed
        )

    def dense_head(self, size: int, name: str, seed: int) -> keras.layers.Dense:
        """A linear head on h, always float32, since a bfloat16 mean has only three digits."""
        head = keras.layers.Dense(
            size,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            dtype="float32",
            name=name,
        )
        head.build((None, self.hidden_size))
        return head

    def log_density(self, hidden, z):
        """Log-density (B,) of z (B, Z) after hidden (B, hidden_size), in nats per dimension."""
        return self.density.log_density(self._mixture_after(hidden), z, self.num_mixtures)

    def draw(self, hidden, temperature, noise: dict):
        """Latents (B, Z) drawn after hidden (B, hidden_size); see `sample`."""
        return self.density.draw(
            self._mixture_after(hidden),
            temperature,
            noise["component"],
            noise["normal"],
            self.num_mixtures,
        )

    def _mixture_after(self, hidden):
        num_log_stds = self.num_mixtures * self.latent_size
        return with_floor(self.mixture(hidden), num_log_stds, self.log_std_floor)

    def hidden(self, state: dict) -> dict:
        """What a controller may see: h (B, hidden_size)."""
        return {"h": state["h"]}

    def sample(self, state: dict, temperature, noise: dict) -> dict:
        """Draw what comes after the last step, from noise that the caller draws.

        Args:
            state: of B episodes.
            temperature: (B,), 1 for the density as it was learned, towards 0 for its mode.
            noise: component (B, Z) uniform in 0..1, normal (B, Z) standard normal, and if M has a
                terminated head, terminated (B,): the episode ends where the predicted probability
                exceeds it; uniform for a draw, a constant for a threshold.

        Returns:
            z (B, Z), and if M has the heads, reward (B,) and terminated (B,), 1 or 0.
        """
        hidden = self.seen_by_heads(state)
        result = {"z": self.draw(hidden, temperature, noise)}
        if self.reward is not None:
            result["reward"] = self.reward(hidden)[:, 0]
        if self.terminated is not None:
            ends = self.end_probability(state) > noise["terminated"]
            result["terminated"] = ops.cast(ends, "float32")
        return result

    def end_probability(self, state: dict):
        """The probability (B,) that the last step ended the episode, by the terminated head."""
        return ops.sigmoid(self.terminated(self.seen_by_heads(state))[:, 0])

    def begun(self, state: dict, training: bool) -> dict:
        """A state with which rows begin in training or in a test; a kind may draw a part of it."""
        return state

    def seen_by_heads(self, state: dict):
        """What the heads predict from: h (B, hidden_size), of which a kind may hide a part."""
        return state["h"]

    def call(self, batch, training=False):
        """Hidden (B, T, hidden_size) of a batch as `compute_loss` takes it.

        Each row begins with a state of zeros.
        """
        state = self.initial_state(ops.shape(batch["z"])[0])
        if STEPPED in state:  # of a kind that reads where episodes begin
            state[STEPPED] = batch[STEPPED]
        state = self.begun(state, training)
        return self.sequence(
            batch["z"], batch["actions"], batch["last_rewards"], state, batch.get("restarts")
        )[0]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of the terms, each a mean over the steps that count.

        It also updates the metrics of the same names.

            nll = -log p(next z), mean over dimensions too; not at a terminating step, which has no
                next z
            reward_loss = (reward - predicted)^2
            terminated_loss = binary cross-entropy; a positive target weighs terminated_weight

        Args:
            x: see batches.SeriesBatches: mask (B, T) is 1 where there is a step and 0 for padding;
                restarts (B, T) is there only where episodes begin within a row.
            y_pred: hidden (B, T, hidden_size), from `call`.
            y: not used.
            sample_weight: not used.
            training: not used.
        """
        loss = 0.0
        for name, (values, weights) in self.loss_terms(x, y_pred).items():
            mean = ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1)
            self.term_metrics[name].update_state(mean, sample_weight=ops.sum(weights))
            loss = loss + mean
        return loss

    def loss_terms(self, x: dict, hidden) -> dict:
        """Values and weights (B * T,) of each term of the loss, by name; see `compute_loss`."""
        hidden = ops.reshape(hidden, (-1, self.hidden_size))
        mask, terminated = ops.reshape(x["mask"], (-1,)), ops.reshape(x["terminated"], (-1,))
        log_density = self.log_density(hidden, ops.reshape(x["next_z"], (-1, self.latent_size)))
        terms = {"nll": (-log_density, mask * (1 - terminated))}
        if self.reward is not None:
            error = self.reward(hidden)[:, 0] - ops.reshape(x["rewards"], (-1,))
            known = ops.reshape(x["rewarded"], (-1,)) if "rewarded" in x else mask
            terms["reward_loss"] = ops.square(error), mask * known
        if self.terminated is not None:
            logit = self.terminated(hidden)[:, 0]
            weight = 1 + (self.terminated_weight - 1) * terminated
            entropy = ops.binary_crossentropy(terminated, logit, from_logits=True)
            terms["terminated_loss"] = weight * entropy, mask
        return terms

    def as_seen(self, actions):
        """Actions as M sees them: unchanged, or cut by action_threshold into -1, 0 and 1."""
        if self.action_threshold <= 0:
            return actions
        right, left = actions > self.action_threshold, actions < -self.action_threshold
        return ops.cast(right, "float32") - ops.cast(left, "float32")

    def get_config(self):
        own = {name: getattr(self, name) for name in self.argument_names() if name != "mixture"}
        if self.log_std_floor == -math.inf:
            own["log_std_floor"] = None  # JSON has no infinite numbers
        return {**super().get_config(), **own, "mixture": self.mixture_kind}
