"""A world of numbers, LunarLander, in all six verbs with a dense V."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from conftest import JAX_QUICKLY, ROOT, assert_same, compiled
from PIL import Image

from WorldModels.envs.wrappers import RescaleAction

LANDER = "LunarLanderContinuous-v3"
VECTOR = ["--env.id", LANDER, "--env.observation", "vector", "--vision.kind", "dense"]
TINY = [
    "--record.episodes",
    "3",
    "--record.max-frames",
    "40",
    "--vision.epochs",
    "2",
    "--vision.hidden-sizes",
    "16",
    "16",
    "16",
    "--vision.decoder-hidden-sizes",
    "16",
    "16",
    "--memory.lstm-size",
    "8",
    "--memory.steps",
    "2",
    "--evaluate.tracks",
    "1",
    "--evaluate.baseline-tracks",
    "1",
    "--env.max-steps",
    "60",
]


def command(folder, *flags):
    return ["carracing", "--scale", "smoke", "--results", str(folder), *VECTOR, *TINY, *flags]


def verbs(folder, *names, flags=()):
    """Run verbs in this process, with the flags that a user would type."""
    import importlib

    for name in names:
        workers = () if name == "play" else ("--workers", "2")
        importlib.import_module(f"WorldModels.{name}").main(command(folder, *workers, *flags))


@pytest.fixture(scope="module")
def lander(tmp_path_factory):
    """The folder of a LunarLander run that has reached M."""
    folder = tmp_path_factory.mktemp("lander") / "run"
    verbs(folder, "record", "train_vision", "encode", "train_memory")
    return folder


@pytest.mark.slow
def test_its_report_shows_numbers_where_others_show_frames(lander, tmp_path):
    from WorldModels.report import main

    main(
        [
            "carracing",
            "--scale",
            "smoke",
            "--results",
            str(lander),
            "--to",
            str(tmp_path / "page.html"),
        ]
    )
    text = (tmp_path / "page.html").read_text()
    assert (
        "Held-out vectors, and V" in text
        and "Held-out frames" not in text
        and text.count("<img") >= 4
    )
    assert "WorldModels.train_controller carracing" in text and "is not as it should be" not in text


def test_published_layers_and_parameters():
    """goodluckoguzie/WorldModels: 31, 200, 200, 200, two heads of 31; 31, 200, 200, 31."""
    from WorldModels.vision.dense import DenseVAE

    vision = DenseVAE((31,))
    trained = sum(np.prod(each.shape) for each in vision.trainable_variables)
    assert trained == (31 * 200 + 200) + 2 * 40_200 + 2 * (200 * 31 + 31) + (
        31 * 200 + 200
    ) + 40_200 + (200 * 31 + 31)
    far = 1e3 * np.asarray(vision.decode(1e3 * np.ones((1, 31), "float32")))
    assert far.min() < -1 and far.max() > 1  # the last layer is linear: no range is assumed


def test_the_paper_scale_has_the_published_numbers():
    """From 02_train_vae.py there, whose loss has no KL term: that weight is ours."""
    from WorldModels.experiment.presets import preset

    vision = preset("carracing", "paper", {"vision": "dense"}).vision
    assert (vision.latent_size, vision.batch_size, vision.learning_rate, vision.schedule) == (
        31,
        64,
        1e-4,
        "constant",
    )
    assert (vision.hidden_sizes, vision.decoder_hidden_sizes) == ((200, 200, 200), (200, 200))
    assert 0 < vision.kl_weight < 0.01 and vision.kl_tolerance == 0


def test_the_loss_is_squared_error_and_the_divergence():
    from WorldModels.vision.dense import DenseVAE

    generator = np.random.default_rng(0)
    x, rebuilt = generator.standard_normal((2, 5, 8), "float32")
    mean, log_var = generator.standard_normal((2, 5, 3), "float32")
    kl = 0.5 * (mean**2 + np.exp(log_var) - log_var - 1).sum(axis=1)
    error = ((x - rebuilt) ** 2).sum(axis=1)
    for weight, tolerance in ((0.0, 0.0), (1.0, 0.0), (0.1, 1.0)):
        vision = DenseVAE((8,), 3, kl_weight=weight, kl_tolerance=tolerance)
        loss = vision.compute_loss(
            x=x, y_pred={"reconstruction": rebuilt, "mean": mean, "log_var": log_var}
        )
        assert float(loss) == pytest.approx(
            error.mean() + weight * np.maximum(kl, 3 * tolerance).mean(), rel=1e-5
        )


@pytest.mark.slow
def test_what_varies_less_than_the_weight_of_the_divergence_is_not_told():
    """Variances 1 and 0.09: the second is below weight / 2 for weight 0.3, but not for 0.003."""
    import keras

    from WorldModels.vision.dense import DenseVAE

    x = (np.random.default_rng(0).standard_normal((2560, 2)) * (1, 0.3)).astype("float32")
    told = {}
    for weight in (0.3, 0.003):
        vision = DenseVAE((2,), 2, (32, 32), (32,), kl_weight=weight)
        compiled(vision, keras.optimizers.Adam(1e-2))
        vision.fit(x, batch_size=256, epochs=30, verbose=0)
        told[weight] = 1 - ((np.asarray(vision.decode(vision.encode(x)[0])) - x) ** 2).mean(
            axis=0
        ) / x.var(axis=0)
    assert told[0.3][0] > 0.7 and told[0.3][1] < 0.2, told
    assert told[0.003].min() > 0.8, told


def test_recorded_numbers_are_the_environment_s_own(lander):
    from WorldModels.episodes.episode import Episode, list_episodes

    env, paths = RescaleAction(gymnasium.make(LANDER)), list_episodes(lander / "0/episodes")
    assert len(paths) == 3
    for path in paths:
        episode = Episode.load(path)
        assert episode.observations.dtype == np.float32 and episode.observations.shape == (
            len(episode) + 1,
            8,
        )
        np.testing.assert_array_equal(episode.observations[0], env.reset(seed=episode.seed)[0])
        for action, observation in zip(episode.actions, episode.observations[1:], strict=True):
            np.testing.assert_array_equal(observation, env.step(action)[0])


def test_series_hold_what_v_makes_of_the_numbers(lander):
    from WorldModels.assembly.models import load_vision
    from WorldModels.episodes.episode import Episode, list_episodes
    from WorldModels.episodes.series import Series

    path, vision = list_episodes(lander / "0/episodes")[0], load_vision(lander / "0/vision.keras")
    series, expected = (
        Series.load(lander / "0/series" / path.name),
        vision.encode(Episode.load(path).observations),
    )
    assert series.mean.shape[1] == 8  # no more than the numbers of an observation
    assert_same(series.mean, expected[0])
    assert_same(series.log_var, expected[1])


def test_each_epoch_has_a_chart_that_varies(lander):
    for epoch in range(2):
        with Image.open(lander / f"0/vision_epochs/{epoch:03}.png") as picture:
            assert min(picture.size) > 200 and np.asarray(picture.convert("L")).std() > 10


def test_files_for_others_take_float32_numbers(lander):
    import onnxruntime
    import tensorflow as tf

    numbers = np.random.default_rng(0).standard_normal((3, 8), "float32")
    loaded = tf.saved_model.load(str(lander / "0/vision"))
    sessions = {
        name: onnxruntime.InferenceSession(str(lander / f"0/{name}.onnx"))
        for name in ("encode", "decode", "perception")
    }
    mean, _ = sessions["encode"].run(["mean", "log_var"], {"observations": numbers})
    assert_same(loaded.encode(numbers)["mean"], mean)
    assert_same(loaded.decode(mean)["observations"], sessions["decode"].run(None, {"z": mean})[0])
    (seen,) = [x for x in sessions["perception"].get_inputs() if x.name == "observation"]
    assert seen.type == "tensor(float)" and seen.shape[1:] == [8]


def test_the_world_seen_through_v_and_m_has_their_features(lander):
    from WorldModels.assembly.models import load_vision
    from WorldModels.assembly.worlds import real_world
    from WorldModels.experiment.settings.env import EnvSettings

    world = real_world(lander / "0", EnvSettings(id=LANDER, observation="vector"), features="zh")()
    features, info = world.reset(seed=3)
    assert (
        features.shape == (8 + 8,)
        and info["frame"].dtype == np.float32
        and info["frame"].shape == (8,)
    )
    mean, _ = load_vision(lander / "0/vision.keras").encode(info["frame"][None])
    assert_same(features[:8], mean[0])
    assert np.isfinite(world.step(np.zeros(2, np.float32))[0]).all()


@pytest.mark.slow
def test_training_that_goes_on_ends_with_the_weights_of_an_unbroken_one(
    lander, tmp_path, monkeypatch
):
    from WorldModels.assembly.models import load_vision

    def weights(folder):
        return load_vision(folder / "0/vision.keras").get_weights()

    monkeypatch.setattr("WorldModels.export.files.unavailable", lambda: "not needed here")
    for name in ("episodes", "stages/episodes.json"):
        (shutil.copytree if name == "episodes" else shutil.copy)(
            lander / "0" / name, _made(tmp_path / "run/0" / name)
        )
    verbs(tmp_path / "run", "train_vision", flags=["--vision.epochs", "1"])
    first = weights(tmp_path / "run")
    verbs(tmp_path / "run", "train_vision")
    assert all(
        np.array_equal(a, b)
        for a, b in zip(weights(tmp_path / "run"), weights(lander), strict=True)
    )
    assert not all(map(np.array_equal, first, weights(lander)))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("world", ["real", "dream"])
def test_a_driver_is_evolved_and_tested(lander, capsys, world):
    """Once in the real world and once in the dream; a line says that pictures are skipped."""
    flags = ["--controller.world", world, "--force", "--dream.max-steps", "20"]
    flags += ["--dream.generations" if world == "dream" else "--controller.generations", "1"]
    verbs(lander, "train_controller", "evaluate", flags=flags)
    printed = capsys.readouterr().out
    assert (lander / "0/real.mp4").stat().st_size > 0 and (lander / "0/evaluation.json").exists()
    assert not (lander / "0/reconstructed.mp4").exists() and "8 numbers, not pictures" in printed
    if world == "dream":
        assert not (lander / "0/dream.mp4").exists() and "skipping dream.mp4" in printed


@pytest.mark.parametrize(
    ("verb", "flags", "words"),
    [
        ("record", ["--env.id", "CarRacing-v3"], "CarRacing-v3: expected --env.observation frame"),
        (
            "record",
            ["--env.observation", "frame"],
            "--vision.kind: expected dense with --env.observation vector",
        ),
        (
            "record",
            ["--vision.kind", "vae"],
            "--vision.kind: expected dense with --env.observation vector",
        ),
        ("train_vision", ["--vision.rare-weight", "2"], "--vision.rare-weight: expected 0"),
        ("play", ["--world", "latent"], "--world: expected real"),
        ("play", ["--world", "dream"], "--world: expected real"),
    ],
)
def test_a_contradiction_is_one_line(tmp_path, capsys, verb, flags, words):
    with pytest.raises(SystemExit) as ended:
        verbs(tmp_path / "run", verb, flags=flags)
    error = " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )  # tyro wraps its lines and draws a box
    assert ended.value.code == 2 and words in error and "Traceback" not in error, error


@pytest.mark.parametrize(("size", "panels"), [(1, 1), (8, 8), (50, 36)])
def test_the_chart_has_a_panel_for_each_number_and_says_how_much_is_rebuilt(size, panels):
    from WorldModels.figures.vectors import reconstruction_chart

    true = np.random.default_rng(0).standard_normal((40, size))
    titles = [axes.get_title() for axes in reconstruction_chart(true, true).axes if axes.axison]
    assert len(titles) == panels and all(title.endswith(": 1.000") for title in titles)
    nothing = (
        reconstruction_chart(true, np.repeat(true.mean(axis=0, keepdims=True), 40, axis=0))
        .axes[0]
        .get_title()
    )
    assert nothing.endswith(": 0.000")


@pytest.mark.slow
def test_v_of_numbers_trains_under_jax():
    pytest.importorskip("jax")
    code = """
import keras, numpy as np
from WorldModels.vision.dense import DenseVAE
assert keras.backend.backend() == "jax"
vision = DenseVAE((8,), 4, (16, 16, 16), (16, 16), kl_weight=0.01)
vision.compile(keras.optimizers.Adam(1e-2))
numbers = np.random.default_rng(0).standard_normal((64, 8)).astype("float32")
losses = vision.fit(numbers, batch_size=32, epochs=5, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
"""
    environment = {**os.environ, **JAX_QUICKLY}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
