"""Laws of V: published sizes, one decoder in two forms, and training that follows the seed."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import compiled
from keras import ops

from WorldModels.experiment import machine
from WorldModels.experiment.machine import cpu_has_bfloat16
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.vision.batches import FrameBatches
from WorldModels.vision.kinds import build_vision, published_form
from WorldModels.vision.training import learning_rate
from WorldModels.vision.transposed import TransposedConvolution
from WorldModels.vision.vae import VAE

ROOT = Path(__file__).parent.parent
SMALL = {"latent_size": 4, "encoder_filters": (4, 4, 8, 8), "decoder_filters": (8, 8, 4)}


def frames(count=8, size=64, seed=0):
    """Smooth pictures, so that a few steps of training have a visible effect."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(size // 4, axis=1).repeat(size // 4, axis=2)


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


@pytest.mark.parametrize(
    ("size", "latent_size", "expected"),
    [(64, 32, 4_348_547), (64, 64, 4_446_915), (96, 32, 6_264_067)],
)
def test_published_parameter_counts(size, latent_size, expected):
    vision = VAE((size, size, 3), latent_size)
    assert (
        sum(int(np.prod(v.shape)) for v in vision.trainable_variables)
        == expected
        == vision.count_params()
    )


@pytest.mark.parametrize(
    ("size", "down", "up"),
    [(64, [31, 14, 6, 2], [5, 13, 30, 64]), (96, [47, 22, 10, 4, 2], [4, 10, 22, 47, 96])],
)
def test_published_layer_sizes(size, down, up):
    vision = VAE((size, size, 3), **SMALL)
    for layers, sizes, x in (
        (vision.encoder.convolutions, down, np.zeros((1, size, size, 3), "float32")),
        (vision.decoder.convolutions, up, np.zeros((1, 1, 1, vision.encoder.flat_size), "float32")),
    ):
        for layer, expected in zip(layers, sizes, strict=True):
            x = layer(x)
            assert x.shape[1] == x.shape[2] == expected


def test_the_published_decoder_begins_linear():
    assert VAE().decoder.dense.activation is keras.activations.linear


@pytest.mark.parametrize("size", [64, 96])
def test_the_decoder_has_two_forms_of_the_same_weights(size):
    plain = VAE((size, size, 3), seed=1)
    form = VAE((size, size, 3), decoder_form="depth_to_space", seed=2)
    assert [v.shape for v in plain.weights] == [v.shape for v in form.weights]
    form.set_weights(plain.get_weights())
    z = 10 * np.random.default_rng(0).standard_normal((5, 32), "float32")
    expected = array(plain.decode(z))
    assert expected.std() > 1e-3
    np.testing.assert_allclose(array(form.decode(z)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "kernel", "filters"),
    [(1, 5, 8), (1, 4, 16), (5, 6, 3), (7, 4, 2), (6, 5, 3), (5, 6, 16)],
)
def test_a_transposed_convolution_has_two_forms(size, kernel, filters):
    x = np.random.default_rng(0).standard_normal((2, size, size, 6), "float32")
    plain, form = (
        TransposedConvolution(filters, kernel, form, bias_initializer="ones")
        for form in ("transpose", "depth_to_space")
    )
    expected = array(plain(x))
    form.build(x.shape)
    form.set_weights(plain.get_weights())
    assert expected.shape[1] == 2 * (size - 1) + kernel
    np.testing.assert_allclose(array(form(x)), expected, atol=1e-5)


def test_bytes_and_unit_floats_are_the_same_picture():
    vision, pictures = VAE(**SMALL), frames()
    np.testing.assert_allclose(
        array(vision.encode(pictures)[0]),
        array(vision.encode(pictures.astype("float32") / 255)[0]),
        atol=1e-6,
    )


def test_mixed_precision_keeps_what_matters_in_float32():
    vision = VAE(**SMALL, dtype="mixed_bfloat16", decoder_form="depth_to_space")
    mean, log_var = vision.encode(frames())
    made = vision.decode(mean)
    assert {keras.backend.standardize_dtype(x.dtype) for x in (mean, log_var, made)} == {"float32"}
    assert {v.dtype for v in vision.trainable_variables} == {"float32"}
    plain = published_form(vision)
    assert plain.dtype_policy.name == "float32" and plain.decoder_form == "transpose"
    np.testing.assert_allclose(array(plain.encode(frames())[0]), array(mean), atol=0.05)
    np.testing.assert_array_equal(plain.get_weights()[0], vision.get_weights()[0])


