"""What "auto" means for dtype and decoder: timed once on a machine, and kept by each stage."""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from fake_world import fake_network

from WorldModels import train_memory, train_vision
from WorldModels.assembly.comparison import speeds
from WorldModels.assembly.speed.trial.small_run import SmallRun
from WorldModels.episodes.episode import Episode
from WorldModels.episodes.series import Series
from WorldModels.experiment import choice, machine
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.reuse import inputs_of
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.memory.batches import SeriesBatches
from WorldModels.memory.kinds import build_memory
from WorldModels.memory.training import to_time as to_time_memory
from WorldModels.vision.kinds import asked_choice, build_vision
from WorldModels.vision.training import to_time as to_time_vision

AUTO = {"dtype": "auto", "decoder_form": "auto"}
USUAL = {"dtype": "mixed_bfloat16", "decoder_form": "depth_to_space"}  # with AVX512_BF16
PLAIN = {"dtype": "float32", "decoder_form": "transpose"}
OTHER = {"dtype": "float32", "decoder_form": "depth_to_space"}
LAST = {"dtype": "mixed_bfloat16", "decoder_form": "transpose"}
Z, A = 4, 3
FLAGS = (
    *("--record.held-out-share", "0", "--vision.latent-size", str(Z), "--memory.lstm-size", "4"),
    *("--vision.encoder-filters", *"4488", "--vision.decoder-filters", *"844"),
)


class Clock:
    """Stands in for choice.step_seconds: gives USUAL, PLAIN, OTHER and LAST their times."""

    def __init__(self):
        self.calls, self.times = 0, [4.0, 3.0, 1.0, 2.0]

    def __call__(self, starts):
        self.calls += 1
        turns = [time if isinstance(time, list) else [time, time] for time in self.times]
        return turns[: len(starts)]


