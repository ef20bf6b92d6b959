"""A population's dreams in shards: the same ones, and equal results, whoever computes them."""

from dataclasses import replace

import numpy as np
import pytest

from WorldModels.assembly import shards
from WorldModels.assembly.shards import LANES, PopulationMaker, ShardedDream, split
from WorldModels.control.controller import Controller

DRIVERS, ROLLOUTS, LATENTS = 6, 4, 3
CONTROLLER = Controller("zh", latent_size=LATENTS, hidden_size=5, action_size=2)
HOW = {"termination": "sampled", "reward": "head", "max_steps": 60}


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    from WorldModels.memory.mdn_rnn import MDNRNN

    file = tmp_path_factory.mktemp("shards") / "memory.keras"
    sizes = {"latent_size": LATENTS, "action_size": 2, "lstm_size": 5, "num_mixtures": 2}
    MDNRNN(**sizes, reward_head=True, terminated_head=True).save(file)
    return PopulationMaker(str(file), CONTROLLER, HOW)


def population(common):
    draw = np.random.default_rng(1)
    shape = (ROLLOUTS, LATENTS) if common else (DRIVERS, ROLLOUTS, LATENTS)
    parameters = draw.standard_normal((DRIVERS, CONTROLLER.num_parameters))
    return parameters, draw.standard_normal(shape, np.float32), np.random.default_rng(2)


@pytest.mark.parametrize(
    "drivers, rollouts, sizes",
    [
        (64, 16, [32, 32]),
        (64, 12, [64]),
        (64, 1, [64]),
        (3, LANES, [1, 1, 1]),
        (1, 5 * LANES, [1]),
        (7, LANES // 2, [3, 2, 2]),
    ],
)
def test_a_shard_has_enough_lanes_to_be_fast(drivers, rollouts, sizes):
    parts = split(np.zeros((drivers, 2)), np.zeros((rollouts, 3)), np.random.default_rng(0))
    assert [len(parameters) for parameters, *_ in parts] == sizes


@pytest.mark.slow
def test_shards_give_the_same_in_this_process_and_in_others(memory, monkeypatch):
    monkeypatch.setattr(shards, "LANES", 2 * ROLLOUTS)
    with ShardedDream(memory, 2) as dream:
        for common in (True, False):
            heard, here = [], ShardedDream(memory).returns(*population(common))
            returns, lengths = dream.returns(*population(common), heard.append)
            np.testing.assert_array_equal(lengths, here[1])
            np.testing.assert_allclose(returns, here[0], rtol=1e-5, atol=1e-5)
            assert sum(heard) == lengths.sum() and len(heard) == 3
            assert len(np.unique(lengths)) > 2, "dreams of one length show little"


def test_dreams_common_to_all_drivers_are_those_of_one_whole_population(memory, monkeypatch):
    whole = ShardedDream(memory).returns(*population(True))
    monkeypatch.setattr(shards, "LANES", 2 * ROLLOUTS)
    parts = ShardedDream(memory).returns(*population(True))
    np.testing.assert_array_equal(parts[1], whole[1])
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-5, atol=1e-5)


def test_drivers_with_dreams_of_their_own_do_not_share_noise_across_shards(memory, monkeypatch):
    monkeypatch.setattr(shards, "LANES", 2 * ROLLOUTS)
    parameters, first, draw = population(False)
    parameters[:], first[:] = parameters[0], first[0]
    endless = replace(memory, how=HOW | {"termination": "never"})
    returns, _ = ShardedDream(endless).returns(parameters, first, draw)
    assert len(np.unique(returns.round(4))) == DRIVERS * ROLLOUTS


def test_one_shard_starts_no_process(memory, monkeypatch):
    monkeypatch.setattr("WorldModels.control.executors.Executor", None)
    with ShardedDream(memory, 2) as dream:
        assert dream.returns(*population(True))[1].shape == (DRIVERS, ROLLOUTS)
