"""What all kinds of memory share: a density of the next latent on top of h, two more heads, the
loss, and drawing what comes next.

A kind adds how h comes about: `initial_state`, `step`, `sequence` and, where it has more to show
than h, `hidden`. Knows latents
and actions, not where they come from or what they are for.
"""

import inspect

import keras
from keras import ops

from WorldModels.memory.density import MIXTURES


class MixtureMemory(keras.Model):
    """M without its memory: heads on h (B, hidden_size). Train it by fit() on the batches that
    `compute_loss` takes.

    A subclass makes its layers after super().__init__ and calls `build_heads` last; its constructor
    takes what it needs of
    experiment.settings.MemorySettings by the same names, and keeps each under that name.

    Args:
        latent_size: Z.
        action_size: A.
        hidden_size: numbers in h.
        num_mixtures: K, Gaussians in a mixture.
        mixture: "independent", a mixture for each latent dimension (the paper), or "joint", one
            over whole latents.
        reward_head: predict the reward.
        terminated_head: predict the end of the episode.
        terminated_weight: weight of a positive terminated target (doomrnn: restart_factor).
        action_threshold: above 0, actions enter M as -1, 0 or 1: below -threshold, within, above
            threshold. For games that know
            three actions of a number.
        seed: of the initial weights.

    Raises:
        ValueError: a size that is not above 0, or no such mixture.
    """

    def __init__(
        self,
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
    ):
        super().__init__(**kwargs)
        sizes = {
            "latent_size": latent_size,
            "action_size": action_size,
            "hidden_size": hidden_size,
            "num_mixtures": num_mixtures,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}: expected a number above 0, received {size}.")
            setattr(self, name, int(size))
        if mixture not in MIXTURES:
            raise ValueError(
                f"mixture: expected one of {', '.join(MIXTURES)}, received {mixture!r}."
            )
        self.mixture_kind, self.density = mixture, MIXTURES[mixture]
        self.reward_head, self.terminated_head = bool(reward_head), bool(terminated_head)
        self.terminated_weight, self.action_threshold, self.seed = (
            float(terminated_weight),
            float(action_threshold),
            int(seed),
        )

    def build_heads(self) -> None:
        """Make the heads and the metrics: the last thing that a kind's constructor does."""
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
        """Make what `log_density` and `draw` need."""
        self.mixture = self.dense_head(
            self.density.size(self.latent_size, self.num_mixtures), "mixture", seed
        )

    def dense_head(self, size: int, name: str, seed: int) -> keras.layers.Dense:
        """A linear head on h, float32 whatever the rest is: a bfloat16 mean has three digits."""
        head = keras.layers.Dense(
            size,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            dtype="float32",
            name=name,
        )
        head.build((None, self.hidden_size))
        return head

    def log_density(self, hidden, z):
        """Log-density (B,) of latents z (B, Z) after hidden (B, hidden_size), in nats a dimension."""
        return self.density.log_density(self.mixture(hidden), z, self.num_mixtures)

    def draw(self, hidden, temperature, noise: dict):
        """Latents (B, Z) drawn after hidden (B, hidden_size), see `sample`."""
        return self.density.draw(
            self.mixture(hidden),
            temperature,
            noise["component"],
            noise["normal"],
            self.num_mixtures,
        )

    def hidden(self, state: dict) -> dict:
        """What a controller may see: h (B, hidden_size)."""
        return {"h": state["h"]}

    def sample(self, state: dict, temperature, noise: dict) -> dict:
        """Draw what comes next, after the last step, from noise that was drawn outside.

        Args:
            state: of B episodes.
            temperature: (B,), 1 for the density as it was learned, towards 0 for its mode.
            noise: component (B, Z) uniform in 0..1, normal (B, Z) standard normal, and with a
                terminated head terminated (B,):
                the episode ends where its probability exceeds it; uniform for a draw, a constant
                for a threshold.

        Returns:
            z (B, Z), with the heads also reward (B,), and terminated (B,), 1 or 0.
        """
        hidden = state["h"]
        result = {"z": self.draw(hidden, temperature, noise)}
        if self.reward is not None:
            result["reward"] = self.reward(hidden)[:, 0]
        if self.terminated is not None:
            probability = ops.sigmoid(self.terminated(hidden)[:, 0])
            result["terminated"] = ops.cast(probability > noise["terminated"], "float32")
        return result

    def call(self, batch, training=False):
        """Hidden (B, T, hidden_size) of a batch as `compute_loss` takes it, each row begun with a
        state of zeros.
        """
        state = self.initial_state(ops.shape(batch["z"])[0])
        return self.sequence(
            batch["z"], batch["actions"], batch["rewards"], state, batch.get("restarts")
        )[0]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of the terms, each a mean over the steps that count; also updates the metrics of
        the same names.

            nll = -log p(z next), mean over dimensions too; a terminating step does not count:
            nothing comes next
            reward_loss = (reward - predicted)^2
            terminated_loss = binary cross-entropy, a positive target weighs terminated_weight

        Args:
            x: dict of z and next_z (B, T, Z), actions (B, T, A), rewards, terminated and mask (B,
                T), the latter 1 where there is
                a step and 0 where there is padding, and, where episodes begin within a row,
                restarts (B, T).
            y_pred: hidden (B, T, hidden_size), as `call` gives it.
        """
        hidden = ops.reshape(y_pred, (-1, self.hidden_size))
        mask, terminated = ops.reshape(x["mask"], (-1,)), ops.reshape(x["terminated"], (-1,))
        log_density = self.log_density(hidden, ops.reshape(x["next_z"], (-1, self.latent_size)))
        terms = {"nll": (-log_density, mask * (1 - terminated))}
        if self.reward is not None:
            terms["reward_loss"] = (
                ops.square(self.reward(hidden)[:, 0] - ops.reshape(x["rewards"], (-1,))),
                mask,
            )
        if self.terminated is not None:
            logit, weight = (
                self.terminated(hidden)[:, 0],
                1 + (self.terminated_weight - 1) * terminated,
            )
            terms["terminated_loss"] = (
                weight * ops.binary_crossentropy(terminated, logit, from_logits=True),
                mask,
            )
        loss = 0.0
        for name, (values, weights) in terms.items():
            mean = ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1)
            self.term_metrics[name].update_state(mean, sample_weight=ops.sum(weights))
            loss = loss + mean
        return loss

    def as_seen(self, actions):
        """Actions as M gets them: as they are, or by action_threshold as -1, 0 and 1."""
        if self.action_threshold <= 0:
            return actions
        right, left = actions > self.action_threshold, actions < -self.action_threshold
        return ops.cast(right, "float32") - ops.cast(left, "float32")

    def get_config(self):
        names = [
            name
            for name in inspect.signature(type(self).__init__).parameters
            if name not in ("self", "kwargs")
        ]
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names if name != "mixture"},
            "mixture": self.mixture_kind,
        }
