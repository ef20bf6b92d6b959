"""Laws of training every kind of memory: streams, seeds and bfloat16.

A new kind is tested once it is in KINDS.
"""

import functools

import keras
import numpy as np
import pytest
from conftest import assert_same, compiled
from test_memory import BOTH, EVERY, array, memory, some_series, the_loss

from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.training import StreamTraining


@pytest.mark.parametrize("options", [{"restart_input": True}, *EVERY])
def test_streams_carry_the_state_from_batch_to_batch_and_drop_it_with_the_epoch(options):
    model, batches = memory(**options), SeriesBatches(some_series([12, 5, 9, 30]), "streams", 2, 7)
    training = StreamTraining(model, 2)
    rows = [batches[i] for i in range(len(batches))]
    whole = {
        name: np.concatenate([row[name] for row in rows], axis=1)
        for name in rows[0]
        if name != "carry"
    }
    first = model.initial_state(2)
    if "stepped" in first:
        first["stepped"] = rows[0]["stepped"]  # a stream may begin within an episode
    in_one = array(
        model.sequence(
            whole["z"],
            whole["actions"],
            whole["last_rewards"],
            first,
            whole["restarts"],
        )[0]
    )
    for _ in range(2):
        hidden = np.concatenate([array(training(row)) for row in rows], axis=1)
        assert_same(hidden, in_one)


class Trained:
    """A memory after three epochs, which can be trained again without being compiled again.

    Attributes:
        weights: after training.
        before, after: the loss on one batch.
    """

    def __init__(self, batching, **options):
        # One layer: each further one takes as long to compile and learns by the same rules.
        self.options = {"num_layers": 1, **options}
        self.model, self.batching = memory(**self.options), batching
        self.net = StreamTraining(self.model, 2) if batching == "streams" else self.model
        compiled(self.net, keras.optimizers.Adam(1e-2, clipvalue=1.0))
        scored = SeriesBatches(some_series([12, 5, 9, 30]), "episodes", 4)[0]
        self.before = the_loss(self.model, scored)
        self.begun = [array(variable) for variable in self.variables()]
        self.weights = self.fit()
        self.after = the_loss(self.model, scored)

    def variables(self):
        return [*self.net.variables, *self.net.optimizer.variables]

    def fit(self):
        batches = SeriesBatches(some_series([12, 5, 9, 30]), self.batching, 2, 7)
        history = self.net.fit(batches, epochs=3, shuffle=False, verbose=0).history
        assert {"loss", *self.model.term_metrics} <= set(history)
        return [array(variable) for variable in self.model.variables]

    def again(self):
        """Weights of a second training, from a second memory's initial weights."""
        for ours, theirs in zip(self.variables(), self.begun, strict=True):
            ours.assign(theirs)
        for ours, other in zip(self.model.variables, memory(**self.options).variables, strict=True):
            np.testing.assert_array_equal(array(ours), array(other))
        return self.fit()


@functools.cache
def trained(kind, batching="segments"):
    """A Trained; `kind` is a tuple of its options."""
    return Trained(batching, **dict(kind))


def key(**kind):
    return tuple(sorted(kind.items()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "batching, kind", [("episodes", {}), ("streams", {}), *[("segments", kind) for kind in EVERY]]
)
def test_equal_seeds_give_equal_weights_and_training_learns(batching, kind):
    first = trained(key(**kind, **BOTH), batching)
    assert first.after < first.before
    for a, b in zip(first.weights, first.again(), strict=True):
        # Threads may add in another order, so last bits differ. The gradient of a key's bias is
        # only such rounding error, and Adam turns it into steps.
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-4)


def test_other_seeds_give_other_weights():
    assert (
        np.abs(array(memory(seed=0).variables[0]) - array(memory(seed=1).variables[0])).max() > 1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY)
def test_training_in_bfloat16_stays_near_float32(kind):
    # What is drawn depends on the dtype, so nothing is drawn in kinds that draw.
    draws = [name for name in ("dropout", "mmd_weight") if getattr(memory(**kind), name, 0.0)]
    kind = kind | dict.fromkeys(draws, 0.0)
    exact, rounded = trained(key(**kind)), trained(key(**kind, dtype="mixed_bfloat16"))
    assert rounded.before == pytest.approx(exact.before, abs=0.01)
    assert rounded.after == pytest.approx(exact.after, abs=0.1 * (exact.before - exact.after))
