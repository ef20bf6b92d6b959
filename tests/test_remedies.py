"""Each command that a message suggests names its run, and its own verb accepts it."""

import ast
import dataclasses
import importlib
import shlex
from pathlib import Path

import pytest
from house import PACKAGE

from WorldModels.experiment.command import _opened, parse
from WorldModels.experiment.damage import again
from WorldModels.experiment.flags import without
from WorldModels.experiment.presets import preset
from WorldModels.experiment.remedies import command_for
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import stage_facts

SIX = ("record", "train_vision", "encode", "train_memory", "train_controller", "evaluate")
# Each flag that takes several values, and the flags that one verb alone has: verb -> class, flags.
OWN = {
    "temperatures": ("TemperatureSettings", ["--temperatures", "0.5", "1.0", "--games", "3"]),
    "compare": (
        "CompareSettings",
        ["--noun=vision", "--kinds", "vae", "--frames", "9", "--tracks", "2"],
    ),
    "pictures": ("PictureSettings", ["--to", "a folder"]),
    "play": ("PlaySettings", ["--world", "dream", "--temperature", "1.5", "--frames", "2"]),
    "report": ("ReportSettings", ["--to", "page.html"]),
}
SEVERAL = [
    "--vision.encoder-filters",
    "8",
    "8",
    "8",
    "8",
    "--vision.decoder_filters",
    "8",
    "8",
    "8",
]


def words_of(command):
    """The verb and the arguments of a suggested command."""
    python, _, module, *words = shlex.split(command)
    assert python == "python" and module.startswith("WorldModels.")
    return module.removeprefix("WorldModels."), words


def run_of(verb, argv, settings=Experiment):
    experiment = parse(verb, argv, settings=settings)
    return _opened(experiment, verb, argv, reads_only=True)


@pytest.mark.parametrize("verb", OWN)
@pytest.mark.parametrize("own_first", (True, False))
def test_a_remedy_of_a_verb_with_flags_of_its_own_is_accepted(tmp_path, verb, own_first):
    kind, own = OWN[verb]
    settings = getattr(importlib.import_module(f"WorldModels.{verb}"), kind)
    shared = {field.name for field in dataclasses.fields(Experiment)}
    named = {field.name for field in dataclasses.fields(settings)} - shared
    assert named == {word.split("=")[0][2:] for word in own if word.startswith("--")}
    common = [
        "--results",
        str(tmp_path / "a run"),
        *SEVERAL,
        "--seed=3",
        "--no-record.full-episode",
    ]
    common = [*common[:-1], "--record.no-full-episode"]
    argv = ["takecover", *(own + common if own_first else common + own)]
    run = run_of(verb, argv, settings)
    for wanted in SIX:
        found, words = words_of(run.command(wanted, 2))
        experiment = parse(found, words)
        assert found == wanted and experiment.results == str(tmp_path / "a run")
        assert experiment.vision.encoder_filters == (8, 8, 8, 8) and experiment.seed == 3
        assert not experiment.record.full_episode and experiment.iteration == 2


def test_a_flag_that_only_a_comparison_accepts_is_not_suggested(tmp_path):
    from WorldModels.compare import CompareSettings

    argv = ["carracing", "--results", str(tmp_path), "--memory.window", "8", "--seed", "1"]
    run = run_of("compare", argv, CompareSettings)
    verb, words = words_of(run.command("train_vision"))
    assert words == ["carracing", "--results", str(tmp_path), "--seed", "1"]
    assert parse(verb, words).seed == 1


def test_a_flag_goes_with_all_its_values_and_nothing_else():
    flags = ["x", "--a", "1", "2", "--ab", "3", "--a=4", "--b_c", "-5", "--a", "6"]
    assert without(flags, "--a", float("inf")) == ["x", "--ab", "3", "--b_c", "-5"]
    assert without(flags, "--b-c") == [word for word in flags if word not in ("--b_c", "-5")]
    assert without(["--a", "x", "y"], "--a") == ["y"]
    assert without(["--a", "x"], "--a", 0) == ["x"]
    assert without(["--a=1", "2", "3", "--b", "4"], "--a", float("inf")) == ["--b", "4"]
    assert without(["--a=1", "2"], "--a") == ["2"]


def test_a_run_opened_without_flags_names_its_folder(tmp_path):
    experiment = dataclasses.replace(preset("takecover", "smoke"), results=str(tmp_path / "run"))
    _, words = words_of(Run(experiment, "evaluate", reads_only=True).command("record"))
    assert parse("record", words) == experiment


@pytest.mark.parametrize("inside", ("", "1", "1/vision.keras", "1/controller/best.npz"))
def test_a_file_alone_leads_to_its_run(tmp_path, inside):
    folder = tmp_path / "my run"
    for iteration in ("0", "1"):
        (folder / iteration).mkdir(parents=True)
    (folder / "config.json").write_text('{"name": "takecover", "scale": "smoke", "typed": {}}')
    verb, words = words_of(command_for(folder / inside, "train_vision"))
    experiment = parse(verb, words)
    assert (experiment.name, experiment.scale) == ("takecover", "smoke")
    assert experiment.results == str(folder) and experiment.iteration == (1 if inside else -1)


def test_a_folder_without_a_run_is_named_too(tmp_path):
    path = tmp_path / "my folder/0/memory.keras"
    _, words = words_of(command_for(path, "train_memory", "takecover"))
    assert words == ["takecover", "--results", str(tmp_path / "my folder")]


def test_what_is_missing_names_the_run(tmp_path):
    from WorldModels.assembly.opening import first_latents
    from WorldModels.experiment.stored import stored_experiment

    for missing in (lambda: first_latents(tmp_path / "0"), lambda: stored_experiment(tmp_path)):
        with pytest.raises(FileNotFoundError) as refused:
            missing()
        verb, words = words_of("python -m" + str(refused.value).split("python -m")[1])
        assert parse(verb, words).results == str(tmp_path)


def test_commands_are_put_together_in_one_place():
    """Elsewhere nothing but a docstring, or the usage of a verb, holds the words of a command."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if text and "-m WorldModels." in node.value and id(node) not in docs:
                found.add(str(path.relative_to(PACKAGE)))
    usage = {"experiment/command.py", "benchmark.py"}
    assert found - usage == {str(Path("experiment/remedies.py"))}


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("temperatures/1/state.pkl", "temperatures carracing --results {} --force"),
        ("temperatures/0.5/state.pkl", "temperatures carracing --results {} --force"),
        (
            "evaluation/generation-418/evaluation.json",
            "evaluate carracing --results {} --controller.generation 418",
        ),
        ("evaluation/best/evaluation.json", "evaluate carracing --results {}"),
    ],
)
def test_a_damaged_file_is_made_again_by_the_command_for_it(file, command, tmp_path):
    (tmp_path / "config.json").write_text('{"name": "carracing", "scale": "smoke", "typed": {}}')
    assert again(tmp_path / "0" / file) == f"python -m WorldModels.{command.format(tmp_path)}"


def test_an_edited_evaluation_of_a_generation_is_made_again_by_its_own_command(tmp_path):
    file = tmp_path / "0/stages/evaluation-generation-2.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(ValueError, match=r"evaluate .* --controller\.generation 2$"):
        stage_facts(tmp_path / "0", "evaluation-generation-2")
