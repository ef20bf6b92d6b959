"""--memory.lstm-dropout: one mask a dream, nothing hidden in the real world."""

import numpy as np
import pytest
from conftest import assert_same

from WorldModels.assembly.models import Imagination, KerasImagination
from WorldModels.control.controller import Controller, ControllerPolicy
from WorldModels.envs.dream import DreamEnv, DreamVectorEnv
from WorldModels.interfaces import DROPPED
from WorldModels.memory.imagine import PopulationDream
from WorldModels.memory.living_lanes import begun_state
from WorldModels.memory.mdn_rnn import MDNRNN
from WorldModels.memory.training import StreamTraining

Z, A, UNITS, SHARE = 4, 1, 40, 0.5


def memory_with(share):
    memory = MDNRNN(
        lstm_size=UNITS,
        latent_size=Z,
        action_size=A,
        lstm_dropout=share,
        reward_head=True,
        terminated_head=True,
    )
    for weight in memory.trainable_variables:
        weight.assign(np.random.default_rng(len(weight.shape)).normal(0, 0.5, weight.shape))
    memory.terminated.bias.assign([-3.0])
    return memory


@pytest.fixture(scope="module")
def memory():
    return memory_with(SHARE)


def stepped(memory, dropped=None):
    """The state of five episodes after two steps."""
    draw, state = np.random.default_rng(0), memory.initial_state(5)
    if dropped is not None:
        state = {**state, DROPPED: dropped}
    for _ in range(2):
        z, action = draw.normal(size=(5, Z)), draw.uniform(-1, 1, (5, A))
        state = memory.step(state, z.astype(np.float32), action.astype(np.float32), None)
    return state


def test_where_nothing_is_dropped_it_is_the_m_that_it_would_be_without(memory):
    plain = memory_with(0.0)
    one, other = stepped(memory), stepped(plain)
    assert_same(memory.end_probability(one), plain.end_probability(other))
    assert DROPPED not in other and np.all(np.asarray(one[DROPPED]) == 0)


def test_the_heads_see_what_is_kept_and_a_driver_sees_all(memory):
    drawn = np.random.default_rng(1).random((5, UNITS), np.float32)
    state, whole = stepped(memory, drawn), stepped(memory)
    assert_same(memory.hidden(state)["h"], memory.hidden(whole)["h"])
    seen = np.asarray(memory.seen_by_heads(state))
    assert_same(seen, np.asarray(whole["h"]) * (drawn >= SHARE) / (1 - SHARE))
    assert 0.3 < (seen == 0).mean() < 0.7
    assert np.array_equal(state[DROPPED], drawn), "the same mask holds for the whole dream"


def batch(rows, steps):
    draw = np.random.default_rng(2)
    rewards = np.zeros((rows, steps), np.float32)
    return {
        "z": draw.normal(size=(rows, steps, Z)).astype(np.float32),
        "actions": draw.uniform(-1, 1, (rows, steps, A)).astype(np.float32),
        "last_rewards": rewards,
        "restarts": rewards,
        "carry": np.ones(rows, np.float32),
        "stepped": np.ones((rows, 1), np.float32),
    }


def test_training_hides_other_outputs_in_each_row_and_a_test_hides_none(memory):
    given = batch(6, 5)
    for model in (memory, StreamTraining(memory, 6)):
        trained = np.asarray(model(given, training=True))
        hidden = trained == 0
        assert 0.3 < hidden.mean() < 0.7
        assert np.array_equal(hidden.all(axis=1), hidden.any(axis=1)), "one mask for all steps"
        assert len(np.unique(hidden[:, 0], axis=0)) == 6
        assert not np.any(np.asarray(model(given, training=False)) == 0)


def test_a_population_that_dreams_with_dropout_is_its_lanes_one_by_one(memory):
    from keras import ops

    shape, steps, lanes = Controller("zh", Z, UNITS, action_size=A), 30, 5
    parameters = np.random.default_rng(3).normal(0, 0.5, shape.num_parameters)
    first = np.random.default_rng(4).normal(size=(lanes, Z)).astype(np.float32)
    population = PopulationDream(
        memory,
        lambda p, f: shape.act(p, f, ops),
        ("z", "h"),
        termination="sampled",
        max_steps=steps,
    )
    returns, lengths = population.returns(parameters[None], first, np.random.default_rng(9))

    draw = np.random.default_rng(9)
    dropped = begun_state(memory, lanes, draw)[DROPPED]
    assert len(np.unique(dropped)) == dropped.size
    noise = population._noise(draw, first.shape, steps)
    one, policy = KerasImagination(Imagination(memory)), ControllerPolicy(shape, parameters)
    for lane in range(lanes):
        state = {name: np.zeros((1, *size), np.float32) for name, size in one.state_spec.items()}
        state |= {"z": first[lane][None], DROPPED: dropped[lane][None]}
        features, total = np.concatenate([first[lane], np.zeros(UNITS, np.float32)]), 0.0
        for t in range(int(lengths[0, lane])):
            drawn = {name: noise[name][t, lane][None] for name in ("component", "normal")}
            drawn["terminated"] = noise["end"][t, lane][None]
            z, h, _, reward, ended, state = one(
                policy.act(features)[None], np.ones(1, np.float32), drawn, state
            )
            features, total = np.concatenate([z[0], h[0]]), total + float(reward[0])
        assert bool(ended[0]) == (lengths[0, lane] < steps)
        assert total == pytest.approx(returns[0, lane], rel=1e-4, abs=1e-4)


def test_each_dream_of_an_environment_has_a_mask_that_its_seed_determines(memory):
    first = np.zeros((1, Z), np.float32), np.full((1, Z), -8.0, np.float32)
    how = {"features": "zh", "termination": "never"}
    imagination = KerasImagination(Imagination(memory))
    many = DreamVectorEnv(imagination, None, first, num_envs=3, **how)
    seen, _ = many.reset(seed=5)
    masks = many._lanes.state[DROPPED]
    assert len(np.unique(masks)) == masks.size
    alone = DreamEnv(imagination, None, first, **how)
    alone.reset(seed=6)
    np.testing.assert_array_equal(alone._lanes.state[DROPPED][0], masks[1])
    for _ in range(3):
        seen = many.step(np.ones((3, A), np.float32))[0]
        assert_same(alone.step(np.ones(A))[0], seen[1])
