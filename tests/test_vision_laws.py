"""Laws of every kind of V; a new kind needs at most a line in SMALL to be tested."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import JAX_QUICKLY, assert_same, compiled
from keras import ops

from WorldModels.assembly.fit import fit_with_checkpoints
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.export import files as export
from WorldModels.vision.kinds import KINDS, build_vision, published_form, vision_class
from WorldModels.vision.quality import validate

ROOT = Path(__file__).parent.parent
PICTURE, VECTOR, BATCH = (64, 64, 3), (6,), 8
SMALL = {
    "vae": {"encoder_filters": (4, 4, 8, 8), "decoder_filters": (8, 8, 4)},
    "vae_gan": {"depth": 2, "kernel_size": 3},
    "dense": {"hidden_sizes": (16,), "decoder_hidden_sizes": (16,)},
}
SHAPES = {kind: VECTOR if kind == "dense" else PICTURE for kind in KINDS}
Z = 3
# Three networks that train together take long to compile.
EACH = [pytest.param(kind, marks=pytest.mark.slow if kind == "vae_gan" else ()) for kind in KINDS]
EVERY = pytest.mark.parametrize("kind", EACH)


def small(kind, seed=0, **how):
    settings = SimpleNamespace(
        **{**vars(VisionSettings()), **SMALL.get(kind, {}), "kind": kind, "latent_size": Z}
    )
    return build_vision(
        settings, SHAPES[kind], seed, **{"dtype": "float32", "decoder_form": "transpose", **how}
    )


def observations(kind, count=BATCH, seed=0):
    """Smooth pictures, or vectors whose numbers are strongly correlated."""
    rng = np.random.default_rng(seed)
    if len(SHAPES[kind]) == 1:
        return (
            rng.standard_normal((count, 1)) * np.arange(1, 7)
            + 0.1 * rng.standard_normal((count, 6))
        ).astype(np.float32)
    return (
        rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8).repeat(16, axis=1).repeat(16, axis=2)
    )


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


class Batches:
    """Two batches an epoch, in the form that fit_with_checkpoints expects."""

    def __init__(self, kind):
        self.kind = kind

    def begin_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return observations(self.kind, seed=10 * self.epoch + index)


def trained(kind, folder, **how):
    """A V after four training steps, and the rows of its table."""
    vision = small(kind, **how)
    vision.compile(keras.optimizers.Adam(1e-3))
    return vision, train(vision, kind, folder)


def train(vision, kind, folder, *callbacks):
    """Train a compiled V for four steps in all, from its checkpoint if there is one."""
    return fit_with_checkpoints(
        vision,
        Batches(kind),
        checkpoint=folder / "state.npz",
        csv_file=folder / "rows.csv",
        steps=4,
        callbacks=callbacks,
        checkpoint_minutes=0,
        say=lambda line: None,
    )


def begin_again(vision, kind):
    """Give a compiled V its first weights and a new optimizer's state: it keeps what is traced."""
    fresh = small(kind)
    compiled(fresh, keras.optimizers.Adam(1e-3))
    for mine, first in zip(variables_of(vision), variables_of(fresh), strict=True):
        mine.assign(first)


def variables_of(vision):
    return [*vision.variables, *vision.optimizer.variables]


@pytest.fixture(scope="module", params=EACH)
def some(request, tmp_path_factory):
    """A kind, and a V of that kind after four steps."""
    return request.param, trained(request.param, tmp_path_factory.mktemp(request.param))[0]


def test_encode_and_decode_keep_what_the_interface_promises(some):
    kind, vision = some
    seen = observations(kind, 5)
    assert (vision.latent_size, tuple(vision.observation_shape)) == (Z, SHAPES[kind])
    mean, log_var = vision.encode(seen)
    made = vision.decode(mean)
    assert mean.shape == log_var.shape == (5, Z) and made.shape == seen.shape
    for x in (mean, log_var, made):
        assert keras.backend.standardize_dtype(x.dtype) == "float32" and np.isfinite(array(x)).all()
    if seen.ndim == 4:
        far = array(vision.decode(100 * np.ones((2, Z), np.float32)))
        assert 0 <= min(far.min(), array(made).min()) and max(far.max(), array(made).max()) <= 1


def test_bytes_and_unit_floats_are_the_same_picture(some):
    kind, vision = some
    if len(SHAPES[kind]) == 3:
        seen = observations(kind)
        for a, b in zip(
            vision.encode(seen), vision.encode(seen.astype(np.float32) / 255), strict=True
        ):
            np.testing.assert_allclose(array(a), array(b), atol=1e-5)


def test_an_observation_is_seen_the_same_alone_and_among_others(some):
    kind, vision = some
    seen = observations(kind)
    mean = array(vision.encode(seen)[0])
    assert_same(array(vision.encode(seen[2:3])[0]), mean[2:3])
    assert_same(array(vision.decode(mean[2:3])), array(vision.decode(mean))[2:3])


