"""What README tells people to type: every command parses, and those that stand alone are run."""

import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, SIX, run_verb_process

from WorldModels.__main__ import VERBS
from WorldModels.experiment.command import parse

TEXT = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"python -m WorldModels\.(\w+ carracing[^`\n#]*)", TEXT)))
SCRIPTS = sorted(set(re.findall(r"bash (launch_scripts/\w+\.bash)([^`\n#]*)", TEXT)))
# `train_controller --controller.rollouts 16 ...` as the tables of other repositories' commands have
# it
SHORT = sorted(set(re.findall(rf"`((?:{'|'.join(SIX)}) --[^`]*)`", TEXT)))


def test_the_readme_has_commands():
    assert COMMANDS and SCRIPTS and SHORT


@pytest.mark.parametrize("command", [*COMMANDS, *SHORT])
def test_every_flag_of_a_command_in_the_readme_is_known(command):
    verb, *flags = shlex.split(command)
    assert verb in VERBS
    stand_ins = {"D": "folder", "E": "3", "K": "4", "N": "5"}  # the letters of the tables
    flags = [stand_ins.get(flag, flag) for flag in flags if flag != "carracing"]
    if verb in SIX:
        parse(verb, ["carracing", *flags])


@pytest.mark.parametrize("script, flags", SCRIPTS)
def test_every_script_in_the_readme_is_there_and_its_flags_are_known(script, flags):
    assert (ROOT / script).exists()
    if script.endswith("carracing.bash"):
        parse("record", ["carracing", *shlex.split(flags)])


def test_every_file_in_the_readme_is_there():
    for name in re.findall(r"`((?:WorldModels|tests|launch_scripts)/[\w/.]+)`", TEXT):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\]\((imgs/[\w.]+)\)", TEXT):
        assert (ROOT / name).exists(), name


@pytest.mark.slow
def test_another_environment_is_recorded_as_the_readme_says(tmp_path):
    (command,) = [command for command in COMMANDS if "LunarLander" in command]
    flags = shlex.split(command)[2:]
    flags[flags.index("--results") + 1] = str(tmp_path / "lander")
    done = run_verb_process(
        "record", tmp_path / "lander", *[flag for flag in flags if flag != "carracing"]
    )
    assert done.returncode == 0, done.stderr
    assert len(list(Path(tmp_path / "lander/0/episodes").glob("*.npz"))) == 6


@pytest.mark.slow
def test_a_trained_controller_records_the_next_iteration(smoke_run, tmp_path):
    import numpy as np

    (tmp_path / "run").mkdir()
    (tmp_path / "run/0").symlink_to(smoke_run / "0")
    done = run_verb_process(
        "record",
        tmp_path / "run",
        "--iteration",
        "1",
        "--record.policies",
        "controller:0.5,held:0.5",
        "--controller.generation",
        "1",
    )
    assert done.returncode == 0, done.stderr
    drivers = {str(np.load(path)["policy"]) for path in (tmp_path / "run/1/episodes").glob("*.npz")}
    assert drivers == {"controller", "held"}
