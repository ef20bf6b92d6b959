"""Laws of every kind of memory: its density, its steps and its training.

A new kind is tested once it is in KINDS.
"""

import os
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from conftest import assert_same
from keras import ops

from WorldModels.episodes.series import Series
from WorldModels.experiment import machine
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.memory import density
from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.kinds import KINDS, build_memory

Z, A, UNITS, K = 4, 2, 8, 3
SMALL = MemorySettings(
    lstm_size=UNITS,
    hidden_size=UNITS,
    width=8,
    num_layers=2,
    num_heads=2,
    feed_forward=16,
    window=4,
    num_mixtures=K,
)
BOTH = {"reward_head": True, "terminated_head": True}
EVERY = [{"kind": kind} for kind in KINDS] + [{"kind": "trade", "trade": "paper"}] * (
    "trade" in KINDS
)
VARIANTS = [
    *EVERY,
    *[{**kind, **BOTH, "action_threshold": 0.3} for kind in EVERY],
    {**BOTH, "restart_input": True},
    *[{"kind": kind, **BOTH, "mixture": "joint"} for kind in KINDS],
]


def memory(dtype="float32", seed=0, latent_size=Z, **options):
    return build_memory(replace(SMALL, **options), latent_size, A, seed, dtype)


def test_auto_follows_the_processor(monkeypatch):
    for fast, expected in ((True, "mixed_bfloat16"), (False, "float32")):
        monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda fast=fast: fast)
        assert build_memory(SMALL, Z, A, 0).dtype_policy.name == expected
        asked = replace(SMALL, dtype="float32")
        assert build_memory(asked, Z, A, 0).dtype_policy.name == "float32"
        assert build_memory(SMALL, Z, A, 0, "float32").dtype_policy.name == "float32"


@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_a_kind_takes_its_own_and_the_shared_settings_by_name(kind):
    names = type(memory(**kind)).argument_names()
    assert {"latent_size", "action_size", "mixture", "reward_head", "seed"} <= set(names)
    assert ("lstm_size" in names) != ("hidden_size" in names)
    assert set(names) <= set(memory(**kind).get_config())


def array(x):
    return np.asarray(ops.convert_to_numpy(x))


def some_series(lengths, seed=0, terminated=True):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    return [
        Series(draw(n + 1, Z), draw(n + 1, Z) - 3, np.tanh(draw(n, A)), draw(n), terminated)
        for n in lengths
    ]


def some_inputs(batch, steps, seed=0):
    rng = np.random.default_rng(seed)
    z, actions = rng.standard_normal((batch, steps, Z)), rng.uniform(-1, 1, (batch, steps, A))
    return z.astype(np.float32), actions.astype(np.float32), np.zeros((batch, steps), np.float32)