def test_saving_and_loading_change_nothing(some, tmp_path):
    kind, vision = some
    vision.save(tmp_path / "vision.keras")
    loaded = keras.saving.load_model(tmp_path / "vision.keras", compile=False)
    assert type(loaded) is vision_class(kind) and loaded.get_config() == vision.get_config()
    assert len(loaded.variables) == len(vision.variables)
    seen = observations(kind)
    for a, b in zip(loaded.encode(seen), vision.encode(seen), strict=True):
        np.testing.assert_array_equal(array(a), array(b))
    np.testing.assert_array_equal(
        array(loaded.decode(np.ones((2, Z), np.float32))),
        array(vision.decode(np.ones((2, Z), np.float32))),
    )


def test_validation_disturbs_no_training_and_gives_the_same_again(some):
    kind, vision = some
    before, noise = (
        [array(v) for v in vision.variables],
        np.random.default_rng(0).standard_normal((8, Z), np.float32),
    )
    first, second = (validate(vision, observations(kind, 20), BATCH, noise) for _ in range(2))
    assert first == second and all(np.isfinite(value) for value in first.values())
    assert {
        "val_loss",
        "val_reconstruction",
        "val_kl",
        "val_reconstruction_of_mean",
        "val_sample_spread",
    } <= set(first)
    assert ("val_ssim" in first) == (len(SHAPES[kind]) == 3)
    for a, b in zip(vision.variables, before, strict=True):
        np.testing.assert_array_equal(array(a), b)


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 3:
            raise RuntimeError("killed")


def test_equal_seeds_and_a_killed_run_give_equal_weights(some, tmp_path):
    kind, vision = some
    unbroken = [array(v) for v in variables_of(vision)]
    begin_again(vision, kind)
    with pytest.raises(RuntimeError, match="killed"):
        train(vision, kind, tmp_path, Kill())
    begin_again(vision, kind)
    rows = train(vision, kind, tmp_path)
    assert [row["step"] for row in rows] == [2, 4]
    for mine, wanted in zip(variables_of(vision), unbroken, strict=True):
        np.testing.assert_array_equal(array(mine), wanted, err_msg=mine.path)
    first, second, other = (small(kind, seed).get_weights() for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@EVERY
def test_in_bfloat16_it_trains_and_its_published_form_is_float32(kind, tmp_path):
    vision, rows = trained(kind, tmp_path, dtype="mixed_bfloat16")
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert {v.dtype for v in vision.trainable_variables} == {"float32"}
    plain, seen = published_form(vision), observations(kind)
    assert plain.dtype_policy.name == "float32" and type(plain) is type(vision)
    for a, b in zip(plain.variables, vision.variables, strict=True):
        np.testing.assert_array_equal(array(a), array(b))
    for a, b in zip(plain.encode(seen), vision.encode(seen), strict=True):
        assert np.abs(array(a) - array(b)).mean() < 0.05 * max(1, np.abs(array(a)).mean())


@pytest.mark.slow
@pytest.mark.skipif(bool(export.unavailable()), reason=export.unavailable())
def test_its_files_agree_with_it_at_any_batch(some, tmp_path):
    import onnxruntime
    import tensorflow as tf

    kind, vision = some
    export.export_vision(
        vision, tmp_path
    )  # compares each file with Keras, and refuses one that differs
    seen = observations(kind, 7)
    mean, log_var = (array(x) for x in vision.encode(seen))
    session = onnxruntime.InferenceSession(
        str(tmp_path / "encode.onnx"), providers=["CPUExecutionProvider"]
    )
    for count in (1, 7):
        for received, wanted in zip(
            session.run(["mean", "log_var"], {"observations": seen[:count]}),
            (mean, log_var),
            strict=True,
        ):
            assert_same(received, wanted[:count])
    decoded = tf.saved_model.load(str(tmp_path / "vision")).signatures["decode"](
        z=tf.constant(mean)
    )["observations"]
    assert_same(decoded, array(vision.decode(mean)))


@pytest.mark.slow
def test_every_kind_trains_under_jax():
    pytest.importorskip("jax")
    code = """
import math, pathlib, sys, tempfile; sys.path.insert(0, "tests")
import keras
from test_vision_laws import KINDS, array, small, trained
assert keras.backend.backend() == "jax"
for kind in KINDS:
    vision, rows = trained(kind, pathlib.Path(tempfile.mkdtemp()))
    assert all(map(math.isfinite, rows[-1].values())), (kind, rows)
    start = small(kind)
    pairs = zip(vision.trainable_variables, start.trainable_variables)
    assert all((array(v) != array(w)).any() for v, w in pairs), kind
"""
    environment = {**os.environ, **JAX_QUICKLY}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
