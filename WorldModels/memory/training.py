"""How memories are trained: Adam with its learning rates and clipping, and streams with a state."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from WorldModels.experiment.choice import sizes_of
from WorldModels.interfaces import DROPPED, STEPPED
from WorldModels.memory.kinds import build_memory

RHO = 0.9  # RMSprop's decay of the mean square (ctallec/world-models, trainmdrnn.py)
TIMED_LENGTH = 100  # steps of an episode in a step that is only timed
SCHEDULES = ("constant", "cosine", "exponential", "plateau")


def adam(
    steps: int,
    learning_rate: float = 1e-3,
    schedule: str = "constant",
    final_learning_rate: float = 1e-5,
    decay: float = 1.0,
    clip_value: float = 1.0,
    clip_norm: float = 0.0,
    warmup_steps: int = 0,
    beta_2: float = 0.999,
    optimizer: str = "adam",
) -> keras.optimizers.Optimizer:
    """Adam, or RMSprop, with a schedule for its learning rate.

    Args:
        steps: the budget, where the cosine ends.
        learning_rate: at the first step.
        schedule: see `scheduled`.
        final_learning_rate: where the schedule ends.
        decay: of the exponential schedule.
        clip_value: each gradient is clipped to +- this (hardmaru: 1.0); 0: no clipping.
        clip_norm: all gradients together are scaled down to this norm, if clip_value is 0; 0: no
            scaling.
        warmup_steps: number of first steps over which the rate is multiplied by a factor that
            rises linearly to 1.
        beta_2: decay of the gradients' mean square (0.98 for transformers: Vaswani et al. 2017).
        optimizer: "adam" or "rmsprop".

    Raises:
        ValueError: there is no such schedule, or both ways of clipping are set.
    """
    clipped = _clipped(clip_value, clip_norm)
    rate = scheduled(steps, learning_rate, schedule, final_learning_rate, decay)
    if warmup_steps and schedule != "plateau":
        rate = WarmedUp(rate, warmup_steps)
    if optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, rho=RHO, **clipped)
    return keras.optimizers.Adam(rate, beta_2=beta_2, **clipped)


def _clipped(value: float, norm: float) -> dict[str, float | None]:
    if value > 0 and norm > 0:
        raise ValueError(
            "--memory.clip-value, --memory.clip-norm: expected only one of them above 0, "
            f"received {value} and {norm}."
        )
    return {"clipvalue": value or None, "global_clipnorm": norm or None}


def scheduled(steps: int, rate: float, schedule: str, final: float, decay: float):
    """The learning rate by step, a number or a schedule of Keras.

        constant     rate
        cosine       from rate down to final over `steps`
        exponential  (rate - final) * decay^step + final
                     (hardmaru, rnn.py: decay 1 for CarRacing, 0.99999 for Doom)
        plateau      rate, until whoever trains lowers it (assembly/fit.py)

    Raises:
        ValueError: no such schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(
            f"schedule: expected one of {', '.join(SCHEDULES)}, received {schedule!r}."
        )
    if schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, max(steps, 1), alpha=final / rate)
    if schedule == "exponential" and decay < 1:
        return ExponentialTowards(rate, final, decay)
    return rate


def adam_of(settings: Any, steps: int, warmup_steps: int = 0) -> keras.optimizers.Optimizer:
    """The optimizer that the settings ask for.

    Args:
        settings: experiment.settings.MemorySettings.
        steps: the budget.
        warmup_steps: fewest steps of warm-up; the settings may ask for more.
    """
    s = settings
    return adam(
        steps,
        s.learning_rate,
        s.schedule,
        s.final_learning_rate,
        s.decay,
        s.clip_value,
        s.clip_norm,
        max(warmup_steps, s.warmup_steps),
        s.beta_2,
        s.optimizer,
    )


def compiled(
    memory: keras.Model, settings: Any, batch_size: int, steps: int, warmup_steps: int = 0
) -> keras.Model:
    """The model that fit() trains: M, or for streams the one that carries M's state along.

    Args:
        memory: a built M; it is compiled too, to be scored.
        settings: see `adam_of`.
        batch_size: B.
        steps: see `adam_of`.
        warmup_steps: see `adam_of`.
    """
    model = StreamTraining(memory, batch_size) if settings.batching == "streams" else memory
    for each in {id(m): m for m in (model, memory)}.values():
        each.compile(adam_of(settings, steps, warmup_steps))
    model.optimizer.build(model.trainable_variables)  # otherwise the step is traced twice
    return model


