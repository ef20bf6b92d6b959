"""Statistics of scores against values worked out by hand."""

import math

import numpy as np
import pytest

from WorldModels.figures.scores import (
    bootstrap_interval,
    interquartile_mean,
    nearest_quantiles,
    summary,
    table,
)


def test_summary_of_known_scores():
    s = summary([1, 2, 3, 4, 100])
    assert s["mean"] == 22 and s["median"] == 3 and s["n"] == 5
    assert s["sd"] == pytest.approx(math.sqrt((21**2 + 20**2 + 19**2 + 18**2 + 78**2) / 4))
    assert s["iqm"] == 3  # 1 and 100 are cut


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([7], 7),
        ([1, 3], 2),
        ([0, 1, 2, 9], 1.5),
        ([5, 1, 4, 2, 3, 0, 6, 99], 3.5),
        (range(100), 49.5),
        ([-3, -1, -2], -2),
    ],
)
def test_the_interquartile_mean_cuts_a_quarter_at_each_end(scores, expected):
    assert interquartile_mean(list(scores)) == pytest.approx(expected)


def test_the_bootstrap_interval_nears_the_normal_one():
    scores = np.random.default_rng(1).normal(800, 130, 400)
    half = 1.96 * scores.std() / math.sqrt(len(scores))
    low, high = bootstrap_interval(scores)
    assert low == pytest.approx(scores.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(scores.mean() + half, abs=0.05 * half)


def test_the_bootstrap_interval_is_that_of_all_resamples():
    # Two scores 0 and 1: the mean of two draws is 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
    assert bootstrap_interval([0, 1], level=0.95) == (0, 1)
    assert bootstrap_interval([0, 1], level=0.4) == (0.5, 0.5)


def test_the_interval_is_fixed_and_blind_to_the_order_of_the_tracks():
    scores = np.random.default_rng(2).normal(size=30)
    assert (
        bootstrap_interval(scores) == bootstrap_interval(scores) == bootstrap_interval(scores[::-1])
    )


def test_one_score_is_enough():
    assert summary([3.5]) == {
        "mean": 3.5,
        "sd": 0.0,
        "median": 3.5,
        "iqm": 3.5,
        "interval": [3.5, 3.5],
        "n": 1,
    }


@pytest.mark.parametrize(
    "scores, received",
    [([], "received none"), ([1, math.nan], "received nan"), ([math.inf], "received inf")],
)
def test_what_is_no_score_is_refused(scores, received):
    with pytest.raises(ValueError, match=received):
        summary(scores)


def test_the_table_has_a_line_for_each_driver_and_aligned_columns():
    text = table({"lap rule 1.0": summary([900.04, 100]) | {"laps": 0.5}, "random": summary([-30])})
    head, driver, random = text.splitlines()
    assert len(head) == len(driver) == len(random)
    assert head.split() == ["mean", "95%", "interval", "sd", "median", "iqm", "n", "laps"]
    assert "500.0" in driver and driver.endswith("50%") and "[100.0, 900.0]" in driver


def test_the_median_stands_for_all_then_the_worst_and_the_best():
    scores = [5, 900, 1, 500, 450]
    assert nearest_quantiles(scores, 1) == [4]
    assert nearest_quantiles(scores, 3) == [4, 2, 1]
    assert sorted(nearest_quantiles(scores, 99)) == [0, 1, 2, 3, 4]
    assert nearest_quantiles([7, 7], 2) == [0, 1]
