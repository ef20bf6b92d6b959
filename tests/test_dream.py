"""Dreams: what a step promises, many lanes equal one at a time, and easily missed bugs."""

import os

import numpy as np
import pytest
from conftest import assert_same
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from WorldModels.control.controller import Controller, ControllerPolicy
from WorldModels.control.rollout import rollout
from WorldModels.envs.dream import DreamEnv, DreamVectorEnv
from WorldModels.envs.lanes import Dreaming

Z, A, UNITS = 6, 2, 12


@pytest.fixture(scope="module")
def memory():
    from WorldModels.memory.mdn_rnn import MDNRNN

    memory = MDNRNN(
        latent_size=Z,
        action_size=A,
        lstm_size=UNITS,
        reward_head=True,
        terminated_head=True,
        restart_input=True,
    )
    for (
        weight
    ) in memory.trainable_variables:  # untrained heads hardly vary: give them larger weights
        weight.assign(np.random.default_rng(len(weight.shape)).normal(0, 0.5, weight.shape))
    memory.terminated.bias.assign([-4.0])
    return memory


@pytest.fixture(scope="module", params=["onnx", "keras"])
def imagination(request, memory, tmp_path_factory):
    from WorldModels.assembly.models import Imagination, KerasImagination

    if request.param == "keras":
        return KerasImagination(Imagination(memory))
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        pytest.skip("ONNX is written under TensorFlow")
    from WorldModels.envs.sessions import ImaginationSession
    from WorldModels.export import endpoints, onnx

    path = tmp_path_factory.mktemp("dream") / "imagination.onnx"
    model = Imagination(memory)
    onnx.export_onnx(model, path, endpoints.of_imagination(model))
    return ImaginationSession(path)


@pytest.fixture
def first():
    draw = np.random.default_rng(5)
    return draw.normal(size=(3, Z)).astype(np.float32), np.full((3, Z), -8.0, np.float32)


def decode(z):
    return np.full((len(z), 8, 8, 3), 0.5, np.float32)


def dream(imagination, first, **how):
    return DreamEnv(
        imagination,
        decode,
        first,
        **{"features": "zch", "max_steps": 30, "termination": "never", "reward": "constant", **how},
    )


def actions(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, A)).astype(np.float32)


def played(env, seed, steps):
    seen = [env.reset(seed=seed)[0]]
    results = [env.step(action) for action in actions(steps)]
    return (
        np.stack(seen + [r[0] for r in results]),
        [r[1] for r in results],
        [r[2] for r in results],
    )


def test_it_is_an_environment_and_its_picture_is_decoded(imagination, first):
    env = dream(imagination, first, render_mode="rgb_array")
    check_env(env, skip_render_check=True)
    env.reset(seed=1)
    assert (
        env.render().shape == (8, 8, 3)
        and env.render().dtype == np.uint8
        and env.render().max() == 128
    )


def test_the_features_are_z_c_h_in_this_order_and_begin_with_an_empty_memory(imagination, first):
    env = dream(imagination, first)
    features, _ = env.reset(seed=3)
    assert features.shape == (Z + 2 * UNITS,)
    np.testing.assert_array_equal(features[Z:], 0)
    assert (
        np.abs(first[0] - features[:Z]).sum(1).min() < 1.0
    )  # near one of the first latents, by its posterior's width
    features = env.step(np.zeros(A))[0]
    c, h = features[Z : Z + UNITS], features[Z + UNITS :]
    assert np.abs(h).max() < 1 and not np.allclose(c, h)
    np.testing.assert_allclose(
        dream(imagination, first, features="zh").reset(seed=3)[0][:Z], env.reset(seed=3)[0][:Z]
    )


def test_a_step_remembers_the_latent_that_was_seen_and_the_action_taken(imagination, memory, first):
    env = dream(imagination, first, features="zh")
    z = env.reset(seed=2)[0][:Z]
    state = memory.initial_state(1)
    for action in actions(4):
        features = env.step(action)[0]
        state = memory.step(state, z[None], action[None], None)
        assert_same(features[Z:], np.asarray(state["h"])[0])
        z = features[:Z]


def test_equal_seeds_give_equal_dreams_and_others_differ(imagination, first):
    one, other = played(dream(imagination, first), 7, 10), played(dream(imagination, first), 7, 10)
    np.testing.assert_array_equal(one[0], other[0])
    assert not np.allclose(played(dream(imagination, first), 8, 10)[0], one[0])


def test_survival_is_counted_in_steps_the_last_one_too(imagination, first):
    result = rollout(dream(imagination, first, max_steps=12), Still(), 0, 10_000)
    assert result.return_ == result.length == 12 and result.truncated and not result.terminated
    ended = rollout(dream(imagination, first, termination="threshold", threshold=0.0), Still(), 0)
    assert ended.return_ == ended.length == 1 and ended.terminated and not ended.truncated


