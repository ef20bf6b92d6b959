"""The blind policies: equal seeds give equal actions; what each one does; mixtures by share."""

from collections import Counter

import numpy as np
import pytest

from WorldModels.control.policies import POLICIES, parse_mixture, policy_of_episode
from WorldModels.experiment.games.game import Action, Game
from WorldModels.experiment.games.registry import game_of

BY_RULE = {"stay", "left", "right", "sweep", "straight"}  # the same in every episode
CAR = game_of("CarRacing-v3").named_actions(3)
UNKNOWN = game_of("Lander-v9").named_actions(3)  # three numbers, but not a car's
TRUCK = Game(  # a toy game: CarRacing's numbers in another order, and a second brake
    "Truck-v0", actions=tuple(Action(k, k) for k in ("gas", "brake", "symmetric", "brake"))
).named_actions(4)


def actions(name, seed, steps=300, meaning=CAR):
    policy = POLICIES[name](meaning)
    policy.reset(seed)
    return np.array([policy.act(None) for _ in range(steps)])


@pytest.mark.parametrize("name", POLICIES)
def test_equal_seeds_give_equal_actions(name):
    one, two, other = actions(name, 3), actions(name, 3), actions(name, 4)
    np.testing.assert_array_equal(one, two)
    assert np.array_equal(one, other) == (name in BY_RULE)
    assert one.dtype == np.float32 and one.shape == (300, 3) and np.abs(one).max() <= 1
    policy = POLICIES[name](2)
    policy.reset(0)
    assert policy.act().shape == (2,)


@pytest.mark.parametrize("name", POLICIES)
def test_a_driver_has_other_numbers_than_the_world_of_its_seed(name):
    policy = POLICIES[name](CAR)
    policy.reset(11)
    assert policy.rng.random() != np.random.default_rng(11).random()


def test_uniform_and_held_fill_the_range_and_held_holds():
    flat = np.concatenate([actions("uniform", s) for s in range(10)])
    assert abs(flat.mean()) < 0.02 and flat.std() == pytest.approx(1 / np.sqrt(3), abs=0.01)
    held = actions("held", 0, 5000)
    starts = np.flatnonzero(np.abs(np.diff(held[:, 0])) > 0)
    lengths = np.diff(starts)
    assert lengths.min() == 4 and lengths.max() == 24 and lengths.mean() == pytest.approx(14, abs=1)
    assert (held[:, 2] > 0).mean() == pytest.approx(0.1, abs=0.06)  # the brake is used now and then
    assert (actions("held", 0, 5000, UNKNOWN)[:, 2] > 0).mean() == pytest.approx(0.5, abs=0.1)


def test_cauchy_is_heavy_tailed_with_gas_near_a_half():
    episodes = np.array([actions("cauchy", s, 50) for s in range(400)])
    assert abs(np.median(episodes)) < 0.02  # gas = (a1 + 1) / 2 is a half, the brake 0
    spread = np.abs(episodes).mean(axis=(1, 2))
    assert np.median(spread) < 0.3 and (np.abs(episodes).max(axis=(1, 2)) > 0.999).mean() > 0.2
    assert not np.allclose(episodes[0].std(0), episodes[1].std(0))  # each episode has its own scale


def test_brownian_walks_in_the_units_of_the_environment():
    episodes = np.array([actions("brownian", s) for s in range(60)])
    steps = np.diff(episodes, axis=1)
    inside = np.abs(episodes[:, 1:, :2]).max(2) < 0.99
    assert steps[..., 0][inside].std() == pytest.approx(np.sqrt(1 / 50), rel=0.1)
    assert steps[..., 1][inside].std() == pytest.approx(
        2 * np.sqrt(1 / 50), rel=0.1
    )  # gas = (a1 + 1) / 2
    assert episodes[..., 2].min() >= 0 and episodes[:, 0, 2].mean() == pytest.approx(0.5, abs=0.12)
    free = np.array([actions("brownian", s, meaning=UNKNOWN) for s in range(20)])
    assert free[..., 2].min() < -0.9
    gas = np.array([actions("brownian_gas", s) for s in range(20)])
    assert gas[..., 1].min() >= -0.5 and gas[..., 2].max() <= 0.1 + 1e-6