@pytest.fixture
def clock(monkeypatch, tmp_path):
    """A CPU with AVX512_BF16, an empty cache, and no training too short to be timed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(choice, "WORTH_TIMING", {"vision": 0, "memory": 0})
    monkeypatch.setattr(choice, "step_seconds", Clock())
    return choice.step_seconds


def fastest(sizes=None, otherwise=None, asked=AUTO, **where):
    here = machine.trained_on(keras) | where
    return choice.fastest(asked, sizes or {"batch": 2}, dict, here, lambda line: 0, otherwise)[0]


def cached(tmp_path):
    return sorted((tmp_path / "cache" / "worldmodels").glob("*"))


def test_a_trial_times_what_its_stage_will_choose_once_for_both(clock, tmp_path):
    run = SimpleNamespace(path=tmp_path, experiment=preset("carracing", "laptop"))

    def tried(asked=AUTO, began=None, amount=10**9):
        began = {"vision": began} if began else {}
        plan = {"actions": A, "cache": str(tmp_path), "began": began}
        return SmallRun(run, plan, 0.0).choice("vision", asked, amount, {"batch": 2}, dict)

    assert tried(asked=PLAIN) == PLAIN, "nothing is left open"
    assert tried(began={"trains_in": PLAIN}) == PLAIN, "it has begun with another"
    choice.WORTH_TIMING["vision"] = 2000
    assert tried(amount=1000) == USUAL, "a short training is not timed"
    assert clock.calls == 0
    assert tried() == OTHER == fastest() and clock.calls == 1


def test_what_is_fastest_is_timed_once_for_each_machine_and_size(clock, tmp_path):
    assert fastest() == OTHER == fastest() and clock.calls == 1
    (file,) = cached(tmp_path)
    assert read_json(file)["seconds"] == [[4.0, 4.0], [3.0, 3.0], [1.0, 1.0], [2.0, 2.0]]
    assert "sum" in json.loads(file.read_text())
    assert fastest(asked=AUTO | {"decoder_form": "transpose"}) == PLAIN and clock.calls == 2
    for number, other in enumerate(({"cores": 99}, {"keras": "9"}, {"processor": ["x"]})):
        fastest(**other)
        assert clock.calls == 3 + number
    fastest({"batch": 3})
    assert clock.calls == 6 == len(cached(tmp_path))


def test_the_usual_choice_stays_unless_another_is_clearly_faster(clock):
    for number, (times, expected) in enumerate(
        [
            ([1.0, 0.97, 0.98, 1.1], USUAL),
            ([1.0, 1.1, 1.2, 0.9], LAST),
            ([[1.0, 9.0], 1.1, [0.5, 9.1], 1.2], USUAL),  # OTHER was slower in one turn
            ([[3.0], [1.0, 1.1], [2.0, 0.9], [4.0]], OTHER),  # a hopeless one has fewer turns
            ([[], [], 1.0, 2.0], OTHER),  # what fails is never chosen ...
            ([[], [], [], []], USUAL),  # ... but where all fail: the training says what is wrong
        ]
    ):
        clock.times = times
        assert fastest({"batch": number}) == expected, times


def test_an_x86_cpu_that_only_imitates_bfloat16_is_not_timed_in_it(clock, monkeypatch):
    monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    clock.times = [4.0, 3.0]
    assert fastest() == OTHER and fastest(asked={"dtype": "auto"}) == {"dtype": "float32"}
    assert clock.calls == 1
    clock.times = [4.0, 3.0, 1.0, 2.0]
    assert fastest(device="gpu:0")["dtype"] == "mixed_bfloat16" and clock.calls == 2
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    fastest()
    assert clock.calls == 3


@pytest.mark.parametrize("how", ["damaged", "edited", "another", "no object", "too few"])
def test_times_that_cannot_be_trusted_are_taken_anew(how, clock, tmp_path):
    fastest()
    (file,) = cached(tmp_path)
    text, there = file.read_text(), read_json(file)
    if how == "damaged":
        file.write_text(text[:100])
    elif how == "edited":
        file.write_text(text.replace("4.0", "0.5"))
        assert file.read_text() != text
    elif how == "another":
        write_json(file, there | {"made_with": {}})
    elif how == "no object":
        write_json(file, [1])
    else:
        write_json(file, there | {"seconds": [[1.0], [2.0]]})
    assert fastest() == OTHER and clock.calls == 2
    assert fastest() == OTHER and clock.calls == 2 and file.read_text() == text


def test_without_a_cache_folder_times_are_kept_in_the_run(clock, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file, so no folder can be made here")
    assert fastest(otherwise=tmp_path / "run") == OTHER
    assert len(list((tmp_path / "run").iterdir())) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification says to ignore
    monkeypatch.setattr(Path, "home", homeless)
    assert machine.cache_folder() is None
    assert fastest(otherwise=tmp_path / "run") == OTHER and clock.calls == 1
    assert fastest() == OTHER  # nowhere to keep them is no error


def homeless():
    raise RuntimeError("no home")


def stops(*args, **how):
    raise KeyboardInterrupt


def run_verb_of(folder, verb, *flags):
    """Run a verb in this process up to the first step of its training; its stage's form."""
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *FLAGS, *flags]
    with pytest.raises(SystemExit) as stop:
        {"vision": train_vision, "memory": train_memory}[verb].main(argv)
    facts = read_json(folder / f"0/stages/{verb}.json")
    return (facts or {}).get("trains_in"), stop.value.code


@pytest.fixture
def folder(tmp_path):
    """A run with a few episodes, series, and a V in name only."""
    folder = tmp_path / "run"
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *FLAGS]
    draw = np.random.default_rng(0)

    def made(run):
        for i in range(2):
            frames = draw.integers(0, 256, (41, 64, 64, 3), np.uint8)
            episode = Episode(frames, np.zeros((40, A)), np.zeros(40), False, True, i, "held")
            episode.save(run.path / f"episodes/{i:06}.npz")
            mean = draw.standard_normal((41, Z)).astype(np.float32)
            (run.path / "series").mkdir(exist_ok=True)
            Series(mean, mean, np.zeros((40, A)), np.zeros(40), False).save(
                run.path / f"series/{i:06}.npz"
            )
        fake_network(run.path / "vision.keras", "V")
        for name in ("episodes", "series"):
            run.stage(name, inputs_of(run, name)).finish()

    run_verb("record", made, argv)
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """The same run, whose trainings stop as they begin."""
    monkeypatch.setattr("WorldModels.assembly.fit.fit_with_checkpoints", stops)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("noun", ["vision", "memory"])
