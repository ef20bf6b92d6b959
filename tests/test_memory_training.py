"""Laws of training every kind of memory: streams, seeds and bfloat16.

A new kind is tested once it is in KINDS.
"""

import keras
import numpy as np
import pytest
from conftest import assert_same
from test_memory import BOTH, EVERY, array, memory, some_series, the_loss

from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.streams import StreamTraining


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


def train(batching, **options):
    """Weights after three epochs, and the loss on one batch before and after them."""
    # One layer: each further one takes as long to compile and learns by the same rules.
    model, series = memory(num_layers=1, **options), some_series([12, 5, 9, 30])
    trained = StreamTraining(model, 2) if batching == "streams" else model
    trained.compile(keras.optimizers.Adam(1e-2, clipvalue=1.0))
    scored = SeriesBatches(series, "episodes", 4)[0]
    before = the_loss(model, scored)
    history = trained.fit(
        SeriesBatches(series, batching, 2, 7), epochs=3, shuffle=False, verbose=0
    ).history
    assert {"loss", *model.term_metrics} <= set(history)
    return [array(v) for v in model.variables], before, the_loss(model, scored)


@pytest.mark.slow
@pytest.mark.parametrize(
    "batching, kind", [("episodes", {}), ("streams", {}), *[("segments", kind) for kind in EVERY]]
)
def test_equal_seeds_give_equal_weights_and_training_learns(batching, kind):
    weights, before, after = train(batching, **kind, **BOTH)
    again, *_ = train(batching, **kind, **BOTH)
    for a, b in zip(weights, again, strict=True):
        # Threads may add in another order, so last bits differ. The gradient of a key's bias is
        # only such rounding error, and Adam turns it into steps.
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-4)
    assert after < before


def test_other_seeds_give_other_weights():
    assert (
        np.abs(array(memory(seed=0).variables[0]) - array(memory(seed=1).variables[0])).max() > 1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY)
def test_training_in_bfloat16_stays_near_float32(kind):
    kind = {**kind, "dropout": 0.0, "mmd_weight": 0.0}  # what is drawn depends on the dtype
    (_, before, exact), (_, rounded_before, rounded) = (
        train("segments", **kind, dtype=dtype) for dtype in ("float32", "mixed_bfloat16")
    )
    assert rounded_before == pytest.approx(before, abs=0.01)
    assert rounded == pytest.approx(exact, abs=0.1 * (before - exact))