def log_normal(z, mean, std):
    return -0.5 * ((z - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


PAPER = MemorySettings()
DOOM = replace(PAPER, lstm_size=512, terminated_head=True)


@pytest.mark.parametrize(
    ("settings", "latent_size", "action_size", "count"),
    [
        (PAPER, 32, 3, 422_368),  # paper, CarRacing
        (replace(DOOM, restart_input=True), 64, 1, 1_678_785),
        (DOOM, 64, 1, 1_676_737),
        (
            replace(PAPER, mixture="joint", **BOTH),
            32,
            3,
            383_047,
        ),  # ctallec/world-models, except its second bias
    ],
)
def test_parameters_are_as_many_as_published(settings, latent_size, action_size, count):
    model = build_memory(settings, latent_size, action_size, seed=0)
    assert (
        model.count_params()
        == count
        == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    )


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_density_equals_its_closed_form(scale):
    rng = np.random.default_rng(1)
    outputs, z = rng.standard_normal((6, 3, K, Z)), scale * rng.standard_normal((6, Z))
    outputs[:, 0] *= scale
    logits, mean, std = outputs[:, 0], outputs[:, 1], np.exp(outputs[:, 2])
    joint = (
        logits
        - logits.max(1, keepdims=True)
        - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
    )
    expected = np.logaddexp.reduce(joint + log_normal(z[:, None], mean, std), axis=1)
    outputs, z = outputs.reshape(6, -1).astype(np.float32), z.astype(np.float32)
    np.testing.assert_allclose(
        array(density.log_density(outputs, z, K)), expected, rtol=1e-5, atol=1e-4
    )


def test_draws_have_the_mean_and_variance_of_the_mixture_at_their_temperature():
    rng, n, temperature = np.random.default_rng(2), 100_000, 0.7
    one = rng.standard_normal((1, 3, K, Z))
    weights, mean, variance = (
        softmax(one[:, 0] / temperature),
        one[:, 1],
        np.exp(2 * one[:, 2]) * temperature,
    )
    outputs = np.repeat(one.reshape(1, -1).astype(np.float32), n, axis=0)
    component, normal = rng.random((n, Z), np.float32), rng.standard_normal((n, Z), np.float32)
    z = array(density.draw(outputs, np.full(n, temperature, np.float32), component, normal, K))
    expected = (weights * mean).sum(1)[0]
    spread = (weights * (variance + mean**2)).sum(1)[0] - expected**2
    np.testing.assert_allclose(z.mean(0), expected, atol=5 * np.sqrt(spread.max() / n))
    np.testing.assert_allclose(z.var(0), spread, rtol=0.05)


def test_a_joint_mixture_equals_its_closed_form_and_draws_from_it():
    rng, n, temperature = np.random.default_rng(4), 100_000, 0.7
    logits, mean, log_std = (
        rng.standard_normal(K),
        rng.standard_normal((K, Z)),
        0.3 * rng.standard_normal((K, Z)),
    )
    outputs = np.concatenate([logits, mean.ravel(), log_std.ravel()])[None].astype(np.float32)
    z, weights = rng.standard_normal((6, Z)), softmax(logits[None])[0]
    expected = np.logaddexp.reduce(
        np.log(weights) + log_normal(z[:, None], mean, np.exp(log_std)).sum(-1), axis=1
    )
    given = density.joint_log_density(outputs.repeat(6, axis=0), z.astype(np.float32), K)
    np.testing.assert_allclose(array(given), expected, rtol=1e-5, atol=1e-4)
    component, normal = rng.random((n, Z), np.float32), rng.standard_normal((n, Z), np.float32)
    drawn = array(
        density.joint_draw(
            outputs.repeat(n, axis=0), np.full(n, temperature, np.float32), component, normal, K
        )
    )
    weights = softmax(logits[None] / temperature)[0][:, None]
    center = (weights * mean).sum(0)
    spread = (weights[..., None] * ((mean - center)[:, :, None] * (mean - center)[:, None])).sum(0)
    spread += np.diag((weights * np.exp(2 * log_std)).sum(0) * temperature)
    np.testing.assert_allclose(drawn.mean(0), center, atol=5 * np.sqrt(spread.max() / n))
    np.testing.assert_allclose(np.cov(drawn.T), spread, atol=0.03)  # with covariances


@pytest.mark.parametrize("temperature", [0.0, 1e-9, 1e-4])
@pytest.mark.parametrize("component", [0.0, 0.5, 0.9999999])
def test_temperature_towards_zero_gives_the_mode(temperature, component):
    rng = np.random.default_rng(3)
    outputs = rng.standard_normal((5, 3, K, Z)).astype(np.float32)
    mean, log_std = (
        np.take_along_axis(outputs[:, i], outputs[:, 0].argmax(1)[:, None], axis=1)[:, 0]
        for i in (1, 2)
    )
    noise = np.full((5, Z), component, np.float32), rng.standard_normal((5, Z), np.float32)
    expected = mean + np.exp(log_std) * np.sqrt(temperature) * noise[1]
    z = array(density.draw(outputs.reshape(5, -1), np.full(5, temperature, np.float32), *noise, K))
    np.testing.assert_allclose(z, expected, atol=1e-5)


@pytest.mark.parametrize("options", VARIANTS)
def test_stepping_equals_the_sequence_whole_or_in_parts(options):
    model, steps = memory(**options), 11
    z, actions, rewards = some_inputs(3, steps)
    hidden, last = model.sequence(z, actions, rewards, model.initial_state(3))
    state = model.initial_state(3)
    np.testing.assert_array_equal(array(model.hidden(state)["h"]), 0)
    for t in range(steps):
        state = model.step(state, z[:, t], actions[:, t], rewards[:, t])
        assert_same(array(model.hidden(state)["h"]), array(hidden)[:, t])
    parts, part = model.initial_state(3), []
    for here in (slice(0, 2), slice(2, 9), slice(9, steps)):
        h, parts = model.sequence(z[:, here], actions[:, here], rewards[:, here], parts)
        part.append(array(h))
    assert_same(np.concatenate(part, axis=1), array(hidden))
    for other in (last, parts):
        assert set(other) == set(state)
        for name in state:
            assert_same(array(other[name]), array(state[name]))


@pytest.mark.parametrize("options", VARIANTS)
def test_a_restart_within_a_sequence_equals_beginning_there(options):
    model, (z, actions, rewards) = memory(**options), some_inputs(2, 9)
    restarts = np.zeros((2, 9), np.float32)
    restarts[:, 5] = 1
    state = model.step(model.initial_state(2), z[:, 0], actions[:, 0], rewards[:, 0])
    hidden, last = model.sequence(z, actions, rewards, state, restarts)
    fresh, fresh_last = model.sequence(
        z[:, 5:], actions[:, 5:], rewards[:, 5:], model.initial_state(2)
    )
    assert_same(array(hidden)[:, 5:], array(fresh))
    for _ in range(3):  # equal states give equal next states
        last, fresh_last = (
            model.step(x, z[:, 0], actions[:, 0], rewards[:, 0]) for x in (last, fresh_last)
        )
        for name, x in model.hidden(last).items():
            assert_same(array(x), array(model.hidden(fresh_last)[name]))
    before, _ = model.sequence(z[:, :5], actions[:, :5], rewards[:, :5], state)
    assert_same(array(hidden)[:, :5], array(before))


@pytest.mark.parametrize("options", VARIANTS)
def test_the_future_cannot_touch_the_past(options):
    model, (z, actions, rewards) = memory(**options), some_inputs(2, 8)
    before = array(model.sequence(z, actions, rewards, model.initial_state(2))[0])
    z[:, 5:], actions[:, 5:] = 9.0, -1.0
    after = array(model.sequence(z, actions, rewards, model.initial_state(2))[0])
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-3


@pytest.mark.parametrize("options", VARIANTS)
def test_a_save_and_load_changes_nothing(options, tmp_path):
    model, (z, actions, rewards) = memory(**options), some_inputs(2, 5)
    model.save(tmp_path / "memory.keras")
    loaded = keras.models.load_model(tmp_path / "memory.keras", compile=False)
    assert loaded.get_config() == model.get_config()
    for a, b in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(array(a), array(b))
    state = model.sequence(z, actions, rewards, model.initial_state(2))[1]
    rng = np.random.default_rng(0)
    noise = {
        "component": rng.random((2, Z), np.float32),
        "normal": rng.standard_normal((2, Z), np.float32),
    }
    noise["terminated"] = rng.random(2, np.float32)
    drawn, again = (m.sample(state, np.ones(2, np.float32), noise) for m in (model, loaded))
    assert set(drawn) == {
        "z",
        *["reward"] * model.reward_head,
        *["terminated"] * model.terminated_head,
    }
    for name in drawn:
        np.testing.assert_array_equal(array(drawn[name]), array(again[name]))


def test_a_thresholded_action_is_the_same_as_left_none_or_right():
    model, (z, actions, rewards) = (
        memory(action_threshold=0.25, restart_input=True),
        some_inputs(3, 6),
    )
    actions[0, 0] = -0.25, 0.25
    named = np.where(actions < -0.25, -1, np.where(actions > 0.25, 1, 0)).astype(np.float32)
    assert set(np.unique(named)) == {-1, 0, 1} and (named[0, 0] == 0).all()
    plain = memory(restart_input=True)
    for a, b in zip(plain.variables, model.variables, strict=True):
        a.assign(b)
    expected = array(plain.sequence(z, named, rewards, plain.initial_state(3))[0])
    np.testing.assert_array_equal(
        array(model.sequence(z, actions, rewards, model.initial_state(3))[0]), expected
    )
    stepped = model.step(model.initial_state(3), z[:, 0], actions[:, 0])
    np.testing.assert_array_equal(
        array(stepped["h"]), array(plain.step(plain.initial_state(3), z[:, 0], named[:, 0])["h"])
    )
    assert (
        np.abs(
            array(plain.sequence(z, actions, rewards, plain.initial_state(3))[0]) - expected
        ).max()
        > 1e-3
    )


def test_terminated_is_drawn_against_the_noise_that_is_given():
    model = memory(terminated_head=True)
    model.terminated.bias.assign([2.0])  # probability 0.88
    state = model.initial_state(2)
    noise = {"component": np.zeros((2, Z), np.float32), "normal": np.zeros((2, Z), np.float32)}
    drawn = model.sample(
        state, np.ones(2, np.float32), {**noise, "terminated": np.array([0.5, 0.9], np.float32)}
    )
    np.testing.assert_array_equal(array(drawn["terminated"]), [1.0, 0.0])


def the_loss(model, batch):
    return float(array(model.compute_loss(batch, y_pred=model(batch))))


@pytest.mark.parametrize("options", VARIANTS)
def test_the_mask_masks(options):
    model = memory(**options)
    batch = SeriesBatches(some_series([9, 4], terminated=False), "episodes", 2)[0]
    alone = {
        name: x[:, :4]
        for name, x in SeriesBatches(some_series([9, 4], terminated=False), "episodes", 2)[
            0
        ].items()
    }
    before = the_loss(model, batch)
    for name in ("z", "next_z", "actions", "rewards", "terminated"):
        batch[name][batch["mask"] == 0] = 1.0
    assert the_loss(model, batch) == pytest.approx(before, rel=1e-6)
    batch["mask"][:, 4:] = 0
    assert the_loss(model, batch) == pytest.approx(the_loss(model, alone), rel=1e-6)


@pytest.mark.parametrize("kind", EVERY)
def test_z_does_not_count_where_the_episode_ends_but_reward_and_end_do(kind):
    model = memory(**kind, **BOTH)
    batch = SeriesBatches(some_series([5]), "episodes", 1)[0]
    np.testing.assert_array_equal(batch["terminated"][0], [0, 0, 0, 0, 1])
    loss = the_loss(model, batch)
    batch["next_z"][0, -1] += 5
    assert the_loss(model, batch) == loss
    batch["rewards"][0, -1] += 5
    assert the_loss(model, batch) > loss


def test_a_positive_terminated_target_weighs_as_set():
    batch = SeriesBatches(some_series([5]), "episodes", 1)[0]
    light, heavy = (memory(terminated_head=True, terminated_weight=w) for w in (1.0, 10.0))
    assert [array(v).sum() for v in light.variables] == [array(v).sum() for v in heavy.variables]
    probability = 1 / (1 + np.exp(-array(light.terminated(light(batch)))[0, :, 0]))
    assert the_loss(heavy, batch) - the_loss(light, batch) == pytest.approx(
        -9 * np.log(probability[-1]) / 5, rel=1e-4
    )
