"""Kinds by name: settings and registries agree, each has presets, and a mistake gives one line."""

import re

import pytest
from conftest import run_verb_process

from WorldModels.assembly.comparison.kinds import NOUNS
from WorldModels.control.evolution import OPTIMIZERS
from WorldModels.experiment.command import parse
from WorldModels.experiment.presets import KINDS, SCALES
from WorldModels.memory.kinds import KINDS as MEMORIES
from WorldModels.vision.kinds import KINDS as VISIONS

REGISTERED = {"memory": MEMORIES, "vision": VISIONS, "optimizer": OPTIMIZERS}


def without_box(said):
    return " ".join(re.sub("[│╭╮╰╯─]", " ", said).split())


@pytest.mark.parametrize("noun", NOUNS)
def test_settings_name_exactly_the_kinds_that_there_are(noun):
    assert set(NOUNS[noun].kinds) == set(REGISTERED[noun])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("noun, kind", KINDS)
def test_a_kind_brings_its_own_numbers_which_a_flag_overrules(noun, kind, scale):
    name, *form = kind.split(":")
    flags = (
        [f"--{noun}.kind", name]
        + ["--memory.trade", *form] * bool(form)
        + ["--env.observation", "vector"] * (name == "dense")
    )
    chosen, overruled = (
        getattr(parse("train", ["carracing", "--scale", scale, *flags, *more]), noun)
        for more in ([], [f"--{noun}.learning-rate", "0.5"])
    )
    differences = KINDS[noun, kind].get(scale, {})
    assert (
        chosen.kind == name
        and {field: getattr(chosen, field) for field in differences} == differences
    )
    assert overruled.learning_rate == 0.5 and overruled.kind == name


@pytest.mark.parametrize(
    "flag, noun",
    [
        ("--vision.kind", "vision"),
        ("--memory.kind", "memory"),
        ("--controller.optimizer", "optimizer"),
    ],
)
def test_an_unknown_kind_lists_those_that_exist(tmp_path, flag, noun):
    done = run_verb_process("train_memory", tmp_path / "run", flag, "lstm")
    said = without_box(done.stderr)
    assert (
        done.returncode == 2 and "lstm" in said and all(kind in said for kind in REGISTERED[noun])
    ), said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags, words",
    [
        *[
            (
                ["--memory.kind", kind, "--controller.features", "zch"],
                f"expected z or zh, received zch: --memory.kind {kind} has no c.",
            )
            for kind in sorted(set(MEMORIES) - {"mdn_rnn"})
        ],
        (
            ["--memory.kind", "trade", "--memory.trade", "paper", "--memory.mixture", "joint"],
            "expected independent with --memory.trade paper, received joint",
        ),
        (
            ["--memory.kind", "transformer", "--memory.restart-input"],
            "expected False with --memory.kind transformer",
        ),
        (
            ["--vision.kind", "vae_gan", "--vision.rare-weight", "3"],
            "expected 0 with --vision.kind vae_gan",
        ),
    ],
)
def test_what_a_kind_cannot_give_is_refused_before_anything_is_made(tmp_path, flags, words):
    done = run_verb_process("record", tmp_path / "run", *flags)
    said = without_box(done.stderr)
    assert done.returncode == 2 and words in said, said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "verb, flag, before, now",
    [
        ("train_vision", "--vision.kind", "vae", "vae_gan"),
        ("train_memory", "--memory.kind", "mdn_rnn", "transformer"),
        ("train_controller", "--controller.optimizer", "cma", "ga"),
    ],
)
def test_a_run_of_another_kind_is_refused_with_both_names(smoke_run, verb, flag, before, now):
    done = run_verb_process(verb, smoke_run, flag, now)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"{flag}: {now}" in done.stderr and f"with {before}" in done.stderr, done.stderr