def test_timing_before_a_training_changes_none_of_its_weights(noun, folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "typed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "WORTH_TIMING", {"vision": 0, "memory": 0})
    monkeypatch.setattr(choice, "SECONDS", 0.01)
    monkeypatch.setattr(choice, "dtypes_of", lambda device: choice.OPTIONS["dtype"])
    verb = {"vision": train_vision, "memory": train_memory}[noun]
    monkeypatch.setattr(verb, "_write" if noun == "vision" else "_export", lambda *how: None)
    argv = ["carracing", "--scale", "smoke", *FLAGS, "--results"]
    verb.main([*argv, str(folder)])
    (times,) = cached(tmp_path)
    assert len(read_json(times)["seconds"]) == (4 if noun == "vision" else 2)
    trains_in = read_json(folder / f"0/stages/{noun}.json")["trains_in"]
    flags = [[f"--{noun}.{name}".replace("_", "-"), value] for name, value in trains_in.items()]
    verb.main([*argv, str(tmp_path / "typed"), *sum(flags, [])])
    state = f"0/checkpoints/{noun}/state.npz"
    with np.load(folder / state) as one, np.load(tmp_path / "typed" / state) as other:
        names = [name for name in one.files if name != "header"]
        assert len(names) > 20 and set(one.files) == set(other.files)
        for name in names:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("noun", ["vision", "memory"])
def test_a_stage_keeps_what_it_began_with_and_its_log_says_why(noun, run, clock, tmp_path):
    vision = noun == "vision"
    expected = OTHER if vision else {"dtype": "float32"}
    usual = USUAL if vision else {"dtype": "mixed_bfloat16"}
    assert run_verb_of(run, noun) == (expected, 130) and clock.calls == 1
    log = (run / "log.txt").read_text()
    assert "trains in float32" in log and f"{choice.in_words(usual)} 4000 ms" in log
    for file in cached(tmp_path):
        file.unlink()
    clock.times = [1.0, 2.0, 3.0, 4.0]
    assert run_verb_of(run, noun) == (expected, 130) and clock.calls == 1
    assert "as when it began" in (run / "log.txt").read_text()
    form, _ = run_verb_of(run, noun, "--force")
    assert form["dtype"] == "mixed_bfloat16" and clock.calls == 2


@pytest.mark.parametrize("noun", ["vision", "memory"])
@pytest.mark.parametrize("flag", [True, False])
def test_an_older_stage_keeps_the_form_of_its_time(noun, flag, run, clock, monkeypatch):
    run_verb_of(run, noun)
    file = run / f"0/stages/{noun}.json"
    facts = read_json(file)
    del facts["trains_in"]
    write_json(file, facts)
    monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda: flag)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind=None: ["gpu:0"])
    form, _ = run_verb_of(run, noun)
    assert form["dtype"] == ("mixed_bfloat16" if flag else "float32")
    assert form.get("decoder_form", "transpose") == (
        "depth_to_space" if flag and noun == "vision" else "transpose"
    )


def test_a_finished_stage_that_goes_on_trains_in_the_same_form(run, clock, monkeypatch):
    monkeypatch.setattr(train_vision, "_fit", lambda *how: [{"epoch": 0}])
    monkeypatch.setattr(train_vision, "_write", lambda *how: None)
    argv = ["carracing", "--scale", "smoke", "--results", str(run), *FLAGS]
    train_vision.main(argv)
    facts = read_json(run / "0/stages/vision.json")
    assert facts["complete"] and facts["trains_in"] == OTHER
    clock.times = clock.times[::-1]
    train_vision.main([*argv, "--vision.epochs", "5"])
    facts = read_json(run / "0/stages/vision.json")
    assert facts["budgets"] == {"epochs": 5} and facts["trains_in"] == OTHER and clock.calls == 1


def test_a_short_training_and_a_typed_form_are_not_timed(run, clock, monkeypatch):
    flags = ("--vision.dtype", "mixed_bfloat16", "--vision.decoder-form", "transpose")
    assert run_verb_of(run, "vision", *flags)[0] == LAST
    assert run_verb_of(run, "memory", "--memory.dtype", "float32")[0] == {"dtype": "float32"}
    assert run_verb_of(run, "vision", "--force", "--vision.dtype", "float32")[0] == PLAIN
    monkeypatch.undo()
    monkeypatch.setattr("WorldModels.assembly.fit.fit_with_checkpoints", stops)
    monkeypatch.setattr(choice, "step_seconds", None)  # a call would fail
    run_verb_of(run, "vision", "--force", "--vision.dtype", "auto")
    assert "short training" in (run / "log.txt").read_text() and clock.calls == 0


