"""TraDE: its size, draws, gradients and discrepancy; it resumes and dreams."""

import os
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from conftest import compiled
from keras import ops

from WorldModels.assembly.fit import fit_with_checkpoints
from WorldModels.episodes.series import Series
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.memory import density
from WorldModels.memory.autoregressive import AutoregressiveMixture, followed
from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.discrepancy import squared_mmd
from WorldModels.memory.kinds import build_memory

Z, A, K, HIDDEN = 5, 2, 3, 8
PUBLISHED = MemorySettings(kind="trade", reward_head=True, terminated_head=True)
SMALL = replace(
    PUBLISHED,
    trade="paper",
    hidden_size=HIDDEN,
    width=8,
    num_layers=1,
    num_heads=2,
    feed_forward=16,
    window=4,
    num_mixtures=K,
    dtype="float32",
)


def array(x):
    return np.asarray(ops.convert_to_numpy(x))


def memory(**options):
    return build_memory(replace(SMALL, **options), Z, A, seed=0)


@pytest.fixture(scope="module")
def mixture():
    """A mixture with larger weights: without them its dimensions hardly depend on one another."""
    layer = AutoregressiveMixture(Z, HIDDEN, K, seed=0)
    layer.readout.assign(np.random.default_rng(0).normal(0, 0.1, layer.readout.shape))
    return layer


def given(batch, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, HIDDEN), np.float32), rng.standard_normal(
        (batch, Z), np.float32
    )


def test_parameters_are_as_many_as_published():
    model = build_memory(replace(PUBLISHED, mixture="joint"), 32, 3, seed=0)
    assert (
        model.count_params()
        == 512_487
        == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    )


def test_what_it_refuses_is_one_line():
    both = [
        ({"mixture": "joint"}, "expected independent with --memory.trade paper, received joint"),
        ({"mixture": "book"}, "expected independent with --memory.trade paper, received book"),
    ]
    for options, words in both:
        with pytest.raises(ValueError, match=words) as refused:
            memory(**options)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("changed", range(Z))
def test_a_dimension_depends_on_those_before_it_only(mixture, changed):
    hidden, z = given(4)
    before = array(mixture.outputs(hidden, z)).reshape(4, -1, Z)
    z[:, changed] += 3
    moved = np.abs(array(mixture.outputs(hidden, z)).reshape(4, -1, Z) - before).max(axis=(0, 1))
    np.testing.assert_array_equal(moved[: changed + 1], 0)
    assert (moved[changed + 1 :] > 1e-3).all()


