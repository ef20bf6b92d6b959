"""Pixels that change rarely weigh more by default, so that V sees a ball of 2x2 pixels."""

import dataclasses
import json

import pytest

from WorldModels.experiment.command import parse
from WorldModels.experiment.games.game import SMALL_THINGS
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.memo import memo_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.experiment.stored import stored_experiment, typed

PUBLISHED = {name: getattr(VisionSettings, name) for name in SMALL_THINGS}
ELSEWHERE = ("--env.id", "MountainCarContinuous-v0")


def weights(vision):
    return {name: getattr(vision, name) for name in PUBLISHED}


@pytest.mark.parametrize(
    "words, expected",
    [
        ("carracing", PUBLISHED),
        ("carracing --env.id CarRacing-v3", PUBLISHED),
        ("takecover --env.id CarRacing-v3", PUBLISHED),
        ("takecover", {"rare_weight": 12.0, "kl_weight": 0.3}),
        ("carracing --env.id TakeCover", {"rare_weight": 12.0, "kl_weight": 0.3}),
        ("carracing --env.id MountainCarContinuous-v0", SMALL_THINGS),
        ("takecover --env.id MountainCarContinuous-v0", SMALL_THINGS),
    ],
)
def test_rare_pixels_weigh_more_where_the_game_needs_it(tmp_path, words, expected):
    def vision(scale):
        words_of = [*words.split(), "--scale", scale, "--results", str(tmp_path / scale)]
        return weights(parse("record", words_of).vision)

    assert vision("smoke") == vision("laptop") == PUBLISHED | expected
    assert vision("paper") == PUBLISHED


@pytest.mark.parametrize(
    "flags",
    [("--vision.kind", "vae_gan"), ("--vision.kind", "dense", "--env.observation", "vector")],
)
def test_a_kind_that_weighs_no_pixels_keeps_its_own_numbers(tmp_path, flags):
    words = ["carracing", "--results", str(tmp_path), *flags]
    elsewhere, usual = (parse("record", [*words, *env]).vision for env in (ELSEWHERE, ()))
    assert elsewhere == usual and usual.rare_weight == 0


def test_a_game_s_own_presets_come_before_what_its_pictures_need(monkeypatch, tmp_path):
    game = GAMES["takecover"]
    for own, expected in (({"rare_weight": 5.0}, 5.0), ({}, 12.0)):
        changed = {**game.presets["smoke"], "vision": own}
        presets = {**game.presets, "smoke": changed}
        monkeypatch.setitem(GAMES, "takecover", dataclasses.replace(game, presets=presets))
        words = ["takecover", "--scale", "smoke", "--results", str(tmp_path)]
        assert parse("record", words).vision.rare_weight == expected


def called(folder, verb, stage, *flags):
    """A verb that begins its stage with some flags; the settings that it works with."""
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *flags]
    names = frozenset(flag[2:].replace("-", "_") for flag in flags if flag.startswith("--"))
    run = Run(parse(verb, argv), verb, argv, typed=names)
    run.stage(stage, {}).begin()
    run.close()
    return run.experiment


def test_every_later_verb_and_reader_has_the_weights_of_the_remembered_environment(tmp_path):
    called(tmp_path, "record", "episodes", *ELSEWHERE)
    later = parse("train_vision", ["carracing", "--results", str(tmp_path)])
    assert weights(later.vision) == weights(stored_experiment(tmp_path).vision) == SMALL_THINGS
    assert memo_of(tmp_path).typed == {"env.id": ELSEWHERE[1]}
    words = typed(later)
    assert ELSEWHERE[1] in words and "--vision.rare-weight" not in words
    again = parse("record", [*words, "--results", str(tmp_path / "again")])
    assert again.vision == later.vision


def test_a_v_made_before_keeps_the_weights_of_its_stage(tmp_path):
    published = ("--vision.rare-weight", "0", "--vision.kl-weight", "1", "--vision.no-median-start")
    called(tmp_path, "train_vision", "vision", *ELSEWHERE, *published)
    (tmp_path / "config.json").write_text(
        json.dumps({"name": "carracing", "scale": "smoke", "typed": {"env.id": ELSEWHERE[1]}})
    )
    again = called(tmp_path, "train_vision", "vision")
    assert weights(again.vision) == PUBLISHED
