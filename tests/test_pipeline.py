"""The user's commands at smoke scale, in the real environment.

The launch script runs once, then again, then with damaged files and kills.
"""

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import run_module
from conftest import PATIENCE, ROOT, SIX, hears_signals, run_verb_process

from WorldModels.experiment.files import TEMPORARY
from WorldModels.experiment.rows import read_rows

pytestmark = pytest.mark.slow


def test_the_launch_script_ends_with_a_driver_its_scores_its_video_and_the_place(smoke_script):
    folder, printed = smoke_script
    for name in [
        "config.json",
        "log.txt",
        "0/vision.keras",
        "0/vision/saved_model.pb",
        "0/vision.csv",
        "0/series",
        "0/first_latents.npz",
        "0/memory.keras",
        "0/memory/saved_model.pb",
        "0/memory.csv",
        "0/perception.onnx",
        "0/decode.onnx",
        "0/controller/generations.csv",
        "0/controller/mean.npz",
        "0/controller/best.npz",
        "0/controller/generations/1.npz",
        "0/evaluation.json",
        "0/real.mp4",
        "0/reconstructed.mp4",
        "0/reconstructed.gif",
    ]:
        assert (folder / name).exists(), name
    assert (
        "smoke scale takes a minute" in printed and str(folder) in printed and "real.mp4" in printed
    )
    assert not list(folder.rglob(f"{TEMPORARY}*"))


def test_nothing_but_progress_bars_stands_between_the_lines_of_the_verbs(smoke_launch):
    lines = re.split("[\r\n]+", smoke_launch[2])
    assert lines and not [line for line in lines if line and not re.match(r"\w+: +\d+%\|", line)]


def test_the_evaluation_has_both_lap_rules_and_the_baseline(smoke_run):
    evaluation = json.loads((smoke_run / "0/evaluation.json").read_text())
    text = json.dumps(evaluation)
    assert "0.95" in text and "1.0" in text
    assert all(word in text for word in ("mean", "sd", "median", "iqm", "n", "scale", "seed")), (
        text[:500]
    )


def test_run_again_it_says_that_all_is_done_and_changes_nothing(smoke_run):
    volatile = {"log.txt", ".lock", "config.json"}
    before = {
        path: path.stat().st_mtime_ns
        for path in smoke_run.rglob("*")
        if path.is_file() and path.name not in volatile
    }
    for verb in SIX:
        done = run_verb_process(verb, smoke_run)
        assert done.returncode == 0, done.stderr
        assert "there already" in done.stdout, f"{verb}: {done.stdout}"
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before


def test_a_latent_size_that_contradicts_the_weights_is_refused_with_both(smoke_run):
    done = run_verb_process("encode", smoke_run, "--vision.latent-size", "16")
    assert (
        done.returncode == 2
        and "--vision.latent-size" in done.stderr
        and "16" in done.stderr
        and "32" in done.stderr
    )


def test_a_generation_that_was_not_kept_is_refused(smoke_run):
    done = run_verb_process("evaluate", smoke_run, "--controller.generation", "418")
    assert (
        done.returncode == 2
        and "418" in done.stderr
        and "1" in done.stderr
        and "Traceback" not in done.stderr
    )


def damage(path, how):
    """Damage an episode's file."""
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:10_000])
    elif how == "one bit":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "foreign":
        path.write_bytes(b"this is no episode")
    elif how == "an array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        fields = arrays(path)
        observations = (
            np.array([{"a": 1}], object)
            if how == "pickled"
            else np.zeros((61, 96, 96, 3), np.uint8)
        )
        np.savez(path, **fields | {"observations": observations})