@pytest.mark.parametrize("temperature", [1e-9, 0.7, 1.0])
def test_a_draw_one_by_one_is_of_the_density_of_all_at_once(mixture, temperature):
    hidden, normal = given(64)
    component, temperatures = (
        np.random.default_rng(1).random((64, Z), np.float32),
        np.full(64, temperature, np.float32),
    )
    z = array(mixture.draw(hidden, temperatures, component, normal))
    outputs = mixture.outputs(hidden, z)  # each dimension, given those drawn before it
    np.testing.assert_allclose(
        array(density.draw(outputs, temperatures, component, normal, K)), z, atol=1e-4
    )
    if temperature < 1e-6:
        logits, means, _ = np.split(array(outputs).reshape(64, 3 * K, Z), 3, axis=1)
        mode = np.take_along_axis(means, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
        np.testing.assert_allclose(z, mode, atol=1e-3)


def test_the_density_of_all_dimensions_integrates_to_one():
    layer = AutoregressiveMixture(2, HIDDEN, K, seed=0)
    layer.readout.assign(np.random.default_rng(0).normal(0, 0.05, layer.readout.shape))
    line = np.linspace(-12, 12, 160, dtype=np.float32)
    z = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    hidden = np.repeat(0.3 * given(1)[0], len(z), axis=0)
    assert np.exp(array(layer.log_density(hidden, z)).sum(axis=1)).sum() * (
        line[1] - line[0]
    ) ** 2 == pytest.approx(1, abs=1e-3)


class Gradient(keras.Model):
    """The gradient of a function of a variable, read off one step of SGD at rate 1."""

    def __init__(self, function, start):
        super().__init__()
        self.function, self.start = function, np.asarray(start, np.float32)
        self.variable = self.add_weight(shape=self.start.shape, initializer="zeros")
        self.variable.assign(self.start)
        self.compile(keras.optimizers.SGD(1.0))
        self.built = True

    def call(self, x):
        return self.function(self.variable)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.sum(y_pred)

    def value(self):
        self.train_on_batch(np.zeros((1, 1)))
        return self.start - array(self.variable)


def share_below(outputs, z):
    logits, means, log_stds = outputs.reshape(3, K)
    normal = np.array(
        [0.5 * (1 + float(array(ops.erf(x / np.sqrt(2))))) for x in (z - means) / np.exp(log_stds)]
    )
    return float(np.exp(logits) @ normal / np.exp(logits).sum())


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.85])
def test_a_draw_has_the_gradient_of_its_mixtures_quantile(quantile):
    outputs = np.array(
        [0.3, -0.2, 0.1, -1.0, 0.4, 1.5, -0.3, 0.2, -0.5]
    )  # K logits, means, log standard deviations

    def solved(outputs):
        low, high = -20.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if share_below(outputs, middle) < quantile else (low, middle)
        return low

    z = np.array([[solved(outputs)]], np.float32)
    np.testing.assert_array_equal(
        array(followed(ops.convert_to_tensor(outputs[None], "float32"), z, K)), z
    )
    small = 1e-2 * np.eye(3 * K)
    expected = [(solved(outputs + d) - solved(outputs - d)) / 2e-2 for d in small]
    np.testing.assert_allclose(
        Gradient(lambda v: followed(v, z, K), outputs[None]).value()[0], expected, atol=2e-3
    )


def test_the_discrepancy_is_its_sum_over_pairs_and_tells_densities_apart():
    rng = np.random.default_rng(0)
    drawn, seen, counts = (
        rng.normal(size=(7, 3)),
        rng.normal(size=(7, 3)),
        np.array([1, 1, 0, 1, 1, 1, 0.0]),
    )
    pairs = [(i, j) for i in range(7) for j in range(7) if i != j and counts[i] * counts[j]]
    scale = np.mean([np.sum((seen[i] - seen[j]) ** 2) for i, j in pairs])

    def kernel(a, b):
        return np.mean(
            [np.exp(-np.sum((a - b) ** 2) / (2 * width * scale)) for width in (0.25, 0.5, 1, 2, 4)]
        )

    expected = np.mean(
        [
            kernel(drawn[i], drawn[j]) + kernel(seen[i], seen[j]) - 2 * kernel(drawn[i], seen[j])
            for i, j in pairs
        ]
    )
    result = float(squared_mmd(*(x.astype(np.float32) for x in (drawn, seen, counts))))
    assert result == pytest.approx(expected, abs=1e-5)
    a, b = (rng.normal(size=(400, 3)).astype(np.float32) for _ in range(2))
    same, wider = (float(squared_mmd(a * factor, b, np.ones(400, np.float32))) for factor in (1, 2))
    assert abs(same) < 5e-3 < 5e-2 < wider


@pytest.mark.slow
def test_the_discrepancy_alone_teaches_the_mixture_to_draw_what_was_seen():
    rng, rows = np.random.default_rng(0), 128
    layer, hidden = AutoregressiveMixture(2, HIDDEN, K, seed=0), np.ones((rows, HIDDEN), np.float32)
    component, normal = (
        ops.convert_to_tensor(x)
        for x in (rng.random((rows, 2), np.float32), rng.standard_normal((rows, 2), np.float32))
    )
    side = rng.choice([-2.0, 2.0], (rows, 1))
    seen = ops.convert_to_tensor(
        (side * [1, -1] + 0.3 * rng.normal(size=(rows, 2))).astype(np.float32)
    )  # the second follows the first

    class Matching(keras.Model):
        def call(self, x):
            return layer.draw(x, ops.ones((rows,)), component, normal, differentiable=True)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return squared_mmd(y_pred, seen, ops.ones((rows,)))

    model = Matching()
    model.layer = layer
    compiled(model, keras.optimizers.Adam(1e-2))
    losses = [float(model.train_on_batch(hidden)) for _ in range(40)]
    assert losses[-1] < 0.2 * losses[0]
    z = array(model(hidden))
    assert np.corrcoef(z[:, 0], z[:, 1])[0, 1] < -0.5


