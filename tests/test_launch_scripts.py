"""The launch scripts: which Python they use, which verbs they run, and which flags they refuse."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, SIX

SCRIPTS = [("carracing", "carracing", []), ("wm_doom", "takecover", ["--doom"])]


@pytest.fixture
def image(tmp_path):
    """A copy of the launch scripts, with a virtual environment whose commands only log their calls.

    Only the module that reads --iterations is real.
    """
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "launch_scripts", tmp_path / "launch_scripts")
    venv = tmp_path / "opt/venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/activate").write_text(f'export PATH="{venv}/bin:$PATH"\n')
    real = f'[[ "$2" != *.iterations ]] || PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n'
    for name in ("python", "jupyter"):
        noted = f'#!/bin/bash\n{real}echo "{name} $*" >> {tmp_path}/called\n'
        (venv / "bin" / name).write_text(noted)
        (venv / "bin" / name).chmod(0o755)

    def launch(script, *flags, **variables):
        (tmp_path / "called").write_text("")
        environment = os.environ | {"WORLDMODELS_VENV": str(venv)} | variables
        done = subprocess.run(
            ["bash", tmp_path / f"launch_scripts/{script}.bash", *flags],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert not (tmp_path / ".venv").exists()
        return done, (tmp_path / "called").read_text().splitlines()

    return launch


def test_setup_fills_the_named_environment_once_and_makes_no_second(image):
    _, called = image("setup", "--doom", "--cpu")
    assert len(called) == 2 and all(line.startswith("python -m pip install") for line in called)
    assert "vizdoom" in called[0] and "and-cuda" not in called[0]
    for again in ((), ("--doom",), ("--cpu",)):
        done, called = image("setup", *again)
        assert done.returncode == 0 and called == []
    _, called = image("setup", "--gpu")
    assert "and-cuda" in called[0] and "vizdoom" in called[0]
    done, called = image("setup", "--cuda")
    assert done.returncode == 2 and "--cuda" in done.stderr and called == []


@pytest.mark.parametrize("script, experiment, flags", SCRIPTS)
def test_a_launch_script_uses_the_named_environment(image, script, experiment, flags):
    image("setup", *flags)
    done, called = image(script, "--scale", "smoke")
    assert done.returncode == 0, done.stderr
    assert called == [
        f"python -m WorldModels.{words} --scale smoke"
        for words in [f"estimate {experiment} --brief", *(f"{verb} {experiment}" for verb in SIX)]
    ]


@pytest.mark.parametrize("script, experiment, flags", SCRIPTS)
@pytest.mark.parametrize("typed", (["--iterations", "2"], ["--iterations=2"]))
def test_a_launch_script_goes_through_all_iterations(image, script, experiment, flags, typed):
    image("setup", *flags)
    done, called = image(script, *typed)
    assert done.returncode == 0, done.stderr
    assert called[1:] == [
        f"python -m WorldModels.{verb} {experiment} {' '.join(typed)} --iteration {k}"
        for k in range(2)
        for verb in SIX
    ]


@pytest.mark.parametrize(
    "typed, expected",
    [
        (["--iteratons", "2"], "--iteratons"),
        (["--iterations", "many"], "many"),
        (["--iterations", "0"], "--iterations: expected a number from 1"),
        (["--iterations", "2", "--iteration", "1"], "--iteration: expected none with"),
    ],
)
def test_a_launch_script_refuses_flags_once_and_runs_no_verb(image, typed, expected):
    image("setup")
    done, called = image("carracing", *typed)
    assert done.returncode == 2 and expected in done.stderr
    assert [line.split()[2] for line in called] == ["WorldModels.estimate"]


def test_one_iteration_that_is_named_is_a_single_pass(image):
    image("setup")
    done, called = image("carracing", "--iteration", "1")
    assert done.returncode == 0 and len(called) == 1 + len(SIX)


def test_no_script_reads_flags_by_itself_and_the_verbs_stand_once():
    texts = {path.name: path.read_text() for path in (ROOT / "launch_scripts").glob("*.bash")}
    assert not [name for name, text in texts.items() if "=~" in text]
    assert [name for name, text in texts.items() if "for verb in" in text] == ["verbs.bash"]


def test_the_hooks_before_a_commit_are_the_checks_of_the_tests():
    hooks = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    script = (ROOT / "launch_scripts/test.bash").read_text()
    assert hooks == re.findall(r"^ruff .+", script, re.M)


def test_jupyter_starts_where_the_home_cannot_be_written(image, tmp_path):
    image("setup")
    called = tmp_path / "called"
    jupyter = tmp_path / "opt/venv/bin/jupyter"
    jupyter.write_text(f'#!/bin/bash\nmkdir -p "$HOME/.local" && echo "$HOME" >> {called}\n')
    (tmp_path / "file").touch()
    for home in (tmp_path / "file/home", ""):
        done, (place,) = image("notebook", HOME=str(home), TMPDIR=str(tmp_path))
        assert done.returncode == 0 and place.startswith(str(tmp_path)) and place != str(home)
        assert "cannot be written" in done.stderr
    done, (place,) = image("notebook", HOME=str(tmp_path / "opt"))
    assert place == str(tmp_path / "opt") and done.stderr == ""


def test_notebooks_listen_on_this_machine_unless_told_otherwise(image):
    image("setup")
    _, called = image("notebook", "--port", "9999", WORLDMODELS_NOTEBOOK_IP="")
    assert "--ip 127.0.0.1" in called[0] and called[0].endswith("--port 9999")
    dockerfile = (ROOT / "docker/Dockerfile.wm").read_text()
    (address,) = re.findall(r"WORLDMODELS_NOTEBOOK_IP=(\S+)", dockerfile)
    _, called = image("notebook", WORLDMODELS_NOTEBOOK_IP=address)
    assert "--ip 0.0.0.0" in called[0]
