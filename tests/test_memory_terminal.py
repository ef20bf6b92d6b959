"""The scores of M's prediction of the end follow their definitions."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from test_memory import array, memory, some_series

from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.terminal import terminal_scores, terminated_logits


def test_terminal_scores_are_their_definitions():
    rng = np.random.default_rng(0)
    logits = [np.round(rng.standard_normal(n), 1) for n in (40, 25, 30)]
    targets = [np.zeros(n) for n in (40, 25, 30)]
    targets[0][-1] = targets[1][-1] = 1  # the third was cut off
    logits[0][-1], logits[1][-1] = 0.8, -0.1
    scores = terminal_scores(logits, targets)
    others = np.concatenate([logits[0][:-1], logits[1][:-1], logits[2]])
    assert scores["terminal_recall"] == 0.5
    assert scores["false_alarms"] == pytest.approx((others > 0).sum() / 3)
    pairs = [(other < end) + 0.5 * (other == end) for end in (0.8, -0.1) for other in others]
    assert scores["terminal_auc"] == pytest.approx(np.mean(pairs))
    assert terminal_scores(logits, targets, threshold=-0.2)["terminal_recall"] == 1.0
    none = terminal_scores(logits[2:], targets[2:])
    assert none["terminal_recall"] is None and none["terminal_auc"] is None


def test_the_logits_of_an_episode_do_not_depend_on_its_neighbours():
    model, series = memory(terminated_head=True), some_series([5, 9, 3])
    logits, targets = terminated_logits(model, [SeriesBatches(series, "episodes", 3)[0]])
    assert sorted(map(len, logits)) == [3, 5, 9]
    batch = SeriesBatches(series, "episodes", 3)[0]
    for row, (found, target) in enumerate(zip(logits, targets, strict=True)):
        steps = len(found)
        alone = {name: x[row : row + 1, :steps] for name, x in batch.items()}
        np.testing.assert_allclose(found, array(model.terminated(model(alone)))[0, :, 0], atol=1e-6)
        np.testing.assert_array_equal(target, [*[0] * (steps - 1), 1])
    with pytest.raises(ValueError, match="terminated-head"):
        terminated_logits(memory(), [batch])