def test_saving_and_loading_change_nothing(tmp_path):
    vision = VAE(**SMALL, kl_tolerance=0.25, seed=3)
    vision.save(tmp_path / "vision.keras")
    loaded = keras.saving.load_model(tmp_path / "vision.keras")
    assert loaded.get_config() == vision.get_config()
    assert VAE.from_config(vision.get_config()).get_config() == vision.get_config()
    for a, b in zip(loaded.encode(frames()), vision.encode(frames()), strict=True):
        np.testing.assert_array_equal(array(a), array(b))


class Sampler:
    """Three batches an epoch, all different."""

    num_batches = 3

    def batches(self, epoch, start=0):
        for i in range(start, self.num_batches):
            yield frames(8, seed=100 * epoch + i)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_equal_seeds_give_equal_weights(dtype):
    def trained(seed):
        vision = VAE(**SMALL, seed=seed, dtype=dtype, decoder_form="depth_to_space")
        compiled(vision, keras.optimizers.Adam(1e-3))
        history = vision.fit(FrameBatches(Sampler()), epochs=3, shuffle=False, verbose=0).history
        assert (
            set(history) == {"loss", "reconstruction", "kl"}
            and history["loss"][-1] < history["loss"][0]
        )
        return vision.get_weights()

    first, second, other = trained(0), trained(0), trained(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_batches_come_in_order_epoch_by_epoch():
    batches, sampler = FrameBatches(Sampler()), Sampler()
    assert len(batches) == 3
    np.testing.assert_array_equal(batches[0], next(sampler.batches(0)))
    np.testing.assert_array_equal(batches[1], frames(8, seed=1))
    np.testing.assert_array_equal(
        batches[0], frames(8, seed=0)
    )  # Keras reads the first batches before training begins
    with pytest.raises(ValueError, match="shuffle=False"):
        batches[2]
    batches.begin_epoch(4)
    np.testing.assert_array_equal(
        batches[2], frames(8, seed=402)
    )  # a resumed epoch begins in the middle


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation_shape": (63, 63, 3)}, "64, 96"),
        ({"observation_shape": (64, 96, 3)}, "observation_shape"),
        ({"decoder_form": "fast"}, "depth_to_space"),
        ({"encoder_filters": (1, 2)}, "encoder_filters"),
        ({"decoder_filters": (0, 2, 3)}, "decoder_filters"),
    ],
)
def test_what_there_is_no_network_for_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        VAE(**{**SMALL, **change})


def test_auto_follows_the_processor(tmp_path, monkeypatch):
    for flags, expected in (("fma avx512_bf16 amx", True), ("fma avx512f", False)):
        (tmp_path / "cpuinfo").write_text(f"model name: x\nflags\t\t: {flags}\n")
        assert cpu_has_bfloat16(str(tmp_path / "cpuinfo")) is expected
    assert cpu_has_bfloat16(str(tmp_path / "absent")) is False
    (tmp_path / "cpuinfo").write_text("flags : avx512_bf16\n")
    for capped, expected in (("AVX2", False), ("AVX512_CORE", False), ("avx512_core_amx", True)):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", capped)
        assert cpu_has_bfloat16(str(tmp_path / "cpuinfo")) is expected
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    for fast, expected in (
        (True, ("mixed_bfloat16", "depth_to_space")),
        (False, ("float32", "transpose")),
    ):
        monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda fast=fast: fast)
        vision = build_vision(VisionSettings(latent_size=4), (64, 64, 3), 0)
        assert (vision.dtype_policy.name, vision.decoder_form) == expected
        asked = VisionSettings(latent_size=4, dtype="float32", decoder_form="transpose")
        vision = build_vision(asked, (64, 64, 3), 0)
        assert (vision.dtype_policy.name, vision.decoder_form) == ("float32", "transpose")
        vectors = build_vision(VisionSettings(kind="dense", latent_size=4), (6,), 0)
        assert vectors.dtype_policy.name == "float32"


def test_the_learning_rate_by_step():
    settings = VisionSettings(learning_rate=1e-3, final_learning_rate=1e-5)
    assert learning_rate(settings, 100) == 1e-3
    cosine = learning_rate(replace(settings, schedule="cosine"), 100)
    assert [float(cosine(s)) for s in (0, 50, 100)] == pytest.approx([1e-3, 5.05e-4, 1e-5])
    warm = learning_rate(replace(settings, schedule="cosine", warmup_steps=20), 100)
    assert [float(warm(s)) for s in (0, 10, 20, 100)] == pytest.approx([0, 5e-4, 1e-3, 1e-5])
    held = learning_rate(replace(settings, warmup_steps=20), 100)
    assert [float(held(s)) for s in (10, 20, 100)] == pytest.approx([5e-4, 1e-3, 1e-3])
