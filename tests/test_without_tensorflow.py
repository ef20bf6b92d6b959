"""The six verbs run with KERAS_BACKEND=jax even if TensorFlow cannot be imported."""

import os

import pytest
from conftest import JAX_QUICKLY, SIX, run_verb_process

pytestmark = pytest.mark.slow
BLOCKED = ("tensorflow", "tensorboard", "tf2onnx")


def test_the_six_verbs_run_on_jax_without_tensorflow(tmp_path):
    for name in BLOCKED:
        (tmp_path / "blocked" / name).mkdir(parents=True)
        (tmp_path / "blocked" / name / "__init__.py").write_text(
            f"raise ModuleNotFoundError('blocked', name={name!r})\n"
        )
    # The blocked packages come first on the path of child processes and their children.
    env = {**os.environ, **JAX_QUICKLY, "PYTHONPATH": str(tmp_path / "blocked")}
    short = "--env.max-steps 60 --evaluate.tracks 1 --evaluate.baseline-tracks 1 --workers 1 "
    small = "--vision.encoder-filters 4 4 8 8 --vision.decoder-filters 8 8 4 --memory.lstm-size 16"
    printed = ""
    for verb in SIX:
        done = run_verb_process(verb, tmp_path / "run", *(short + small).split(), env=env)
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
        printed += done.stdout
    for name in (
        "vision.keras",
        "memory.keras",
        "controller/best.npz",
        "evaluation.json",
        "real.mp4",
    ):
        assert (tmp_path / "run/0" / name).exists(), name
    assert not (tmp_path / "run/0/vision").exists() and not list(
        (tmp_path / "run/0").glob("*.onnx")
    )
    for word in ("SavedModel", "ONNX", "TensorBoard"):
        assert word in printed and "skipped" in printed, word