@pytest.mark.parametrize(
    "kinds", [("truncated", "foreign", "pickled"), ("one bit", "an array", "other pictures")]
)
def test_damaged_episodes_are_set_aside_by_name_and_counted(smoke_run, tmp_path, kinds):
    (tmp_path / "run/0").mkdir(parents=True)
    shutil.copytree(smoke_run / "0/episodes", tmp_path / "run/0/episodes")
    shutil.copytree(smoke_run / "0/stages", tmp_path / "run/0/stages")
    for stage in (tmp_path / "run/0/stages").iterdir():
        if stage.name != "episodes.json":
            stage.unlink()
    paths = [tmp_path / f"run/0/episodes/00000{i}.npz" for i in (2, 3, 5)]
    for path, how in zip(paths, kinds, strict=True):
        damage(path, how)
    done = run_verb_process("train_vision", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "3 damaged files" in done.stdout
    for path in paths:
        assert (
            path.name in done.stdout
            and path.with_name(path.name + ".damaged").exists()
            and not path.exists()
        )
    assert run_verb_process("record", tmp_path / "run").returncode == 0
    for path in paths:
        np.testing.assert_equal(
            np.load(path)["observations"],
            np.load(smoke_run / "0/episodes" / path.name)["observations"],
        )


def test_a_full_disk_leaves_no_half_file(tmp_path):
    # A process that writes sees a limit on file sizes as a full disk.
    done = run_verb_process(
        "record",
        tmp_path / "run",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and "Traceback" not in done.stderr
    assert not list((tmp_path / "run").rglob("*.npz")) and not list(
        (tmp_path / "run").rglob(f"{TEMPORARY}*")
    )


@pytest.mark.parametrize(
    "verb, flags",
    [
        ("record", ["--record.policies", "controller", "--iteration", "1"]),
        ("train_memory", ["--memory.clip-norm", "1"]),
    ],
)
def test_a_mistake_with_force_loses_nothing(smoke_run, tmp_path, verb, flags):
    shutil.copytree(smoke_run, tmp_path / "run")
    if verb == "record":
        shutil.rmtree(tmp_path / "run/0/controller")
    before = sorted(path for path in (tmp_path / "run").rglob("*") if path.is_file())
    done = run_verb_process(verb, tmp_path / "run", "--force", *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert sorted(path for path in (tmp_path / "run").rglob("*") if path.is_file()) == before


def killed_at_random(verb, folder, kills, delays):
    """Start a verb, kill -9 it at `kills` random moments, then let it finish.

    A forked verb starts working at once. Those that train or test take seconds, the others one.
    """
    longest = 1.0 if verb in ("record", "encode", "train_controller") else 4.0
    command = [f"WorldModels.{verb}", "carracing", "--scale", "smoke", "--results", str(folder)]
    for _ in range(kills):
        done = run_module(*command, kill_after=delays.uniform(0.1, longest))
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
    done = run_verb_process(verb, folder)
    assert done.returncode == 0, done.stdout + done.stderr


def arrays(path):
    if path.suffix == ".keras":
        import keras

        import WorldModels.memory.mdn_rnn
        import WorldModels.vision.vae  # noqa: F401

        return {
            str(i): np.asarray(w)
            for i, w in enumerate(keras.models.load_model(path, compile=False).get_weights())
        }
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_kill_9_in_the_middle_of_every_verb_then_the_same_command_gives_what_an_unbroken_run_gives(
    smoke_run, tmp_path
):
    delays = random.Random(0)
    for verb in SIX:
        killed_at_random(verb, tmp_path / "run", 2, delays)
    for pattern in [
        "episodes/*.npz",
        "vision.keras",
        "series/*.npz",
        "memory.keras",
        "controller/mean.npz",
        "controller/best.npz",
    ]:
        for unbroken in sorted((smoke_run / "0").glob(pattern)):
            one, other = (
                arrays(unbroken),
                arrays(tmp_path / "run/0" / unbroken.relative_to(smoke_run / "0")),
            )
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name], err_msg=f"{unbroken}: {name}")
    timed = {
        "seconds",
        "elapsed_seconds",
        "wall_time",
        "images_per_second",
        "frames_per_second",
        "tokens_per_second",
    }
    for name in [
        "vision.csv",
        "memory.csv",
        "controller/generations.csv",
        "evaluation/best/tracks.csv",
    ]:
        rows = [
            sorted(
                [
                    tuple((k, v) for k, v in row.items() if k not in timed)
                    for row in read_rows(folder / "0" / name)
                ]
            )
            for folder in (smoke_run, tmp_path / "run")
        ]
        assert rows[0] and rows[0] == rows[1], name


def living(group):
    """Processes of a process group that still run, without zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(stat.parent.name)
    return found


def test_ctrl_c_leaves_the_mean_and_no_child(smoke_run, tmp_path):
    shutil.copytree(
        smoke_run,
        tmp_path / "run",
        ignore=shutil.ignore_patterns("controller*", "evaluation*", "*.mp4", "*.gif"),
    )
    command = [
        sys.executable,
        "-m",
        "WorldModels.train_controller",
        "carracing",
        "--scale",
        "smoke",
        "--results",
        str(tmp_path / "run"),
        "--controller.generations",
        "100000",
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=hears_signals,
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "run/0/controller/mean.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "same command continues" in printed
    arrays(tmp_path / "run/0/controller/mean.npz")
    deadline = time.monotonic() + PATIENCE
    while living(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not living(process.pid)


def test_the_night_scale_runs_cut_short_and_its_weights_fit_float16(tmp_path):
    cut = "--record.episodes 3 --record.max-frames 60 --record.min-frames 20 --env.max-steps 40 "
    cut += "--vision.epochs 1 --vision.encoder-filters 4 4 8 8 --vision.decoder-filters 8 8 4 "
    cut += "--memory.steps 2 --memory.lstm-size 16 --memory.batch-size 4 "
    cut += "--controller.population-size 4 --controller.steps 200 --controller.rollouts 1 "
    cut += "--controller.validation-rollouts 1 --evaluate.tracks 1 --evaluate.baseline-tracks 1"
    for verb in SIX:
        done = run_verb_process(verb, tmp_path / "run", *cut.split(), scale="night")
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
    for name in ("vision", "memory"):
        for key, array in arrays(tmp_path / f"run/0/{name}.keras").items():
            if array.dtype == np.uint32:  # a seed generator's
                continue
            assert array.dtype == np.float32, key
            assert np.array_equal(array, array.astype(np.float16).astype(np.float32)), key


def test_the_paper_scale_runs_shortened_on_its_own_networks(tmp_path):
    short = [
        "--record.episodes",
        "3",
        "--record.max-frames",
        "60",
        "--record.min-frames",
        "20",
        "--vision.epochs",
        "1",
        "--memory.steps",
        "1",
        "--env.max-steps",
        "40",
        "--controller.generations",
        "1",
        "--controller.population-size",
        "4",
        "--controller.rollouts",
        "1",
        "--controller.validation-rollouts",
        "1",
        "--evaluate.tracks",
        "1",
        "--evaluate.baseline-tracks",
        "1",
    ]
    for verb in SIX:
        done = run_verb_process(verb, tmp_path / "run", *short, scale="paper")
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
    vision = json.loads((tmp_path / "run/0/stages/vision.json").read_text())
    assert vision["settings"]["vision"]["learning_rate"] == 1e-4
    with np.load(tmp_path / "run/0/controller/mean.npz", allow_pickle=False) as driver:
        assert max(np.asarray(driver[name]).size for name in driver.files) == 867
