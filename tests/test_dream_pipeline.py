"""The commands that dream, at smoke scale with the real games.

Take Cover's launch script, temperatures, CarRacing's dream, and the Gymnasium ids.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import gymnasium
import numpy as np
import pytest
from conftest import PATIENCE, ROOT, SIX, run_verb_process
from gymnasium.utils.env_checker import check_env

from WorldModels.control.controller import Controller
from WorldModels.experiment.rows import read_rows

pytestmark = pytest.mark.slow


def verb(name, folder, *flags, experiment="takecover"):
    return run_verb_process(name, folder, *flags, experiment=experiment)


def copied(run, target, *left_out):
    shutil.copytree(
        run,
        target,
        ignore=shutil.ignore_patterns(".lock", "evaluation*", "*.mp4", "*.gif", *left_out),
    )
    return target


def test_the_launch_script_ends_with_a_driver_that_dreamt_its_real_scores_and_both_films(
    doom_script,
):
    folder, printed = doom_script
    for name in [
        "0/memory.keras",
        "0/imagination.onnx",
        "0/gates.json",
        "0/controller/best.npz",
        "0/evaluation.json",
        "0/real.mp4",
        "0/dream.mp4",
        "0/dream.gif",
    ]:
        assert (folder / name).exists(), name
    controller, parameters, _ = Controller.load(folder / "0/controller/mean.npz")
    assert (
        controller.latent == "sampled"
        and controller.features == "zch"
        and not controller.bias
        and np.abs(parameters).max() > 0
    )
    rows = read_rows(folder / "0/controller/generations.csv")
    assert [row["generation"] for row in rows] == ["1", "2"]
    assert all(
        abs(float(row["mean"]) - float(row["mean_steps"])) < 0.006 for row in rows
    )  # one of them is rounded
    assert "uniform" in printed and "sweep" in printed and str(folder) in printed


def test_run_again_it_says_that_all_is_done(doom_run):
    for name in SIX:
        done = verb(name, doom_run)
        assert done.returncode == 0 and "there already" in done.stdout, (
            f"{name}: {done.stdout}{done.stderr}"
        )


def test_killed_in_the_dream_it_goes_on_to_the_same_driver(doom_run, tmp_path):
    run = copied(doom_run, tmp_path / "run", "controller*")
    command = [
        sys.executable,
        "-m",
        "WorldModels.train_controller",
        "takecover",
        "--scale",
        "smoke",
        "--results",
        str(run),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE
    while (
        not (run / "0/controller/generations.csv").exists()
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert verb("train_controller", run).returncode == 0
    one, other = (
        Controller.load(folder / "0/controller/mean.npz")[1] for folder in (doom_run, run)
    )
    np.testing.assert_array_equal(one, other)


def test_made_again_in_the_dream_it_is_the_same_driver(doom_run, tmp_path):
    run = copied(doom_run, tmp_path / "run")
    done = verb("train_controller", run, "--force")
    assert done.returncode == 0 and "made again" in done.stdout and "continues" not in done.stdout
    for name in ("mean.npz", "best.npz", "generations/1.npz"):
        one, other = (Controller.load(f / "0/controller" / name)[1] for f in (doom_run, run))
        np.testing.assert_array_equal(one, other)
    assert (run / "0/controller/state.pkl").exists()


def test_temperatures_are_a_table_of_dream_and_real(doom_run, tmp_path):
    run = copied(doom_run, tmp_path / "run")
    command = [
        "bash",
        "launch_scripts/temperatures.bash",
        "--scale",
        "smoke",
        "--results",
        str(run),
        "--temperatures",
        "0.5",
        "1.3",
        "--games",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((run / "0/temperatures/temperatures.json").read_text())
    assert (
        [row["temperature"] for row in found["evolved"]]
        == [0.5, 1.3]
        == [row["temperature"] for row in found["played"]]
    )
    assert all(
        row["generations"] == 2 and row["real"]["n"] == 2 and row["dream"]["n"] > 2
        for row in found["evolved"]
    )
    assert found["evolved"][0]["dream"]["mean"] != found["evolved"][1]["dream"]["mean"]
    assert (run / "0/temperatures/temperatures.png").exists() and "1.3 real" in done.stdout
    tested = (run / "0/temperatures/0.5/tested.json").stat().st_mtime_ns
    assert subprocess.run(command, capture_output=True, cwd=ROOT).returncode == 0
    assert (run / "0/temperatures/0.5/tested.json").stat().st_mtime_ns == tested


@pytest.mark.parametrize("world", ["dream", "mixed"])
def test_carracing_is_driven_by_who_has_dreamt(smoke_run, tmp_path, world):
    run = copied(smoke_run, tmp_path / "run", "controller*")
    flags = ["--controller.world", world]
    for name in ("train_controller", "evaluate")[: 2 if world == "mixed" else 1]:
        done = run_verb_process(name, run, *flags)
        assert done.returncode == 0, done.stdout + done.stderr
    controller, mean, _ = Controller.load(run / "0/controller/mean.npz")
    assert controller.latent == "sampled"
    if world == "mixed":
        dreamt = Controller.load(run / "0/controller/dream/mean.npz")[1]
        assert np.abs(mean - dreamt).max() > 0 and np.corrcoef(mean, dreamt)[0, 1] > 0.2
        assert (
            json.loads((run / "0/evaluation.json").read_text())["controller"]["latent"] == "sampled"
        )
    again = run_verb_process("train_controller", run)
    assert again.returncode == 0 and "there already" in again.stdout  # the run remembers its world
    other = run_verb_process("train_controller", run, "--controller.world", "real")
    assert other.returncode == 2 and "--controller.world" in other.stderr and world in other.stderr


@pytest.mark.parametrize("kind", ["Dream", "Latent"])
@pytest.mark.parametrize("game", ["CarRacing", "TakeCover"])
def test_the_ids_pass_gymnasiums_check(request, kind, game):
    run = request.getfixturevalue("smoke_run" if game == "CarRacing" else "doom_run")
    how = {"temperature": 1.3} if kind == "Dream" else {}
    env = gymnasium.make(
        f"WorldModels/{kind}{game}-v0", results=str(run), render_mode="rgb_array", **how
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped if kind == "Dream" else env, skip_render_check=True)
    assert not [
        str(w.message)
        for w in caught
        if "infinity" not in str(w.message) and "unwrapped" not in str(w.message)
    ]
    env.reset(seed=1)
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.std() > 1
    env.close()
    many = gymnasium.make_vec(
        f"WorldModels/{kind}{game}-v0",
        num_envs=2,
        vectorization_mode="vector_entry_point",
        results=str(run),
    )
    first, _ = many.reset(seed=3)
    seen, rewards, *_ = many.step(many.action_space.sample())
    assert (
        seen.shape == first.shape
        and rewards.shape == (2,)
        and not np.array_equal(first[0], first[1])
    )
    many.close()


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--dream.temperature", "0"], ["--dream.temperature", "positive"]),
        (["--dream.reward", "head"], ["reward head", "--memory.reward-head"]),
    ],
)
def test_a_dream_that_cannot_be_is_refused_and_leaves_nothing(doom_run, tmp_path, flags, words):
    run = copied(doom_run, tmp_path / "run", "controller*")
    done = verb("train_controller", run, *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (run / "0/controller").exists()


def test_a_run_of_another_environment_is_refused(doom_run, smoke_run):
    with pytest.raises(ValueError, match="TakeCover"):
        gymnasium.make("WorldModels/DreamCarRacing-v0", results=str(doom_run))
    done = verb("evaluate", smoke_run, experiment="takecover")
    assert (
        done.returncode == 2
        and "CarRacing-v3" in done.stderr
        and "TakeCover" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_a_dream_before_memory_names_the_command(tmp_path):
    (tmp_path / "run").mkdir()
    for folder in (tmp_path / "run", tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="WorldModels"):
            gymnasium.make("WorldModels/DreamTakeCover-v0", results=str(folder))
    done = verb("train_controller", tmp_path / "run")
    assert done.returncode == 2 and "train_vision" in done.stderr


def test_no_temperature_at_or_below_zero(doom_run):
    for temperature in (0.0, -1.0):
        with pytest.raises(ValueError, match="temperature"):
            gymnasium.make(
                "WorldModels/DreamTakeCover-v0", results=str(doom_run), temperature=temperature
            )
