"""Perception: one law for the Keras models and for the file that the workers run.

Workers import this module, so it does not import Keras at its top.
"""

import multiprocessing
import sys

import numpy as np
import pytest
from conftest import assert_same

from WorldModels.assembly.opening import open_perception
from WorldModels.assembly.worlds import WorldMaker
from WorldModels.experiment.games.carracing import CarRacingSettings
from WorldModels.export import files as export

BATCH, Z, A = 2, 4, 3


@pytest.fixture(scope="module")
def models():
    """A small V and M whose weights are no longer at their initial values."""
    import keras

    from WorldModels.memory.mdn_rnn import MDNRNN
    from WorldModels.vision.vae import VAE

    vision = VAE(latent_size=Z, encoder_filters=(4, 4, 8, 8), decoder_filters=(8, 8, 4), seed=1)
    memory = MDNRNN(latent_size=Z, action_size=A, lstm_size=8, seed=1)
    generator = np.random.default_rng(1)
    for weight in (*vision.trainable_variables, *memory.trainable_variables):
        weight.assign(keras.ops.convert_to_numpy(weight) + generator.normal(0, 0.05, weight.shape))
    return vision, memory


@pytest.fixture(scope="module")
def run_folder(models, tmp_path_factory):
    """An iteration's folder with the file that a worker opens, and a file of another model."""
    if export.unavailable():
        pytest.skip(export.unavailable())
    from WorldModels.assembly.models import Perception
    from WorldModels.export import endpoints, onnx

    folder, perception = tmp_path_factory.mktemp("run"), Perception(*models)
    encode = next(end for end in endpoints.of_vision(models[0]) if end.name == "encode")
    onnx.export_onnx(models[0], folder / "encode.onnx", encode)
    onnx.export_onnx(perception, folder / "perception.onnx", endpoints.of_perception(perception))
    return folder


@pytest.fixture(scope="module", params=[pytest.param("onnx", marks=pytest.mark.slow), "keras"])
def perception(request, models, tmp_path_factory):
    """What a worker opens: the exported file, or the Keras models if there is none."""
    if request.param == "onnx":
        return open_perception(request.getfixturevalue("run_folder"))
    folder = tmp_path_factory.mktemp("keras")
    for name, model in zip(("vision.keras", "memory.keras"), models, strict=True):
        model.save(folder / name)
    return open_perception(folder)


def inputs(seed):
    generator = np.random.default_rng(seed)
    return (
        generator.integers(0, 256, (BATCH, 64, 64, 3), np.uint8),
        generator.random(BATCH, np.float32),
        generator.uniform(-1, 1, (BATCH, A)).astype(np.float32),
        generator.standard_normal((BATCH, Z), np.float32),
    )


def test_it_says_what_it_takes(perception):
    assert perception.sizes == {"z": Z, "h": 8, "c": 8}
    assert perception.observation_shape == (64, 64, 3) and perception.action_size == A
    assert {name: x.shape for name, x in perception.initial(5).items()} == {
        "h": (5, 8),
        "c": (5, 8),
        "z": (5, Z),
        "started": (5,),
    }


def test_it_is_m_stepped_by_hand_and_then_v(perception, models):
    import keras

    vision, memory = models
    state, by_hand, last_z = perception.initial(BATCH), memory.initial_state(BATCH), None
    for t in range(6):
        observation, reward, action, noise = inputs(t)
        z, h, c, state = perception(observation, reward, action, noise, state)
        if last_z is not None:
            by_hand = memory.step(by_hand, last_z, action, reward)
        mean, log_var = (keras.ops.convert_to_numpy(x) for x in vision.encode(observation))
        hidden = memory.hidden(by_hand)
        last_z = mean + np.exp(log_var / 2) * noise
        for received, expected in (
            (z, last_z),
            (h, hidden["h"]),
            (c, hidden["c"]),
            (state["z"], z),
            (state["started"], np.ones(BATCH)),
        ):
            assert_same(received, keras.ops.convert_to_numpy(expected))
            assert received.dtype == np.float32


def test_zero_noise_gives_the_mean(perception, models):
    observation, reward, action, noise = inputs(0)
    z, *_ = perception(observation, reward, action, 0 * noise, perception.initial(BATCH))
    assert_same(z, models[0].encode(observation)[0])


def test_a_lane_that_has_not_started_remembers_nothing(perception):
    *_, state = perception(*inputs(0), perception.initial(BATCH))
    *_, state = perception(*inputs(1), state)
    state["started"] = np.array([0, 1], np.float32)
    z, h, c, following = perception(*inputs(2), state)
    assert (
        not np.any(h[0])
        and not np.any(c[0])
        and not np.any(following["h"][0])
        and not np.any(following["c"][0])
    )
    assert np.all(h[1] != 0) and np.all(following["started"] == 1)


@pytest.mark.slow
def test_the_file_equals_keras_over_twenty_steps_with_restarts(run_folder, models):
    from WorldModels.assembly.models import KerasPerception, Perception

    session, keras_perception = open_perception(run_folder), KerasPerception(Perception(*models))
    states = [session.initial(BATCH), keras_perception.initial(BATCH)]
    for t in range(20):
        if t in (7, 13):
            states = [session.initial(BATCH), keras_perception.initial(BATCH)]
        results = [
            p(*inputs(t), s) for p, s in zip((session, keras_perception), states, strict=True)
        ]
        states = [result[3] for result in results]
        for received, expected in zip(results[0][:3], results[1][:3], strict=True):
            assert_same(received, expected)


def test_models_that_do_not_fit_are_refused(models):
    from WorldModels.assembly.models import Perception
    from WorldModels.memory.mdn_rnn import MDNRNN

    with pytest.raises(ValueError, match="latent size: V has 4, M has 5"):
        Perception(models[0], MDNRNN(latent_size=5, lstm_size=8))


@pytest.mark.slow
def test_a_damaged_or_foreign_file_is_named(run_folder, tmp_path):
    whole = (run_folder / "perception.onnx").read_bytes()
    (tmp_path / "perception.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="perception.onnx.*damaged"):
        open_perception(tmp_path)
    (tmp_path / "perception.onnx").write_bytes((run_folder / "encode.onnx").read_bytes())
    with pytest.raises(ValueError, match="perception.onnx.*without"):
        open_perception(tmp_path)


def _work(maker, pipe):
    env = maker()
    features, _ = env.reset(seed=1)
    for _ in range(3):
        features, *_ = env.step(np.array([0.1, 0.5, 0], np.float32))
    pipe.send((features, sorted({name.split(".")[0] for name in sys.modules})))


@pytest.mark.slow
def test_a_worker_drives_by_features_without_keras(run_folder):
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    maker = WorldMaker(CarRacingSettings(), str(run_folder), features="zh", latent="sampled")
    worker = context.Process(target=_work, args=(maker, theirs))
    worker.start()
    theirs.close()
    features, modules = pipe.recv()
    worker.join(60)
    assert not {"keras", "tensorflow", "jax", "torch"} & set(modules)
    assert features.shape == (Z + 8,) and features.dtype == np.float32
    here = maker()
    here.reset(seed=1)
    for _ in range(3):
        expected, *_ = here.step(np.array([0.1, 0.5, 0], np.float32))
    np.testing.assert_array_equal(features, expected)
