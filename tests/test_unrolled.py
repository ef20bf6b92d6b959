"""A short LSTM without a loop gives what Keras's layer gives, and the same gradients."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import JAX_QUICKLY, ROOT

from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.memory import unrolled
from WorldModels.memory.kinds import build_memory

B, T, Z, A, UNITS = 3, 6, 4, 2, 8


def both(dtype="float32", steps=T, compiled=False):
    """Hidden, c and the gradients of M's weights and of the state before: without a loop, in one.

    The loss uses every step's hidden and the last c.
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    model = build_memory(MemorySettings(lstm_size=UNITS), Z, A, 0, dtype)
    z, actions = (rng.standard_normal((B, steps, n), np.float32) for n in (Z, A))
    weigh = rng.standard_normal((B, steps, UNITS), np.float32)
    h, c = (tf.constant(rng.standard_normal((B, UNITS), np.float32)) for _ in range(2))
    weights = [v.value for v in model.lstm.trainable_variables]

    def run():
        with tf.GradientTape() as tape:
            tape.watch((h, c))
            hidden, after = model.sequence(z, actions, z[..., 0], {"h": h, "c": c})
            loss = tf.reduce_sum(hidden * weigh) + tf.reduce_sum(after["c"] * weigh[:, 0])
        return hidden, after["c"], *tape.gradient(loss, [*weights, h, c])

    found = []
    for longest in (unrolled.LONGEST, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unrolled, "LONGEST", longest)
            found.append([np.array(x) for x in (tf.function(run) if compiled else run)()])
    return found


@pytest.mark.parametrize("compiled", [False, True])
def test_it_equals_the_layer_and_so_do_its_gradients(compiled):
    for own, layers in zip(*both(compiled=compiled), strict=True):
        assert np.abs(layers).max() > 0.01
        np.testing.assert_allclose(own, layers, rtol=1e-4, atol=1e-6)


def test_in_bfloat16_it_is_as_near_to_float32_as_the_layer():
    exact = both()[1]
    for own, layers, right in zip(*both("mixed_bfloat16"), exact, strict=True):
        own, layers = (np.sqrt(((x - right) ** 2).mean()) for x in (own, layers))
        assert 0 < own <= 1.5 * layers


def test_a_longer_sequence_is_left_to_the_layer(monkeypatch):
    def refused(*arguments):
        raise AssertionError("without a loop")

    monkeypatch.setattr(unrolled, "unrolled_lstm", refused)
    model = build_memory(MemorySettings(lstm_size=UNITS), Z, A, 0, "float32")
    for steps in (unrolled.LONGEST, unrolled.LONGEST + 1):
        z = np.zeros((1, steps, Z), np.float32)
        run = (z, z[..., :A], z[..., 0], model.initial_state(1))
        if steps == unrolled.LONGEST:
            with pytest.raises(AssertionError, match="without a loop"):
                model.sequence(*run)
        else:
            assert model.sequence(*run)[0].shape == (1, steps, UNITS)


def test_on_a_gpu_it_is_left_to_cudnn(monkeypatch):
    assert unrolled.is_faster(unrolled.LONGEST) and not unrolled.is_faster(None)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    assert not unrolled.is_faster(unrolled.LONGEST)


@pytest.mark.slow
def test_its_gradients_are_the_layers_under_jax():
    pytest.importorskip("jax")
    code = f"""
import jax, keras, numpy as np
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.memory import unrolled
from WorldModels.memory.kinds import build_memory
model = build_memory(MemorySettings(lstm_size={UNITS}), {Z}, {A}, 0, "float32")
z = np.random.default_rng(0).standard_normal(({B}, {T}, {Z}), np.float32)
values = [v.value for v in model.trainable_variables], []
def loss(weights):
    mapping = list(zip(model.trainable_variables, weights))
    with keras.StatelessScope(state_mapping=mapping):
        hidden, after = model.sequence(z, z[..., :{A}], z[..., 0], model.initial_state({B}))
    return (hidden**2).sum() + after["c"].sum()
found = []
for unrolled.LONGEST in (32, 0):
    found.append(jax.grad(loss)(values[0]))
for own, layers in zip(*found):
    np.testing.assert_allclose(own, layers, rtol=1e-4, atol=1e-5)
assert max(float(abs(x).max()) for x in found[0]) > 0.01
"""
    env = {**os.environ, **JAX_QUICKLY}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
