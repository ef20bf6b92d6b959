"""The command line: presets, flags, and what a user's mistake looks like."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_module
from conftest import run_verb_process

from WorldModels.__main__ import VERBS
from WorldModels.experiment.command import parse, run_verb
from WorldModels.experiment.fields import plain
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.presets import SCALES, preset

ROOT = Path(__file__).parent.parent
SIX = ["record", "train_vision", "encode", "train_memory", "train_controller", "evaluate"]


def refused(capsys, argv, work=lambda run: None):
    with pytest.raises(SystemExit) as stop:
        run_verb("record", work, argv)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "scale"), [(name, scale) for name in GAMES for scale in GAMES[name].presets]
)
def test_every_preset_is_built_and_round_trips_through_the_command_line(name, scale):
    where = [] if GAMES[name].id else ["--results", "any"]
    found = parse("record", [name, "--scale", scale, *where])
    assert dataclasses.replace(found, results="") == preset(name, scale)
    assert scale in SCALES


def test_a_flag_states_one_difference():
    settings = parse(
        "train_memory", ["carracing", "--scale", "smoke", "--memory.epochs", "2", "--seed", "3"]
    )
    expected = preset("carracing", "smoke")
    assert settings == dataclasses.replace(
        expected, seed=3, memory=dataclasses.replace(expected.memory, epochs=2)
    )


@pytest.mark.parametrize(
    "argv, words",
    [
        (["nosuchgame"], ["carracing", "nosuchgame"]),
        ([], ["carracing"]),
        (["carracing", "--scale", "huge"], ["smoke", "laptop", "paper", "huge"]),
        (["carracing", "--vision.latent", "3"], ["--vision.latent-size"]),
        (["carracing", "--memory.epochs", "two"], ["two"]),
        (["carracing", "--env.renderer", "vulkan"], ["official", "vulkan"]),
        (["carracing", "--record.episodes", "0"], ["--record.episodes", "0"]),
        (["carracing", "--record.episodes", "-5"], ["--record.episodes", "-5"]),
        (["carracing", "--vision.learning-rate", "nan"], ["--vision.learning-rate", "nan"]),
        (["carracing", "--record.min-frames", "2000"], ["--record.min-frames", "2000"]),
        (
            ["carracing", "--controller.steps", "0", "--controller.generations", "0"],
            ["--controller.steps"],
        ),
    ],
)
def test_a_mistake_is_refused_with_what_was_expected_and_what_came(capsys, tmp_path, argv, words):
    message = refused(capsys, [*argv, *(["--results", str(tmp_path / "run")] if argv else [])])
    assert all(word in message for word in words), message
    assert "Traceback" not in message
    assert not (tmp_path / "run").exists()


def test_an_unknown_verb_is_refused_with_the_list_of_verbs():
    done = run_module("WorldModels", "nosuchverb")
    assert done.returncode == 2 and "nosuchverb" in done.stderr and "train_vision" in done.stderr


def test_the_package_lists_its_verbs():
    done = run_module("WorldModels")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", SIX[1:])
def test_a_verb_before_its_input_names_the_command_that_makes_it(verb, tmp_path):
    done = run_verb_process(verb, tmp_path / "run")
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and "python -m WorldModels." in errors[0] and str(tmp_path) in errors[0]
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = refused(capsys, ["carracing", "--results", str(tmp_path / "file" / "run")])
    assert str(tmp_path / "file") in message and "--results" in message


def test_the_second_run_in_a_folder_is_refused(capsys, tmp_path):
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path)]
    run_verb("record", lambda run: None, argv)
    messages = []
    run_verb("record", lambda run: messages.append(refused(capsys, argv)), argv)
    assert "in use by record" in messages[0] and f"process {os.getpid()}" in messages[0]


def test_the_run_keeps_its_settings_and_its_log(tmp_path):
    argv = ["carracing", "--scale", "smoke", "--seed", "7", "--results", str(tmp_path)]
    run_verb("record", lambda run: (run.say("a line"), run.stage("episodes").begin()), argv)
    assert '"seed": 7' in (tmp_path / "config.json").read_text()
    assert "record: a line" in (tmp_path / "log.txt").read_text()


def test_a_refused_command_leaves_nothing_that_contradicts_the_next(tmp_path):
    driven = ["--record.policies", "controller"]
    for flags in (driven, ["--env.id", "NoSuchGame-v0"], ["--iteration", "2", *driven]):
        done = run_verb_process("record", tmp_path / "run", *flags)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert {path.name for path in (tmp_path / "run").iterdir()} <= {".lock", "log.txt"}


def test_a_remedy_repeats_the_flags_that_were_typed(capsys, tmp_path):
    argv = ["carracing", "--seed", "3", "--results", str(tmp_path / "a run"), "--force"]
    message = refused(capsys, argv, lambda run: run.need("vision.keras", "train_vision"))
    assert (
        f"python -m WorldModels.train_vision carracing --seed 3 --results '{tmp_path / 'a run'}'"
        in message
    )


def test_settings_are_frozen():
    settings = preset("carracing", "paper")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 1
    assert plain(settings)["vision"]["encoder_filters"] == [32, 64, 128, 256]


@pytest.mark.parametrize(
    "flags",
    [
        ["carracing"],
        ["takecover", "--scale", "smoke", "--seed", "3", "--memory.no-terminated-head"],
        [
            "carracing",
            "--vision.kind",
            "vae_gan",
            "--vision.depth",
            "8",
            "--env.frame-size",
            "96",
        ],
        [
            "carracing",
            "--scale",
            "paper",
            "--memory.kind",
            "trade",
            "--memory.trade",
            "paper",
            "--controller.features",
            "z",
        ],
    ],
)
def test_what_is_typed_for_settings_gives_them_again(flags):
    from WorldModels.experiment.stored import typed

    settings = parse("record", flags)
    assert parse("record", typed(settings)) == settings and len(typed(settings)) <= 2 + len(flags)


@pytest.mark.slow
@pytest.mark.parametrize(
    "early, asked, said", [("0", None, 1), ("0", "1", 1), ("1", None, 0), ("0", "0", 0)]
)
def test_a_tensorflow_imported_earlier_without_onednn_is_said_once(early, asked, said):
    """With what was set when TensorFlow was imported, and what is set when this package is."""
    code = f"""
import os, tensorflow
os.environ.pop("TF_ENABLE_ONEDNN_OPTS")
os.environ |= {dict(TF_ENABLE_ONEDNN_OPTS=asked) if asked else {}}
import WorldModels, WorldModels.record, WorldModels.assembly.models
from WorldModels.experiment.machine import one_dnn
print(one_dnn())
"""
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": early}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("import WorldModels first, or set TF_ENABLE_ONEDNN_OPTS=1") == said
    assert ("imported before without it" in done.stdout) == bool(said)


@pytest.mark.parametrize("given, held", [(None, "1"), ("0", "0")])
def test_onednn_is_on_before_tensorflow_is_imported_unless_the_user_says_otherwise(
    tmp_path, given, held
):
    """Without AVX512, TensorFlow would leave it off; log.txt says whether it is on.

    Importing the package does the same.
    """
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"
    }
    environment |= {"TF_ENABLE_ONEDNN_OPTS": given} if given else {}
    code = f"""
import os, sys, WorldModels
assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "{held}" and "tensorflow" not in sys.modules
from WorldModels.experiment.command import run_verb
run_verb("record", lambda run: None, ["carracing", "--results", {str(tmp_path / "run")!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (
        f"TF_ENABLE_ONEDNN_OPTS={held}" in (tmp_path / "run/log.txt").read_text()
        and "ONEDNN" not in done.stdout
    )