def some_batches():
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    series = [
        Series(draw(n + 1, Z), draw(n + 1, Z) - 3, np.tanh(draw(n, A)), draw(n), True)
        for n in (12, 9, 20)
    ]
    return SeriesBatches(series, "segments", 4, 6)


def test_only_training_has_the_discrepancy():
    batches = some_batches()
    model, without = memory(), memory(mmd_weight=0.0)
    for a, b in zip(without.trainable_variables, model.trainable_variables, strict=True):
        a.assign(b)
    assert "mmd" in model.term_metrics and "mmd" not in without.term_metrics
    losses = [
        float(array(m.compute_loss(batches[0], y_pred=m(batches[0]), training=False)))
        for m in (model, without)
    ]
    assert losses[0] == losses[1]
    hidden = model(batches[0])
    in_training = float(array(model.compute_loss(batches[0], y_pred=hidden, training=True)))
    mmd = float(array(model.term_metrics["mmd"].result()))
    assert mmd != 0 and in_training == pytest.approx(losses[0] + model.mmd_weight * mmd, rel=1e-5)
    model.compile()
    assert set(model.test_on_batch(batches[0], return_dict=True)) == {"loss", *without.term_metrics}


@pytest.mark.slow
def test_broken_off_and_resumed_it_is_the_same_bit_for_bit(tmp_path):
    model = memory(num_layers=1)
    compiled(model, keras.optimizers.Adam(1e-3))
    variables = [*model.variables, *model.optimizer.variables]
    begun = [array(v) for v in variables]

    def train(folder, budgets):
        for steps in budgets:
            for variable, first in zip(variables, begun, strict=True):
                variable.assign(first)  # as in a new process
            rows = fit_with_checkpoints(
                model,
                some_batches(),
                steps=steps,
                checkpoint=folder / "state.npz",
                csv_file=folder / "m.csv",
                say=lambda line: None,
            )
        return [array(v) for v in model.variables], rows

    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    whole, rows = train(tmp_path / "a", [4])
    parts, _ = train(tmp_path / "b", [2, 4])
    assert "mmd" in rows[-1]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_population_dreams_with_it():
    from WorldModels.memory.imagine import PopulationDream

    model = memory(mmd_weight=0.0)
    act = lambda parameters, features: ops.tanh(features[..., :A] * parameters[:, None, :A])  # noqa: E731
    dream = PopulationDream(model, act, ("z", "h"), termination="never", max_steps=6)
    returns, lengths = dream.returns(
        np.ones((3, A), np.float32), np.zeros((2, Z), np.float32), np.random.default_rng(0)
    )
    assert returns.shape == (3, 2) and np.isfinite(returns).all() and (lengths == 6).all()
    np.testing.assert_allclose(
        returns, returns[:1].repeat(3, axis=0), atol=1e-5
    )  # equal drivers and equal noise


@pytest.mark.slow
def test_its_draws_are_exported(tmp_path):
    from WorldModels.export import files as export

    if export.unavailable():
        pytest.skip(export.unavailable())
    from WorldModels.assembly.models import Imagination
    from WorldModels.export import endpoints, onnx

    model = memory(mmd_weight=0.0)
    model.mixture.readout.assign(
        np.random.default_rng(0).normal(0, 0.5, model.mixture.readout.shape)
    )
    imagination = Imagination(model)
    onnx.export_onnx(
        imagination, tmp_path / "imagination.onnx", endpoints.of_imagination(imagination)
    )  # compares with Keras
    assert (tmp_path / "imagination.onnx").stat().st_size < 1_000_000