def test_the_reward_is_that_of_the_head(imagination, memory, first):
    env = dream(imagination, first, features="zh", reward="head")
    env.reset(seed=0)
    features, reward, *_ = env.step(np.zeros(A))
    assert reward == pytest.approx(
        float(np.asarray(memory.reward(features[None, Z:]))[0, 0]), abs=1e-5
    )


def test_a_sampled_end_comes_with_its_probability_and_a_threshold_does_not_draw(imagination, first):
    lengths = [
        rollout(
            dream(imagination, first, termination="sampled", max_steps=60), Still(), seed
        ).length
        for seed in range(60)
    ]
    assert len(set(lengths)) > 5
    env = dream(imagination, first, termination="threshold", threshold=0.999999)
    assert not any(played(env, 0, 20)[2])


def test_temperature_stretches_the_dream_by_its_square_root_and_towards_zero_it_is_the_mode(
    imagination, memory, first
):
    def spread(temperature):
        env = DreamVectorEnv(
            imagination,
            decode,
            first,
            num_envs=400,
            features="z",
            termination="never",
            temperature=temperature,
        )
        env.reset(seed=[0] * 400)
        for lane, noise in enumerate(env._lanes.noise):
            noise.generator, noise.left = np.random.default_rng(lane), 0
        return env.step(np.zeros((400, A), np.float32))[0]

    assert spread(1e-9).std(axis=0).max() < 1e-3
    one, four = spread(1.0), spread(4.0)
    from WorldModels.memory import density

    state = memory.step(
        memory.initial_state(1),
        dream(imagination, first).reset(seed=0)[0][None, :Z],
        np.zeros((1, A), np.float32),
        None,
    )
    logits, means, log_stds = (
        np.array(part)[:, 0]
        for part in density.components(np.asarray(memory.mixture(state["h"])), 5)
    )
    for temperature, drawn in ((1.0, one), (4.0, four)):
        weights = np.exp(logits / temperature) / np.exp(logits / temperature).sum(0)
        mean = (weights * means).sum(0)
        variance = (weights * (means**2 + temperature * np.exp(2 * log_stds))).sum(0) - mean**2
        np.testing.assert_allclose(drawn.mean(0), mean, atol=5 * np.sqrt(variance / 400).max())
        np.testing.assert_allclose(drawn.var(0), variance, rtol=0.5)


def test_each_dimension_draws_a_component_of_its_own(imagination, first):
    env = DreamVectorEnv(imagination, decode, first, num_envs=2, features="z", termination="never")
    env.reset(seed=1)
    component = np.stack([noise.step()[0] for noise in env._lanes.noise])
    assert len(np.unique(component)) == component.size


@pytest.mark.parametrize("termination", ["threshold", "sampled", "never"])
def test_a_lane_of_many_is_a_dream_of_its_own(imagination, first, termination):
    how = dict(features="zh", reward="head", termination=termination, threshold=0.05, max_steps=25)
    many = DreamVectorEnv(imagination, decode, first, num_envs=3, **how)
    assert many.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    seen, _ = many.reset(seed=11)
    alone = [dream(imagination, first, **how) for _ in range(3)]
    for lane, env in enumerate(alone):
        np.testing.assert_array_equal(env.reset(seed=11 + lane)[0], seen[lane])
    ended = np.zeros(3, bool)
    for action in actions(25):
        seen, rewards, terminated, truncated, _ = many.step(np.stack([action] * 3))
        for lane in range(3):
            if ended[lane]:
                assert rewards[lane] == 0 and (terminated[lane] or truncated[lane])
                continue
            features, reward, *ends, _ = alone[lane].step(action)
            np.testing.assert_allclose(seen[lane], features, atol=2e-5)
            assert rewards[lane] == pytest.approx(reward, abs=1e-4) and ends == [
                terminated[lane],
                truncated[lane],
            ]
        ended = terminated | truncated
    assert ended.all()
    mask = np.array([False, True, False])
    before = seen.copy()
    seen, _ = many.reset(seed=50, options={"reset_mask": mask})
    np.testing.assert_array_equal(seen[1], dream(imagination, first, **how).reset(seed=51)[0])
    np.testing.assert_array_equal(seen[[0, 2]], before[[0, 2]])
    assert list(many.step(np.zeros((3, A), np.float32))[1] != 0) == [False, True, False]


