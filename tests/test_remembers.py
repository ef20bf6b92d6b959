"""A run remembers: flags hold for every later verb, and each stage keeps its settings."""

import contextlib
import dataclasses
import io
import json

import pytest

from WorldModels.experiment.command import parse, run_verb
from WorldModels.experiment.memo import memo_of, typed_names
from WorldModels.experiment.run import Run
from WorldModels.experiment.stored import stored_experiment


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def called(folder, verb, *flags, stage="", inputs=None, finish=True, scale=True):
    """Run only the settings of a verb: its stage begins and, if asked, finishes."""
    argv = ["carracing", *(["--scale", "smoke"] if scale else []), "--results", str(folder), *flags]
    run = Run(parse(verb, argv), verb, argv, typed=typed_names(argv))
    try:
        if stage:
            made = run.stage(stage, inputs or {})
            if not made.complete:
                made.begin()
                if finish:
                    made.finish()
        return run
    finally:
        run.close()


def alone(folder, verb, **how):
    """The settings of a verb called with only --results."""
    return called(folder, verb, scale=False, **how).experiment


def test_what_was_typed_once_holds_for_every_later_verb(folder):
    flags = ("--seed", "1", "--vision.latent-size", "16", "--dream.temperature", "0.5")
    called(folder, "record", *flags, stage="episodes")
    for verb, stage in (("train_vision", "vision"), ("train_memory", "memory"), ("evaluate", "")):
        experiment = alone(folder, verb, stage=stage)
        assert (experiment.seed, experiment.scale) == (1, "smoke")
        assert experiment.vision.latent_size == 16 and experiment.dream.temperature == 0.5
        assert experiment == dataclasses.replace(called(folder, verb, *flags).experiment)
    stored = stored_experiment(folder)
    assert (stored.seed, stored.vision.latent_size, stored.dream.temperature) == (1, 16, 0.5)
    assert memo_of(folder).typed == {
        "seed": 1,
        "vision.latent_size": 16,
        "dream.temperature": 0.5,
    }


def test_a_refused_verb_leaves_no_flag(folder):
    called(folder, "record", stage="episodes")
    with pytest.raises(ValueError, match="--record.max-frames"):
        flags = ("--record.max-frames", "77", "--vision.epochs", "3")
        called(folder, "record", *flags, stage="episodes")
    assert memo_of(folder).typed == {}


def test_flags_for_one_call_are_not_remembered(folder):
    called(folder, "record", "--workers", "1", "--iteration", "0", stage="episodes")
    assert memo_of(folder).typed == {}


def test_another_name_or_scale_than_the_run_s_is_a_contradiction(folder):
    called(folder, "record", stage="episodes")
    with pytest.raises(ValueError, match="takecover.*carracing"):
        parse("record", ["takecover", "--results", str(folder)])
    with pytest.raises(ValueError, match="--scale: laptop.*smoke"):
        parse("record", ["carracing", "--scale", "laptop", "--results", str(folder)])


def test_a_stage_keeps_what_it_was_made_with(folder):
    called(folder, "train_vision", "--vision.learning-rate", "0.01", stage="vision")
    facts = (folder / "0/stages/vision.json").read_text()
    called(folder, "record", "--vision.learning-rate", "0.5", stage="episodes")  # not V's verb
    assert alone(folder, "encode").vision.learning_rate == 0.01
    assert (folder / "0/stages/vision.json").read_text() == facts
    with pytest.raises(ValueError, match="--vision.learning-rate: 0.5 .* 0.01"):
        called(folder, "train_memory", "--vision.learning-rate", "0.5", stage="memory")
    with pytest.raises(ValueError, match="--vision.learning-rate: 0.5 .* 0.01.*--force"):
        called(folder, "train_vision", "--vision.learning-rate", "0.5", stage="vision")
    forced = ("--vision.learning-rate", "0.5", "--force")
    called(folder, "train_vision", *forced, stage="vision")
    assert alone(folder, "encode").vision.learning_rate == 0.5


def test_each_stage_has_its_own_seed(folder):
    called(folder, "record", "--seed", "1", stage="episodes")
    run = called(folder, "train_vision", "--seed", "2", stage="vision")
    assert (run.seed_of("episodes"), run.seed_of("vision")) == (1, 2)
    assert alone(folder, "record").seed == 1 and alone(folder, "train_vision").seed == 2
    assert alone(folder, "encode").seed == 2  # the last seed typed


def test_a_budget_grows_and_never_shrinks(folder):
    called(folder, "train_vision", stage="vision")
    assert alone(folder, "train_vision").vision.epochs == 1
    called(folder, "record", "--vision.epochs", "3", stage="episodes")
    assert alone(folder, "train_vision").vision.epochs == 3
    called(folder, "train_vision", stage="vision")
    assert json.loads((folder / "0/stages/vision.json").read_text())["budgets"] == {"epochs": 3}


def test_a_kind_typed_now_drops_the_remembered_flags_of_its_noun(folder):
    called(folder, "record", "--memory.lstm-size", "16", "--vision.epochs", "2", stage="episodes")
    run = called(folder, "train_memory", "--memory.kind", "transformer", stage="memory")
    assert run.experiment.memory.lstm_size == 32 and run.experiment.vision.epochs == 2
    assert memo_of(folder).typed == {"memory.kind": "transformer", "vision.epochs": 2}
    later = alone(folder, "evaluate").memory
    assert later.kind == "transformer" and later == run.experiment.memory


def test_the_kind_that_is_remembered_brings_its_preset(folder):
    called(folder, "record", "--vision.kind", "vae_gan", stage="episodes")
    assert alone(folder, "train_vision").vision.latent_size == 16  # the VAE-GAN's at smoke scale