def to_time(settings: Any, batch: dict[str, np.ndarray]) -> tuple[dict, Callable]:
    """What experiment.choice.choose needs, to time a step.

    Args:
        settings: see `adam_of`.
        batch: see batches.SeriesBatches. Long episodes are cut: a token takes as long in them.

    Returns:
        Sizes; and a function that starts to train an untrained M with a choice.
    """
    some = {name: x[:, :TIMED_LENGTH] if x.ndim > 1 else x for name, x in batch.items()}
    (rows, _, latent_size), action_size = batch["z"].shape, batch["actions"].shape[2]

    def start(**choice: str) -> Callable[[], Any]:
        memory = build_memory(settings, latent_size, action_size, 0, **choice)
        model = compiled(memory, settings, rows, 1)
        return lambda: model.train_on_batch(some)

    return sizes_of(settings, some), start


class StreamTraining(keras.Model):
    """A memory together with the state of each stream, as in hardmaru's doomrnn/rnn_train.py.

    Train it with fit() on SeriesBatches of kind "streams". The state lives in variables of this
    model, not of the memory, so that a checkpoint of this model resumes in the middle of an epoch,
    and the memory's own file does not hold it. Gradients do not reach back into an earlier batch.

    Args:
        memory: a built memory.
        num_streams: B, rows of a batch.
    """

    def __init__(self, memory: keras.Model, num_streams: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.memory = memory
        state = {
            name: np.asarray(ops.convert_to_numpy(x))
            for name, x in memory.initial_state(num_streams).items()
        }
        self.carried = {
            name: self.add_weight(
                shape=x.shape, initializer="zeros", trainable=False, dtype="float32", name=name
            )
            for name, x in state.items()
        }
        self.built = True

    @property
    def metrics(self):
        # Keras leaves out the metrics of a model within a model.
        return [*super().metrics, *self.memory.term_metrics.values()]

    def call(self, batch, training=False):
        """Hidden (B, T, hidden_size) of a batch; keeps the state after it.

        Where batch["carry"] (B,) is 0, the state begins at zero.
        """
        state = {
            name: x * ops.reshape(batch["carry"], (-1, *[1] * (len(x.shape) - 1)))
            for name, x in self.carried.items()
        }
        if STEPPED in state:  # an epoch's rows may begin within an episode
            state[STEPPED] = ops.maximum(state[STEPPED], batch[STEPPED])
        state = self.memory.begun(state, training)
        hidden, state = self.memory.sequence(
            batch["z"], batch["actions"], batch["last_rewards"], state, batch["restarts"]
        )
        for name, x in state.items():
            if name == DROPPED:  # drawn anew for each batch
                continue
            self.carried[name].assign(ops.stop_gradient(x))
        return hidden

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.memory.compute_loss(x, y, y_pred, sample_weight, training)


@keras.saving.register_keras_serializable("WorldModels")
class WarmedUp(keras.optimizers.schedules.LearningRateSchedule):
    """rate(step) * min(1, (step + 1) / steps), for a constant rate or a schedule."""

    def __init__(self, rate, steps: int):
        super().__init__()
        self.rate, self.steps = rate, steps

    def __call__(self, step):
        rate = self.rate(step) if callable(self.rate) else self.rate
        return rate * ops.minimum(1.0, (ops.cast(step, "float32") + 1) / self.steps)

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps}


@keras.saving.register_keras_serializable("WorldModels")
class ExponentialTowards(keras.optimizers.schedules.LearningRateSchedule):
    """(initial - final) * decay^step + final."""

    def __init__(self, initial: float, final: float, decay: float):
        super().__init__()
        self.initial, self.final, self.decay = initial, final, decay

    def __call__(self, step):
        return (self.initial - self.final) * ops.power(
            self.decay, ops.cast(step, "float32")
        ) + self.final

    def get_config(self):
        return {"initial": self.initial, "final": self.final, "decay": self.decay}
