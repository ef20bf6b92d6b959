"""The transformer's size, window and dropout; it dreams and can be exported."""

import os
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from conftest import assert_same
from keras import ops

from WorldModels.experiment.presets import preset
from WorldModels.export import files as export
from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.kinds import build_memory
from WorldModels.memory.training import StreamTraining
from WorldModels.memory.transformer import Sinusoids, TransformerMemory

Z, A, WINDOW, LAYERS = 4, 2, 3, 2
SIZES = dict(
    latent_size=Z,
    action_size=A,
    hidden_size=8,
    width=8,
    num_layers=LAYERS,
    num_heads=2,
    feed_forward=16,
    window=WINDOW,
)


def array(x):
    return np.asarray(ops.convert_to_numpy(x))


def memory(**options):
    return TransformerMemory(**{**SIZES, "reward_head": True, "terminated_head": True, **options})


def some_batch(rows, steps, **more):
    draw = np.random.default_rng(0)
    z, action = (draw.standard_normal((rows, steps, size)).astype(np.float32) for size in (Z, A))
    return {
        "z": z,
        "actions": np.tanh(action),
        "rewards": np.zeros((rows, steps), np.float32),
        "last_rewards": np.zeros((rows, steps), np.float32),
        **more,
    }


def test_it_has_as_many_parameters_as_published_and_is_trained_as_published():
    settings = preset("carracing", "paper", {"memory": "transformer"}).memory
    model = build_memory(replace(settings, kind="transformer"), 32, 3, seed=0)
    assert (
        model.count_params()
        == 506_151
        == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    )
    assert (settings.batch_size, settings.sequence_length, settings.epochs, settings.steps) == (
        16,
        32,
        40,
        0,
    )
    assert (settings.learning_rate, settings.schedule, settings.beta_2, settings.batching) == (
        1e-4,
        "constant",
        0.98,
        "segments",
    )
    assert (
        settings.reward_head
        and settings.terminated_head
        and settings.mixture == "joint"
        and settings.dropout == 0.1
    )


def test_a_token_is_seen_for_as_long_as_the_layers_reach_and_no_longer():
    model, steps = memory(), 12
    batch = some_batch(1, steps)
    before = array(model(batch))
    batch["z"][0, 2] += 1.0
    changed = np.abs(array(model(batch)) - before).max(axis=(0, 2)) > 0
    reach = LAYERS * (WINDOW - 1)
    np.testing.assert_array_equal(changed, [2 <= t <= 2 + reach for t in range(steps)])


def test_a_whole_batch_and_a_sequence_from_zeros_are_the_same():
    model = memory()
    for steps in (2, WINDOW, 8):
        batch = some_batch(2, steps)
        hidden, _ = model.sequence(
            batch["z"], batch["actions"], batch["rewards"], model.initial_state(2)
        )
        np.testing.assert_allclose(array(model(batch)), array(hidden), atol=1e-5)


def test_the_first_positions_are_the_published_ones_and_then_they_come_again():
    places, circle = Sinusoids(8, 6, 0.0, seed=0), 6
    steps = np.arange(1, 15, dtype=np.float32)[None]
    given = array(places(np.zeros((1, 14, 8), np.float32), steps, {})[0])[0]
    for t in range(circle):
        for i in range(4):
            angle = t / 10_000 ** (2 * i / 8)
            np.testing.assert_allclose(
                given[t, 2 * i : 2 * i + 2], [np.sin(angle), np.cos(angle)], atol=1e-6
            )
    np.testing.assert_array_equal(given[circle:], given[: 14 - circle])


def test_only_training_drops_out_and_begins_anywhere_also_within_streams():
    batch = some_batch(2, 5)
    for options, random in (
        ({}, True),
        ({"dropout": 0.0}, True),
        ({"dropout": 0.0, "window": 1}, True),
    ):
        model = memory(**options)
        np.testing.assert_array_equal(array(model(batch)), array(model(batch)))
        draws = [array(model(batch, training=True)) for _ in range(6)]
        assert any(np.abs(draw - draws[0]).max() > 1e-3 for draw in draws) is random
    streams = {**batch, "restarts": np.zeros((2, 5), np.float32), "carry": np.zeros(2, np.float32)}
    for dropout in (0.0, 0.5):
        training = StreamTraining(memory(dropout=dropout), 2)
        np.testing.assert_array_equal(array(training(streams)), array(training(streams)))
        one, other = (array(training(streams, training=True)) for _ in range(2))
        assert (np.abs(one - other).max() > 1e-3) is np.bool_(dropout > 0)


def test_what_it_draws_in_training_is_kept_with_its_weights():
    batch, model = some_batch(2, 5), memory()
    model(batch, training=True)
    other = memory(seed=1)
    for variable, source in zip(other.variables, model.variables, strict=True):
        variable.assign(source)
    np.testing.assert_array_equal(
        array(model(batch, training=True)), array(other(batch, training=True))
    )