def test_an_unmade_stage_of_the_next_iteration_takes_the_settings_of_the_one_before(folder):
    called(folder, "train_vision", "--vision.learning-rate", "0.01", stage="vision")
    (folder / "1").mkdir()
    (folder / "config.json").unlink()  # so that no remembered flag gives it
    experiment = called(folder, "train_vision", "--iteration", "1").experiment
    assert experiment.vision.learning_rate == 0.01


def test_an_earlier_iteration_is_shown_with_its_own_settings(folder):
    from WorldModels.assembly.showing.run import opened

    for iteration, rate in enumerate(("0.01", "0.02")):
        flags = ("--iteration", str(iteration), "--vision.learning-rate", rate)
        called(folder, "train_vision", *flags, stage="vision")
    shown = [opened(folder, iteration).experiment for iteration in (0, 1, -1)]
    assert [each.vision.learning_rate for each in shown] == [0.01, 0.02, 0.02]


def test_another_run_s_settings_take_the_preset_s_place(folder, tmp_path):
    flags = ("--record.max-frames", "40", "--vision.latent-size", "8")
    called(folder, "record", *flags, stage="episodes")
    (folder / "0/episodes").mkdir()
    (folder / "0/episodes/000000.npz").write_bytes(b"an episode")
    other = tmp_path / "other"
    run = called(other, "record", "--reuse", str(folder), stage="episodes")
    assert run.experiment.record.max_frames == 40 and run.experiment.vision.latent_size == 8
    assert (other / "0/episodes/000000.npz").read_bytes() == b"an episode"
    third = tmp_path / "third"
    asked = ("--reuse", str(folder), "--record.max-frames", "50")
    assert called(third, "record", *asked, stage="episodes").experiment.record.max_frames == 50
    assert not (third / "0/episodes").exists()


def test_what_a_verb_needs_is_taken_from_the_other_run(folder, tmp_path):
    called(folder, "record", stage="episodes")
    (folder / "0/episodes").mkdir()
    (folder / "0/episodes/000000.npz").write_bytes(b"an episode")
    run = called(tmp_path / "other", "train_vision", "--reuse", str(folder))
    assert (run.need("episodes", "record") / "000000.npz").read_bytes() == b"an episode"


def test_a_stage_that_another_run_s_settings_contradict_is_refused_with_both(folder, tmp_path):
    called(folder, "record", stage="episodes")
    other = tmp_path / "other"
    called(other, "record", "--record.max-frames", "50", "--record.episodes", "1")
    run = called(other, "train_vision", "--record.max-frames", "50", stage="vision")
    argv = ["carracing", "--results", str(other), "--reuse", str(folder)]
    run = Run(parse("record", argv), "record", argv, typed=typed_names(argv))
    with pytest.raises(ValueError, match="--record.max-frames: 50 here.*60"):
        run.stage("episodes")
    run.close()


def test_a_verb_that_is_refused_after_reuse_leaves_no_flag(folder, tmp_path):
    called(folder, "record", stage="episodes")
    (folder / "0/episodes").mkdir()
    (folder / "0/episodes/000000.npz").write_bytes(b"an episode")
    flags = ("--reuse", str(folder), "--controller.population-size", "6")
    run = called(tmp_path / "other", "train_controller", *flags)
    with pytest.raises(FileNotFoundError):
        run.need("vision.keras", "train_vision")
    assert memo_of(run.folder) is None


def test_steps_of_m_are_refused_where_epochs_count(tmp_path):
    with pytest.raises(ValueError, match="--memory.steps.*--memory.epochs 0"):
        argv = ["carracing", "--results", str(tmp_path / "run"), "--memory.epochs", "2"]
        parse("record", [*argv, "--memory.steps", "7"])


def said(folder, verb, *flags, stage=""):
    """What a verb prints when it opens the run."""
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *flags]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run_verb(verb, lambda run: stage and run.stage(stage).begin(), argv)
    return printed.getvalue()


def test_a_remembered_flag_on_which_nothing_acts_any_more_is_named_once(folder):
    dreams = ("--dream.sigma", "0.3", "--dream.rollouts", "3", "--vision.epochs", "2")
    assert said(folder, "record", "--controller.world", "dream", *dreams, stage="episodes") == ""
    real = ("--controller.world", "real")
    (line,) = said(folder, "train_vision", *real, stage="vision").splitlines()
    assert line == (
        "train_vision: --dream.rollouts 3, --dream.sigma 0.3: remembered, but nothing uses "
        "them now: they only act with --controller.world dream or mixed, and here that is real."
    )
    assert line in (folder / "log.txt").read_text()
    assert said(folder, "train_vision", *real, stage="vision") == said(folder, "encode") == ""
    assert memo_of(folder).typed["dream.sigma"] == 0.3
    again = called(folder, "encode", "--controller.world", "dream").experiment
    assert again.dream.sigma == 0.3


def test_the_flags_that_another_kind_drops_are_named(folder):
    said(folder, "record", "--memory.lstm-size", "16", "--memory.steps", "9", stage="episodes")
    (line,) = said(folder, "encode", "--memory.kind", "transformer", stage="series").splitlines()
    assert line == (
        "encode: --memory.lstm-size 16, --memory.steps 9: forgotten, since the kind of memory "
        "is another one now."
    )
    assert memo_of(folder).typed == {"memory.kind": "transformer"}


def test_a_verb_that_only_reads_names_it_too_and_writes_nothing(folder, capsys):
    said(folder, "record", "--dream.threshold", "0.4", stage="episodes")
    log = (folder / "log.txt").read_text()
    argv = ["carracing", "--results", str(folder), "--dream.termination", "never"]
    run_verb("play", lambda run: None, argv, reads_only=True)
    assert "play: --dream.threshold 0.4: remembered" in capsys.readouterr().out
    assert (folder / "log.txt").read_text() == log
