"""M as an LSTM with a mixture density. Knows latents and actions, not where they come from or what they are for."""

import keras
from keras import ops

from WorldModels.memory import density


@keras.saving.register_keras_serializable("WorldModels")
class MDNRNN(keras.Model):
    """The MDN-RNN of World Models, as published (paper A.2; hardmaru/WorldModelsExperiments, rnn.py of carracing and doomrnn).

    [z, action] -> LSTM -> for each latent dimension a mixture of Gaussians for its next value, and where asked the reward and the
    logit of the episode's end. 422,368 parameters at Z = 32, A = 3 without the two heads; 1,678,785 at Z = 64, A = 1, 512 units,
    with terminated head and restart input. Train it by fit() on the batches that `compute_loss` takes.

    Args:
        latent_size: Z.
        action_size: A.
        lstm_size: units, the size of h and of c.
        num_mixtures: K, Gaussians in each dimension's mixture.
        reward_head: predict the reward.
        terminated_head: predict the end of the episode.
        terminated_weight: weight of a positive terminated target (doomrnn: restart_factor).
        restart_input: a further input, 1 at the first step of an episode and else 0 (doomrnn: restart).
        action_threshold: above 0, actions enter M as -1, 0 or 1: below -threshold, within, above threshold. For games that know
            three actions of a number.
        seed: of the initial weights.

    Raises:
        ValueError: a size that is not above 0.
    """

    def __init__(self, latent_size=32, action_size=3, lstm_size=256, num_mixtures=5, reward_head=False, terminated_head=False,
                 terminated_weight=10.0, restart_input=False, action_threshold=0.0, seed=0, **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        sizes = {"latent_size": latent_size, "action_size": action_size, "lstm_size": lstm_size, "num_mixtures": num_mixtures}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}: expected a number above 0, received {size}.")
            setattr(self, name, int(size))
        self.reward_head, self.terminated_head, self.restart_input = bool(reward_head), bool(terminated_head), bool(restart_input)
        self.terminated_weight, self.action_threshold, self.seed = float(terminated_weight), float(action_threshold), int(seed)
        self.lstm = keras.layers.LSTM(
            lstm_size, return_sequences=True, return_state=True, kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1), seed=seed, dtype=self.dtype_policy, name="lstm",
        )  # fmt: skip
        self.lstm.build((None, None, latent_size + action_size + self.restart_input))
        self.mixture = self._head(3 * num_mixtures * latent_size, "mixture", seed + 2)
        self.reward = self._head(1, "reward", seed + 3) if reward_head else None
        self.terminated = self._head(1, "terminated", seed + 4) if terminated_head else None
        names = ["nll", *["reward_loss"] * self.reward_head, *["terminated_loss"] * self.terminated_head]
        self.term_metrics = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def _head(self, size: int, name: str, seed: int) -> keras.layers.Dense:
        # float32 whatever the rest is: a bfloat16 mean has three digits.
        head = keras.layers.Dense(size, kernel_initializer=keras.initializers.GlorotUniform(seed), dtype="float32", name=name)
        head.build((None, self.lstm_size))
        return head

    def initial_state(self, batch: int) -> dict:
        """Zeros: h and c (B, units) float32; with restart input also stepped (B, 1), 0 before the first step and then 1."""
        state = {"h": ops.zeros((batch, self.lstm_size)), "c": ops.zeros((batch, self.lstm_size))}
        return {**state, "stepped": ops.zeros((batch, 1))} if self.restart_input else state

    def step(self, state: dict, z, action, reward=None) -> dict:
        """The state after one step with latent z (B, Z) and action (B, A) in -1..1; the reward (B,) is not used by this kind."""
        inputs = [z, self._as_seen(action)] + ([1 - state["stepped"]] if self.restart_input else [])
        inputs = ops.concatenate(inputs, axis=-1)
        _, carried = self.lstm.cell(self._cast(inputs), [self._cast(state["h"]), self._cast(state["c"])])
        return self._state(*carried, inputs)

    def sequence(self, z, actions, rewards, state: dict, restarts=None):
        """Many steps in one call.

        Args:
            z: (B, T, Z).
            actions: (B, T, A) in -1..1.
            rewards: (B, T), not used by this kind.
            state: before the first step.
            restarts: (B, T), 1 where an episode begins: there the state is zeroed before the step. None: nowhere; episodes
                that begin with the sequence need none, their state is zero.

        Returns:
            h after every step (B, T, units) float32, and the state after the last one.
        """
        inputs = [z, self._as_seen(actions)]
        if self.restart_input:
            first = 1 - state["stepped"][:, None]
            flags = ops.concatenate([first, ops.zeros_like(z[:, 1:, :1])], axis=1)
            inputs.append(flags if restarts is None else ops.maximum(flags, restarts[..., None]))
        layer, initial = self.lstm, [self._cast(state["h"]), self._cast(state["c"])]
        if restarts is not None:
            inputs.append(1 - restarts[..., None])
            layer = keras.layers.RNN(_RestartCell(self.lstm.cell), return_sequences=True, return_state=True, dtype=self.dtype_policy)
        inputs = ops.concatenate(inputs, axis=-1)
        hidden, *carried = layer(self._cast(inputs), initial_state=initial)
        return ops.cast(hidden, "float32"), self._state(*carried, inputs)

    def hidden(self, state: dict) -> dict:
        """What a controller may see: h and c, each (B, units)."""
        return {"h": state["h"], "c": state["c"]}

    def sample(self, state: dict, temperature, noise: dict) -> dict:
        """Draw what comes next, after the last step, from noise that was drawn outside.

        Args:
            state: of B episodes.
            temperature: (B,), 1 for the density as it was learned, towards 0 for its mode.
            noise: component (B, Z) uniform in 0..1, normal (B, Z) standard normal, and with a terminated head terminated (B,):
                the episode ends where its probability exceeds it; uniform for a draw, a constant for a threshold.

        Returns:
            z (B, Z), with the heads also reward (B,), and terminated (B,), 1 or 0.
        """
        outputs = self.mixture(state["h"])
        result = {"z": density.draw(outputs, temperature, noise["component"], noise["normal"], self.num_mixtures)}
        if self.reward is not None:
            result["reward"] = self.reward(state["h"])[:, 0]
        if self.terminated is not None:
            probability = ops.sigmoid(self.terminated(state["h"])[:, 0])
            result["terminated"] = ops.cast(probability > noise["terminated"], "float32")
        return result

    def call(self, batch, training=False):
        """Hidden (B, T, units) of a batch as `compute_loss` takes it, each row begun with a state of zeros."""
        state = self.initial_state(ops.shape(batch["z"])[0])
        return self.sequence(batch["z"], batch["actions"], batch["rewards"], state, batch.get("restarts"))[0]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of the terms, each a mean over the steps that count; also updates the metrics of the same names.

            nll = -log p(z next), mean over dimensions too; a terminating step does not count: nothing comes next
            reward_loss = (reward - predicted)^2
            terminated_loss = binary cross-entropy, a positive target weighs terminated_weight

        Args:
            x: dict of z and next_z (B, T, Z), actions (B, T, A), rewards, terminated and mask (B, T), the latter 1 where there is
                a step and 0 where there is padding, and, where episodes begin within a row, restarts (B, T).
            y_pred: hidden (B, T, units), as `call` gives it.
        """
        hidden = ops.reshape(y_pred, (-1, self.lstm_size))
        mask, terminated = ops.reshape(x["mask"], (-1,)), ops.reshape(x["terminated"], (-1,))
        log_density = density.log_density(self.mixture(hidden), ops.reshape(x["next_z"], (-1, self.latent_size)), self.num_mixtures)
        terms = {"nll": (-ops.mean(log_density, axis=-1), mask * (1 - terminated))}
        if self.reward is not None:
            terms["reward_loss"] = (ops.square(self.reward(hidden)[:, 0] - ops.reshape(x["rewards"], (-1,))), mask)
        if self.terminated is not None:
            logit, weight = self.terminated(hidden)[:, 0], 1 + (self.terminated_weight - 1) * terminated
            terms["terminated_loss"] = (weight * ops.binary_crossentropy(terminated, logit, from_logits=True), mask)
        loss = 0.0
        for name, (values, weights) in terms.items():
            mean = ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1)
            self.term_metrics[name].update_state(mean, sample_weight=ops.sum(weights))
            loss = loss + mean
        return loss

    def _as_seen(self, actions):
        if self.action_threshold <= 0:
            return actions
        right, left = actions > self.action_threshold, actions < -self.action_threshold
        return ops.cast(right, "float32") - ops.cast(left, "float32")

    def _cast(self, x):
        return ops.cast(x, self.compute_dtype)

    def _state(self, h, c, inputs) -> dict:
        state = {"h": ops.cast(h, "float32"), "c": ops.cast(c, "float32")}
        return {**state, "stepped": ops.ones((ops.shape(inputs)[0], 1))} if self.restart_input else state

    def get_config(self):
        names = ("latent_size", "action_size", "lstm_size", "num_mixtures", "reward_head", "terminated_head", "terminated_weight",
                 "restart_input", "action_threshold", "seed")  # fmt: skip
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class _RestartCell(keras.layers.Layer):
    """An LSTM's cell whose state is multiplied by the last input, 0 where an episode begins; it has no weights of its own."""

    def __init__(self, cell):
        super().__init__(dtype=cell.dtype_policy)
        self.cell, self.state_size, self.output_size = cell, cell.state_size, cell.units
        self.built = True

    def call(self, inputs, states, training=False):
        keep = inputs[:, -1:]
        return self.cell(inputs[:, :-1], [state * keep for state in states])


def float32_copy(model: keras.Model) -> keras.Model:
    """A memory that computes in float32 with the same weights: the form that is saved and exported."""
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    for variable, source in zip(copy.variables, model.variables, strict=True):
        variable.assign(ops.convert_to_numpy(source))
    return copy