@pytest.mark.parametrize(
    "how, words",
    [
        (dict(temperature=0.0), "temperature"),
        (dict(temperature=-1.0), "temperature"),
        (dict(features="q"), "features"),
        (dict(termination="maybe"), "termination"),
        (dict(max_steps=0), "max_steps"),
    ],
)
def test_a_dream_that_cannot_be_is_refused(imagination, first, how, words):
    with pytest.raises(ValueError, match=words):
        dream(imagination, first, **how)


def test_a_memory_without_the_heads_is_refused_with_the_remedy():
    for how, head in (
        (Dreaming(reward="head", termination="never"), "reward"),
        (Dreaming(reward="constant"), "terminated"),
    ):
        with pytest.raises(ValueError, match=f"--memory.{head}-head"):
            how.check({"z": 2, "h": 3}, ())


class Still:
    def reset(self, seed):
        pass

    def act(self, observation):
        return np.zeros(A, np.float32)


@pytest.mark.parametrize("common", [True, False])
def test_a_population_in_one_loop_is_its_lanes_one_by_one(memory, common):
    from keras import ops

    from WorldModels.assembly.models import Imagination, KerasImagination
    from WorldModels.memory.imagine import PopulationDream

    controller, drivers, rollouts, steps = Controller("zch", Z, UNITS, action_size=A), 3, 4, 50
    draw = np.random.default_rng(1)
    parameters = draw.normal(0, 0.5, (drivers, controller.num_parameters))
    first = draw.normal(size=(rollouts, Z) if common else (drivers, rollouts, Z)).astype(np.float32)
    population = PopulationDream(
        memory,
        lambda p, f: controller.act(p, f, ops),
        ("z", "c", "h"),
        termination="sampled",
        max_steps=steps,
        temperature=1.3,
    )
    heard = []
    returns, lengths = population.returns(parameters, first, np.random.default_rng(9), heard.append)
    assert lengths.min() < steps and lengths.max() > 3 and sum(heard) == lengths.sum()

    streams = first.reshape(-1, Z)
    noise = population._noise(np.random.default_rng(9), streams.shape, steps)
    one = KerasImagination(Imagination(memory))
    for driver, rollout_ in np.ndindex(drivers, rollouts):
        stream = rollout_ if common else driver * rollouts + rollout_
        policy, total, length = ControllerPolicy(controller, parameters[driver]), 0.0, 0
        state = {name: np.zeros((1, *shape), np.float32) for name, shape in one.state_spec.items()}
        state["z"] = streams[stream][None]
        features = np.concatenate([streams[stream], np.zeros(2 * UNITS, np.float32)])
        for t in range(steps):
            drawn = {
                "component": noise["component"][t, stream][None],
                "normal": noise["normal"][t, stream][None],
                "terminated": noise["end"][t, stream][None],
            }
            z, h, c, reward, terminated, state = one(
                policy.act(features)[None], np.array([1.3], np.float32), drawn, state
            )
            features, total, length = (
                np.concatenate([z[0], c[0], h[0]]),
                total + float(reward[0]),
                length + 1,
            )
            if terminated[0]:
                break
        assert length == lengths[driver, rollout_]
        assert total == pytest.approx(returns[driver, rollout_], rel=1e-4, abs=1e-4)


def test_lanes_that_end_early_do_not_change_the_others(memory):
    from keras import ops

    from WorldModels.memory.imagine import PopulationDream

    controller = Controller("zh", Z, UNITS, action_size=A)
    parameters = np.random.default_rng(1).normal(0, 0.5, (20, controller.num_parameters))
    first = np.random.default_rng(2).normal(size=(4, Z)).astype(np.float32)
    how = dict(termination="sampled", max_steps=150)
    dream_of_all = PopulationDream(
        memory, lambda p, f: controller.act(p, f, ops), ("z", "h"), **how
    )
    returns, lengths = dream_of_all.returns(parameters, first, np.random.default_rng(3))
    some = PopulationDream(memory, lambda p, f: controller.act(p, f, ops), ("z", "h"), **how)
    few, short = some.returns(parameters[5:8], first, np.random.default_rng(3))
    assert len(np.unique(lengths)) > 5
    np.testing.assert_array_equal(short, lengths[5:8])
    np.testing.assert_allclose(few, returns[5:8], rtol=1e-3, atol=1e-3)


def test_the_ids_are_registered_without_importing_keras():
    import subprocess
    import sys

    code = (
        "import sys, gymnasium, WorldModels; "
        "ours = [i for i in gymnasium.registry if 'WorldModels/' in i]; "
        "print('keras' in sys.modules, *ours)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert printed[0] == "False"
    assert set(printed[1:]) == {
        f"WorldModels/{kind}{game}-v0"
        for kind in ("Dream", "Latent")
        for game in ("CarRacing", "TakeCover", "")
    }