def test_other_devices_than_a_cpu_do_not_follow_its_flag(monkeypatch):
    monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda: True)
    for device, dtype in (("gpu:0", "float32"), ("tpu:0", "mixed_bfloat16")):
        monkeypatch.setattr(keras.distribution, "list_devices", lambda kind=None, d=device: [d])
        vision = build_vision(VisionSettings(latent_size=Z), (64, 64, 3), 0)
        assert (vision.dtype_policy.name, vision.decoder_form) == (dtype, "transpose")
        assert build_memory(MemorySettings(lstm_size=Z), Z, A, 0).dtype_policy.name == dtype


def test_only_kinds_with_several_decoders_are_asked_for_one():
    for kind, names in (("vae", {"dtype", "decoder_form"}), ("vae_gan", {"dtype"})):
        assert asked_choice(VisionSettings(kind=kind), (64, 64, 3)).keys() == names
    assert asked_choice(VisionSettings(kind="dense"), (6,)) == {"dtype": "float32"}


def test_real_steps_are_timed_in_turns_and_what_fails_has_no_time(monkeypatch):
    monkeypatch.setattr(choice, "SECONDS", 0.01)
    small = {"encoder_filters": (4, 4, 8, 8), "decoder_filters": (8, 4, 4), "batch_size": 2}
    sizes, start = to_time_vision(VisionSettings(latent_size=Z, **small), (64, 64, 3))
    assert sizes["noun"] == "vision" and sizes["batch"] == {"observations": [2, 64, 64, 3]}

    def lacking(**form):
        raise NotImplementedError("this device has no such dtype")

    turns, none = choice.step_seconds([lambda: start(**USUAL), lacking])
    assert len(turns) == choice.TURNS and all(0 < seconds < math.inf for seconds in turns)
    assert none == []


@pytest.mark.parametrize("batching", ["episodes", "streams"])
def test_a_step_of_m_is_timed_as_it_trains(batching, monkeypatch):
    monkeypatch.setattr(choice, "SECONDS", 0.01)
    monkeypatch.setattr("WorldModels.memory.training.TIMED_LENGTH", 5)
    settings = replace(MemorySettings(lstm_size=4), batching=batching)
    draw = np.random.default_rng(0).standard_normal((3, 31, Z)).astype(np.float32)
    some = [Series(z, z, np.zeros((30, A), np.float32), np.zeros(30), True) for z in draw]
    batch = SeriesBatches(some, batching, 2, 10)[0]
    sizes, start = to_time_memory(settings, batch)
    assert sizes["batch"]["z"] == [2, 5, Z] and sizes["lstm_size"] == 4
    (turns,) = choice.step_seconds([lambda: start(dtype="float32")])
    assert len(turns) == choice.TURNS and all(0 < seconds < math.inf for seconds in turns)


def test_what_is_hopeless_gets_no_further_turn(monkeypatch):
    monkeypatch.setattr(choice, "_started", lambda start: start)
    monkeypatch.setattr(choice, "_timed", lambda step, seconds: step)
    one, other, slow = choice.step_seconds([1.0, 2.9, 3.1])
    assert len(one) == len(other) == choice.TURNS and slow == [3.1]


def test_compared_ms_are_timed_in_the_dtype_that_they_trained_in(tmp_path, monkeypatch):
    stages = tmp_path / "0/stages"
    write_json(stages / "memory.json", {"settings": {}, "trains_in": {"dtype": "mixed_bfloat16"}})
    experiment = type("Experiment", (), {"memory": MemorySettings()})
    contestant = type("Contestant", (), {"path": tmp_path / "0", "experiment": experiment})
    monkeypatch.setattr(speeds, "_medians", lambda measure, tasks, quick: tasks)
    (task,) = speeds.training([contestant], quick=True)
    assert task["settings"]["dtype"] == "mixed_bfloat16"