@pytest.mark.parametrize(
    "options, words",
    [({"width": 9}, "multiple"), ({"num_heads": 3}, "multiple"), ({"window": 0}, "window")],
)
def test_sizes_that_cannot_be_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        memory(**options)


def test_a_population_dreams_as_its_lanes_one_by_one():
    from WorldModels.assembly.models import Imagination, KerasImagination
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.memory.imagine import PopulationDream

    model, controller, drivers, rollouts, steps = (
        memory(),
        Controller("zh", Z, SIZES["hidden_size"], action_size=A),
        2,
        2,
        9,
    )
    draw = np.random.default_rng(1)
    parameters = draw.normal(0, 0.5, (drivers, controller.num_parameters))
    first = draw.normal(size=(rollouts, Z)).astype(np.float32)
    population = PopulationDream(
        model,
        lambda p, f: controller.act(p, f, ops),
        ("z", "h"),
        termination="never",
        max_steps=steps,
    )
    returns, _ = population.returns(parameters, first, np.random.default_rng(9))
    noise = population._noise(np.random.default_rng(9), first.shape, steps)
    one = KerasImagination(Imagination(model))
    for driver, rollout in np.ndindex(drivers, rollouts):
        policy, total, z, h = (
            ControllerPolicy(controller, parameters[driver]),
            0.0,
            first[rollout],
            np.zeros(SIZES["hidden_size"]),
        )
        state = {
            name: np.zeros((1, *shape), np.float32) for name, shape in one.state_spec.items()
        } | {"z": z[None]}
        for t in range(steps):
            drawn = {
                "component": noise["component"][t, rollout][None],
                "normal": noise["normal"][t, rollout][None],
                "terminated": np.ones(1, np.float32),
            }
            action = policy.act(np.concatenate([z, h]))[None]
            (z, *_), (h, *_), _, reward, _, state = one(
                action, np.ones(1, np.float32), drawn, state
            )
            total += float(reward[0])
        assert total == pytest.approx(returns[driver, rollout], rel=1e-4, abs=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(bool(export.unavailable()), reason=export.unavailable())
def test_its_files_agree_with_keras_at_any_batch_and_time(tmp_path):
    import onnxruntime
    import tensorflow as tf

    from WorldModels.assembly.models import Imagination
    from WorldModels.export import endpoints, onnx, savedmodel

    model = memory(mixture="joint", num_layers=1)
    ends = endpoints.of_memory(model)
    savedmodel.export_savedmodel(model, tmp_path / "memory", ends)
    loaded = tf.saved_model.load(str(tmp_path / "memory"))
    imagination = Imagination(model)
    for end in [*ends, endpoints.of_imagination(imagination)]:
        path = tmp_path / f"{end.name}.onnx"
        onnx.export_onnx(model, path, end)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [x.name for x in session.get_outputs()]
        for batch, time in ((1, 1), (4, WINDOW), (2, 8)):
            inputs = end.example(batch, time)
            inputs["state_steps"] = np.arange(batch, dtype=np.float32) * 2
            arguments = end.arguments_of(
                {name: ops.convert_to_tensor(x) for name, x in inputs.items()}
            )
            expected = end.function(*arguments)
            used = {x.name for x in session.get_inputs()}
            received = dict(
                zip(
                    names,
                    session.run(names, {name: x for name, x in inputs.items() if name in used}),
                    strict=True,
                )
            )
            ways = (
                [received]
                if end.name == "imagination"
                else [received, getattr(loaded, end.name)(*arguments)]
            )
            for way in ways:
                for name in expected:
                    assert_same(way[name], array(expected[name]), f"{end.name} {name}")


@pytest.mark.slow
def test_a_killed_training_goes_on_where_it_drew_last(tmp_path):
    from WorldModels.assembly.fit import fit_with_checkpoints
    from WorldModels.episodes.series import Series

    draw = np.random.default_rng(0)
    series = [
        Series(
            draw.standard_normal((9, Z), np.float32),
            np.full((9, Z), -3, np.float32),
            draw.standard_normal((8, A), np.float32),
            np.zeros(8, np.float32),
            True,
        )
        for _ in range(4)
    ]

    def trained(name, *budgets):
        for budget in budgets:
            model = memory(num_layers=1)
            model.compile(keras.optimizers.Adam(1e-2))
            fit_with_checkpoints(
                model,
                SeriesBatches(series, "segments", 2, 5, seed=3),
                steps=budget,
                say=lambda _: None,
                checkpoint=tmp_path / name / "state.npz",
                csv_file=tmp_path / f"{name}.csv",
            )
        return [array(v) for v in model.variables]

    for a, b in zip(trained("whole", 6), trained("in parts", 3, 6), strict=True):
        np.testing.assert_array_equal(a, b)
