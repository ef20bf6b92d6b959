"""One smoke-scale run of the launch script, shared by all tests that need a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SIX = ["record", "train_vision", "encode", "train_memory", "train_controller", "evaluate"]


def pytest_collection_modifyitems(items):
    """Tests that share a run, or else a file, stay in one process: what they share is made once, and nobody disturbs it."""
    for item in items:
        shared = next((name for name in ("smoke_script", "doom_script") if name in item.fixturenames), item.path.name)
        item.add_marker(pytest.mark.xdist_group(shared))


def run_verb_process(verb, folder, *flags, env=None, **kwargs):
    """A verb as a user types it, at smoke scale; gives the finished process."""
    command = [sys.executable, "-m", f"WorldModels.{verb}", "carracing", "--scale", "smoke", "--results", str(folder), *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env or os.environ, **kwargs)


@pytest.fixture(scope="session")
def smoke_script(tmp_path_factory):
    """The folder and the output of `bash launch_scripts/carracing.bash --scale smoke`."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    command = ["bash", "launch_scripts/carracing.bash", "--scale", "smoke", "--results", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.fixture(scope="session")
def smoke_run(smoke_script):
    """The folder of a finished smoke-scale run."""
    return smoke_script[0]


@pytest.fixture(scope="session")
def doom_script(tmp_path_factory):
    """The folder and the output of `bash launch_scripts/wm_doom.bash --scale smoke`."""
    folder = tmp_path_factory.mktemp("doom") / "run"
    command = ["bash", "launch_scripts/wm_doom.bash", "--scale", "smoke", "--results", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.fixture(scope="session")
def doom_run(doom_script):
    """The folder of a finished smoke-scale run of Take Cover."""
    return doom_script[0]