def test_shares_hold_for_any_number_of_episodes():
    shares = parse_mixture("held:0.41,cauchy:0.32,brownian:0.18,brownian_gas:0.09")
    counts = Counter()
    for index in range(3000):
        counts[policy_of_episode(shares, index)] += 1
        assert all(abs(counts[name] - share * (index + 1)) < 3 for name, share in shares.items())
    every_eighth = Counter(policy_of_episode(shares, index) for index in range(0, 3000, 8))
    assert all(abs(every_eighth[name] - share * 375) < 8 for name, share in shares.items())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "held:0.5",
        "held:0.5,cauchy:0.6",
        "held:-1,cauchy:2",
        "held:x,cauchy:0.5",
        "held:0.5,held:0.5",
        "held,cauchy",
        "held:nan,cauchy:0.5",
        "held:0.5;cauchy:0.5",
    ],
)
def test_a_bad_mixture_is_one_clear_line(text):
    with pytest.raises(ValueError, match="^--record.policies: expected"):
        parse_mixture(text)


def test_good_mixtures():
    assert parse_mixture("cauchy") == {"cauchy": 1.0}
    assert parse_mixture(" held:0.25, controller:0.75 ") == {"held": 0.25, "controller": 0.75}


def test_held_short_redraws_at_steps_that_its_length_divides():
    """A length of 1 lasts one step, longer ones last up to their next multiple.

    As in hardmaru/WorldModelsExperiments, doomrnn/extract.py.
    """
    held = np.concatenate(
        [
            np.diff(np.flatnonzero(np.r_[True, np.diff(actions("held_short", s, 2000)[:, 0]) != 0]))
            for s in range(5)
        ]
    )
    assert held.min() == 1 and held.max() == 10 and 3 < held.mean() < 5.5
    # A hold begun at step s with length n ends at the next multiple of n, so the lengths are
    # shorter than uniform ones (5.5).
    flat = np.concatenate([actions("held_short", s) for s in range(30)])
    assert abs(flat.mean()) < 0.1 and flat.std() == pytest.approx(1 / np.sqrt(3), abs=0.05)


def test_diverse_has_a_manner_of_its_own_in_every_episode():
    episodes = np.array([actions("diverse", s, 1000, 1)[:, 0] for s in range(100)])
    assert set(np.unique(episodes)) == {-1.0, 0.0, 1.0}
    switches = (np.diff(episodes) != 0).mean(1)
    assert (
        np.percentile(switches, 10) < 0.01 and np.percentile(switches, 90) > 0.1
    )  # from steady to restless
    still = (episodes == 0).mean(1)
    assert (
        (still > 0.7).sum() > 5
        and (still < 0.1).sum() > 5
        and still.mean() == pytest.approx(1 / 3, abs=0.07)
    )
    sizes = [actions("diverse", s, 100, 2) for s in range(20)]
    assert any(not np.array_equal(a[:, 0], a[:, 1]) for a in sizes)


def test_the_yardsticks_do_what_their_names_say():
    for name, first in (("stay", 0), ("left", -1), ("right", 1)):
        np.testing.assert_array_equal(actions(name, 0, 20, 2), [[first, 0]] * 20)
    sweep = actions("sweep", 0, 400, 1)[:, 0]
    np.testing.assert_array_equal(sweep, np.repeat([-1, 1, -1, 1], 100))
    steer, gas, brake = actions("straight", 0, 1)[0]
    assert steer == 0 and 0 < (gas + 1) / 2 < 0.5 and brake <= 0
    assert not actions("straight", 0, 5, UNKNOWN).any()


@pytest.mark.parametrize("name", POLICIES)
def test_where_nothing_is_known_every_number_of_an_action_is_symmetric(name):
    by_size, by_name = actions(name, 2, meaning=3), actions(name, 2, meaning=UNKNOWN)
    np.testing.assert_array_equal(by_size, by_name)
    if name not in BY_RULE:
        episodes = np.concatenate([actions(name, s, meaning=UNKNOWN) for s in range(60)])
        assert np.abs(np.median(episodes, axis=0)).max() < 0.25
        assert np.abs(np.mean(episodes < 0, axis=0) - np.mean(episodes > 0, axis=0)).max() < 0.3


def test_gas_and_brake_are_where_the_game_says():
    for name in ("brownian", "brownian_gas"):
        gas, brake, steer, handbrake = np.concatenate(
            [actions(name, s, meaning=TRUCK) for s in range(20)]
        ).T
        assert brake.min() >= 0 and handbrake.min() >= 0 and steer.min() == -1
        assert gas.min() == (-0.5 if name == "brownian_gas" else -1) and gas.max() == 1
    held = actions("held", 0, 5000, TRUCK)
    assert ((held > 0).mean(0) < 0.25).tolist() == [False, True, False, True]
    gas, *others = actions("straight", 0, 1, TRUCK)[0]
    assert -1 < gas < 0 and others == [0, 0, 0]
    assert actions("left", 0, 1, TRUCK).tolist() == [[0, 0, -1, 0]]
