"""The launch script with two iterations, at smoke scale in the real environment.

The driver records; V, M and C continue.
"""

import json
import random
import re
import shutil
import subprocess

import numpy as np
import pytest
from conftest import ROOT, SIX
from test_iterations import opened  # noqa: F401   a fixture
from test_pipeline import arrays, killed_at_random

from WorldModels import train_memory, train_vision
from WorldModels.assembly.memory_training import Training
from WorldModels.episodes.series import Series
from WorldModels.experiment.rows import read_rows

pytestmark = pytest.mark.slow


def launch(folder, *flags):
    command = [
        "bash",
        "launch_scripts/carracing.bash",
        "--scale",
        "smoke",
        "--results",
        str(folder),
        *flags,
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def two(smoke_run, tmp_path_factory):
    """The folder and the stdout of `carracing.bash --scale smoke --iterations 2`.

    Iteration 0 exists already.
    """
    folder = tmp_path_factory.mktemp("two") / "run"
    shutil.copytree(smoke_run, folder)
    done = launch(folder, "--iterations", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def driver_of(path):
    with np.load(path, allow_pickle=False) as file:
        return str(file["policy"])


def test_the_second_iteration_goes_on_from_the_first_and_ends_with_both_scores(two):
    folder, printed = two
    assert len(re.findall("there already", printed)) == len(SIX), "iteration 0 was complete"
    for name in ("vision.keras", "memory.keras"):
        assert f"continues from {folder}/0/{name}" in printed
    assert re.search(
        "iteration 0, lap rule .* iteration 1, lap rule .* 1 minus 0", printed.replace("\n", " ")
    )
    assert (folder / "1/real.mp4").exists()
    assert "estimate: smoke scale takes a minute" in printed, "a launch tries nothing so short"
    assert (
        "0/controller/best.npz"
        in json.loads((folder / "1/stages/controller.json").read_text())["inputs"]
    )


def test_the_driver_before_records_its_share(two):
    drivers = [driver_of(path) for path in sorted((two[0] / "1/episodes").glob("*.npz"))]
    assert len(drivers) == 6 and drivers.count("controller") == 3
    assert set(drivers) - {"controller"} <= {"held", "cauchy", "brownian"}
    assert "controller" not in {driver_of(path) for path in (two[0] / "0/episodes").glob("*.npz")}


def test_the_second_vision_sees_the_episodes_of_both(two):
    folder = two[0]
    names = {path.name for path in (folder / "1/series").glob("*.npz")}
    assert names == {f"{before}{i:06}.npz" for before in ("", "0-") for i in range(6)}
    for name, episode in (
        ("0-000003.npz", "0/episodes/000003.npz"),
        ("000003.npz", "1/episodes/000003.npz"),
    ):
        np.testing.assert_array_equal(
            Series.load(folder / "1/series" / name).actions, np.load(folder / episode)["actions"]
        )
    earlier, now = (
        Series.load(folder / name).mean for name in ("0/series/000003.npz", "1/series/0-000003.npz")
    )
    assert earlier.shape == now.shape and np.abs(earlier - now).max() > 1e-3, "encoded by its own V"
    with np.load(folder / "1/first_latents.npz", allow_pickle=False) as first:
        assert len(first["mean"]) == 12


def test_the_same_command_again_says_that_all_is_done(two):
    before = {path: path.stat().st_mtime_ns for path in two[0].glob("[01]/**/*") if path.is_file()}
    done = launch(two[0], "--iterations=2")
    assert done.returncode == 0
    assert len(re.findall("there already", done.stdout)) == 2 * len(SIX)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_going_on_does_not_throw_vision_off(two):
    errors = [
        float(read_rows(two[0] / f"{k}/vision.csv")[-1]["val_reconstruction"]) for k in (0, 1)
    ]
    assert errors[1] < 4 * errors[0]  # without a warmup it was 24 times as large


@pytest.mark.parametrize(
    "verb, output", [("train_vision", "vision.keras"), ("train_memory", "memory.keras")]
)
def test_kill_9_in_the_second_iteration_changes_no_weight(two, tmp_path, verb, output):
    shutil.copytree(two[0], tmp_path / "run", ignore=shutil.ignore_patterns("*.mp4", "*.gif"))
    stage = output.removesuffix(".keras")
    for name in (output, f"stages/{stage}.json", f"checkpoints/{stage}/state.npz"):
        (tmp_path / "run/1" / name).unlink()
    killed_at_random(verb, tmp_path / "run", 1, random.Random(1))
    one, other = arrays(two[0] / "1" / output), arrays(tmp_path / "run/1" / output)
    assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("name", ["vision", "memory"])
def test_the_weights_begin_where_they_ended_or_afresh(two, opened, tmp_path, monkeypatch, name):  # noqa: F811
    shutil.copytree(two[0], tmp_path / "run", ignore=shutil.ignore_patterns("*.mp4", "*.gif"))
    module, begun = {"vision": train_vision, "memory": train_memory}[name], []

    def begins_with(*arguments, **more):
        network = next(a for a in arguments if hasattr(a, "trainable_variables"))
        begun[:] = [np.asarray(v) for v in network.trainable_variables]
        raise KeyboardInterrupt

    monkeypatch.setattr(module if name == "vision" else Training, "_fit", begins_with)
    taken = []
    for networks, controller in (("previous", "previous"), ("afresh", "anew")):
        (tmp_path / f"run/1/stages/{name}.json").unlink(missing_ok=True)
        run = opened(
            1,
            f"train_{name}",
            tmp_path / "run",
            iterate={"networks": networks, "controller": controller},
        )
        with pytest.raises(KeyboardInterrupt):
            getattr(module, f"train_{name}")(run)
        ended = [
            array
            for array in arrays(two[0] / f"0/{name}.keras").values()
            if array.dtype != np.uint32
        ]
        taken.append(all((a == b).all() for a, b in zip(begun, ended, strict=True)))
    assert taken == [True, False]
