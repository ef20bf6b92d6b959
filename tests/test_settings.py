"""The marks of every setting: its role, whether it is remembered, and when it acts."""

import dataclasses

import pytest

from WorldModels.compare import CompareSettings
from WorldModels.estimate import EstimateSettings
from WorldModels.experiment.command import parse
from WorldModels.experiment.fields import named
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.presets import preset
from WorldModels.experiment.stages import STAGES
from WorldModels.pictures import PictureSettings
from WorldModels.play import PlaySettings
from WorldModels.report import ReportSettings
from WorldModels.temperatures import TemperatureSettings

OWN = (
    CompareSettings,
    EstimateSettings,
    PictureSettings,
    PlaySettings,
    ReportSettings,
    TemperatureSettings,
)
FIRST = ("results", "force", "reuse", "workers", "iteration", "iterations")
THIS_CALL_ONLY = {*FIRST, "controller.generation", "evaluate.seeds", "dream.accept_gate"}


def every_setting():
    """(name, field) of every setting: of all games, and of verbs with flags of their own."""
    for name in GAMES:
        yield from ((each, field) for each, field, _ in named(preset(name, "laptop")))
    for kind in OWN:
        yield from ((field.name, field) for field in own_fields(kind))


def own_fields(kind):
    shared = {field.name for field in dataclasses.fields(parse("record", ["carracing"]))}
    return [field for field in dataclasses.fields(kind) if field.name not in shared]


def test_every_setting_has_its_marks():
    for name, field in every_setting():
        assert field.metadata.get("role") in ("shape", "recipe", "budget", "free"), name
        assert field.metadata.get("remembered") in (True, False), name
        assert isinstance(field.metadata.get("acts"), dict), name


def test_what_holds_for_one_call_alone():
    for name in GAMES:
        for each, field, _ in named(preset(name, "laptop")):
            assert field.metadata["remembered"] is (each not in THIS_CALL_ONLY), each
    for kind in OWN:
        assert not any(field.metadata["remembered"] for field in own_fields(kind)), kind


def test_a_setting_acts_under_conditions_that_there_are():
    settings = {name for name, _ in every_setting()}
    facts = {f"game.{field.name}" for field in dataclasses.fields(GAMES["carracing"])}
    for name, field in every_setting():
        for condition, values in field.metadata["acts"].items():
            assert condition in settings | facts and isinstance(values, tuple), (name, condition)


def test_every_noun_of_a_stage_is_a_noun():
    experiment = preset("carracing", "laptop")
    for stage in STAGES.values():
        assert all(dataclasses.is_dataclass(getattr(experiment, noun)) for noun in stage.nouns)
        assert set(stage.reads) <= set(STAGES)
        assert all(hasattr(experiment.iterate, name) for name in stage.iterates)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dream.sigma", "0.2"], ("--dream.sigma", "--controller.world dream or mixed")),
        (["--vision.depth", "8"], ("--vision.depth", "--vision.kind vae_gan")),
        (["--memory.window", "8"], ("--memory.window", "--memory.kind transformer or trade")),
        (["--controller.sigma-final", "0.1"], ("--controller.sigma-schedule anneal",)),
        (["--evaluate.dreams", "3"], ("--evaluate.dreams", "--controller.world")),
    ],
)
def test_a_flag_on_which_nothing_acts_is_refused_by_name(tmp_path, flags, words):
    with pytest.raises(ValueError) as refused:
        parse("record", ["carracing", "--scale", "smoke", "--results", str(tmp_path), *flags])
    assert all(word in str(refused.value) for word in words), refused.value


def test_where_the_game_has_no_road_flags_of_the_road_are_refused(tmp_path):
    lander = ["--env.id", "LunarLanderContinuous-v3", "--env.observation", "vector"]
    start = ["carracing", "--results", str(tmp_path), *lander, "--vision.kind", "dense"]
    assert parse("record", start).env.id == "LunarLanderContinuous-v3"
    with pytest.raises(ValueError, match="--record.random-start.*games with a road"):
        parse("record", [*start, "--record.random-start"])
    with pytest.raises(SystemExit):
        parse("record", [*start, "--env.renderer", "exact"])
