"""The README's pictures: one command draws those that a run allows, the same each time."""

import re
import shutil

import numpy as np
import pytest
from conftest import ROOT, assert_same, run_verb_process
from PIL import Image

from WorldModels.assembly.opening import open_encoder, open_reconstruction
from WorldModels.assembly.showing import driver, memory, vision
from WorldModels.assembly.showing.pictures import PICTURES
from WorldModels.assembly.showing.run import opened
from WorldModels.experiment.games.registry import GAMES

IMAGES = sorted(path for path in (ROOT / "imgs").iterdir() if path.is_file())
TEXT = (ROOT / "README.md").read_text()


def test_there_is_no_picture_that_the_command_does_not_make():
    assert IMAGES and {path.name for path in IMAGES} <= {
        f"{name}_{what}" for name in GAMES for what in PICTURES
    }


def test_the_readme_shows_every_picture_and_says_what_it_shows():
    shown = dict(re.findall(r'<img src="(imgs/[^"]+)"[^>]* alt="([^"]*)"', TEXT))
    assert set(shown) == {f"imgs/{path.name}" for path in IMAGES} and all(
        len(alt) > 20 for alt in shown.values()
    )


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_pictures_are_small_and_films_move(path):
    picture = Image.open(path)
    if path.suffix == ".png":
        assert path.stat().st_size < 300_000 and picture.width >= 900
        return
    assert path.stat().st_size < 2_000_000 and picture.n_frames > 30
    first = np.asarray(picture.convert("RGB"))
    picture.seek(picture.n_frames // 2)
    assert (np.asarray(picture.convert("RGB")) != first).any() and picture.info["loop"] == 0


@pytest.mark.slow
def test_a_run_gives_the_same_pictures_each_time_and_stays_as_it_was(smoke_run, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in smoke_run.rglob("*")}
    for folder in ("one", "two"):
        done = run_verb_process("pictures", smoke_run, "--to", str(tmp_path / folder))
        assert done.returncode == 0, done.stderr
    names = {f"carracing_{what}" for what in PICTURES}
    assert {path.name for path in (tmp_path / "one").iterdir()} == names
    assert all(
        (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        for name in names
    )
    assert before == {path: path.stat().st_mtime_ns for path in smoke_run.rglob("*")}


@pytest.mark.slow
def test_of_an_unfinished_run_there_are_the_pictures_that_it_has_the_parts_for(smoke_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(
        smoke_run,
        run,
        ignore=shutil.ignore_patterns(
            "memory*", "perception.onnx", "imagination.onnx", "evaluation*"
        ),
    )
    done = run_verb_process("pictures", run, "--to", str(tmp_path / "imgs"))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "imgs").iterdir()] == ["carracing_curve.png"]
    assert (
        "carracing_dream.gif is left out" in done.stdout
        and "python -m WorldModels.train_memory" in done.stdout
    )


def test_without_a_run_it_says_what_makes_one(tmp_path):
    done = run_verb_process("pictures", tmp_path / "none", "--to", str(tmp_path / "imgs"))
    assert (
        done.returncode == 2
        and "bash launch_scripts/carracing.bash --scale smoke" in done.stderr
        and done.stderr.count("\n") == 1
    )
    assert not (tmp_path / "imgs").exists() and not (tmp_path / "none").exists()


@pytest.fixture
def run(smoke_run):
    return opened(smoke_run)


@pytest.mark.slow
def test_what_v_makes_of_frames(run):
    frames = vision.held_out_frames(run, 5)
    mean, log_var = vision.posterior(run, frames)
    seen = vision.rebuilt(run, frames)
    assert (
        frames.shape == seen.shape == (5, 64, 64, 3)
        and frames.dtype == np.uint8
        and mean.shape == log_var.shape == (5, 32)
    )
    assert np.abs(vision.decoded(run, mean) - 255 * seen).max() < 1
    swept = vision.traversal(run, frames[0], [3, 4], (-2.0, float(mean[0, 3]), 2.0))
    assert (
        swept.shape == (2, 3, 64, 64, 3)
        and (swept[0, 1] == vision.decoded(run, mean[:1])[0]).mean() > 0.99
    )
    assert [picture.ndim for picture in vision.epochs(run)] == [3]
    assert (
        vision.prior(run, 4).shape == (4, 64, 64, 3)
        and (vision.prior(run, 4) == vision.prior(run, 4)).all()
    )


@pytest.mark.slow
def test_v_encodes_and_decodes_alike_with_and_without_onnx(run, tmp_path):
    shutil.copy(run.path / "vision.keras", tmp_path)
    frames = vision.held_out_frames(run, 230)
    for by_keras, by_onnx in zip(
        open_encoder(tmp_path)(frames), open_encoder(run.path)(frames), strict=True
    ):
        assert_same(by_keras, by_onnx)
    assert_same(open_reconstruction(tmp_path)(frames), open_reconstruction(run.path)(frames))


@pytest.mark.slow
def test_what_m_makes_of_a_drive(run):
    episode = driver.drive(run, max_steps=20)
    assert len(episode) == 20 and sum(1 for _ in driver.rendered(run.experiment.env, episode)) == 21
    foreseen = memory.foreseen(run, episode)
    assert foreseen.shape == (20, 64, 64, 3)
    dreamt = memory.imagined(run, episode, start=4, steps=6, temperature=0.0)
    # the first step of a dream equals the predicted next frame; later steps do not
    assert (
        dreamt.shape == (7, 64, 64, 3)
        and (dreamt[1] == foreseen[4]).all()
        and (dreamt[6] != foreseen[9]).any()
    )
    weights, parts = driver.weights(run)
    assert weights.shape == (64, 3) and parts == {"z": 32, "h": 32}
    assert driver.action_names(run, 3) == ("steer", "gas", "brake")


@pytest.mark.slow
def test_dreams_begin_where_they_are_told_to(run):
    cold, warm = (memory.dream(run, temperature, max_steps=5) for temperature in (0.1, 1.5))
    assert (
        cold.temperature == 0.1
        and (cold.z[0] == warm.z[0]).all()
        and (cold.z[1] != warm.z[1]).any()
    )
    first, second = (memory.dream(run, seed=seed, max_steps=5, start=cold.z[0]) for seed in (1, 2))
    assert (
        np.allclose(first.z[0], cold.z[0])
        and np.allclose(second.z[0], cold.z[0])
        and (first.z[1] != second.z[1]).any()
    )
    assert len(first.frames) == len(first.rewards) + 1 and first.frames.dtype == np.uint8
