"""A trial of a run: it plays and trains what the run's stages would, and leaves nothing behind.

No time is asserted: machines differ.
"""

import itertools
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, run_verb_process
from fake_world import CONTROLLER, Line

from WorldModels.assembly.evaluation.examiner import DRIVER
from WorldModels.assembly.recorder import Recorder
from WorldModels.assembly.speed import others as processor
from WorldModels.assembly.speed.paces import Pace
from WorldModels.assembly.speed.recorded import recorded_in
from WorldModels.assembly.speed.trial import clock as clocks
from WorldModels.assembly.speed.trial import memory, networks, vision, whole
from WorldModels.assembly.speed.trial.clock import Clock, Clocked, Played
from WorldModels.assembly.speed.trial.plays import pace_of
from WorldModels.assembly.speed.trial.small_run import SmallRun
from WorldModels.assembly.speed.trial.worlds import ClockedExaminer, ClockedRecorder, Player
from WorldModels.assembly.speed.work import Work
from WorldModels.control.controller import ControllerPolicy
from WorldModels.control.rollout import rollout
from WorldModels.episodes.episode import Episode
from WorldModels.experiment.command import parse, run_verb
from WorldModels.experiment.fields import named, plain
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run

STAGES = ["vision", "series", "memory", "controller", "evaluation"]


@dataclass(frozen=True)
class Lines:
    """Makes a callable that plays an episode of Line."""

    clock: Clock

    def __call__(self):
        env = Clocked(Line(), self.clock)
        policy = ControllerPolicy(CONTROLLER, np.zeros(CONTROLLER.num_parameters))
        return lambda name, number: rollout(env, policy, number)


def test_a_player_plays_the_numbers_that_it_is_given_until_the_time_is_over(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(clocks.time, "monotonic", lambda: next(ticks))
    clock = Clock()
    played = Played(**Player(Lines(clock), clock)()(("any", 5, 3, 300.0)))
    env, policy = Line(), ControllerPolicy(CONTROLLER, np.zeros(CONTROLLER.num_parameters))
    expected = [rollout(env, policy, 5 + 3 * i).length for i in range(len(played.lengths))]
    assert played.lengths == expected and len(expected) > 3
    assert played.resets == len(expected) + 1 == played.terminated + 1
    assert 0 < played.steps - sum(expected) < 40  # the last episode is not finished
    assert played.reset_seconds == played.resets  # a tick each
    assert played.seconds >= 300


def test_an_episode_longer_than_the_time_ends_with_it():
    clock = Clock()
    played = Played(**Player(Lines(clock), clock)()(("any", 0, 1, 0.0)))
    assert played.steps == 1 and played.lengths == [] and played.resets == 1


def test_what_is_recorded_in_a_trial_are_the_runs_own_episodes_and_none_is_kept(tmp_path):
    experiment, shares = preset("carracing", "smoke"), {"held": 0.5, "cauchy": 0.5}
    clock, folder = Clock(), tmp_path / "trial"
    recorder = ClockedRecorder(experiment, 0, folder, shares, clock=clock)
    played = Played(**Player(recorder, clock)()(("recorded", 0, 1, 1.0)))
    own = Recorder(experiment, 0, tmp_path / "run", shares)()
    lengths = [own(index)[0] for index in range(min(4, len(played.lengths)))]
    assert lengths and played.lengths[: len(lengths)] == lengths
    assert list(folder.glob("*")) == [] and len(list((tmp_path / "run").glob("*"))) == len(lengths)


def test_a_drivers_car_is_kept_on_the_road_and_a_blind_policys_is_not(tmp_path, monkeypatch):
    examiner = ClockedExaminer(tmp_path, preset("carracing", "smoke").env, {}, blind=("cauchy",))
    on_road = {}
    for view in (DRIVER, ""):
        monkeypatch.setattr(
            ClockedExaminer.__mro__[1], "world", lambda self, view, env: self.bare(self.env)
        )
        world = examiner.world(view)
        world.reset(seed=3)
        infos = [world.step(np.array([1.0, 1.0, -1.0], np.float32))[4] for _ in range(150)]
        on_road[view] = infos[-1]["on_road"]
        world.close()
    assert on_road == {DRIVER: True, "": False}


def test_the_pace_of_steps_leaves_resets_out_and_counts_too_short_episodes_as_lost():
    played = [
        Played(seconds=10.0, reset_seconds=4.0, resets=4, steps=100, lengths=[30, 5, 40]),
        Played(seconds=10.0, reset_seconds=2.0, resets=2, steps=60, lengths=[50]),
    ]
    assert pace_of(played) == Pace(1.0, 14.0 / 160)
    assert pace_of(played, least=20) == Pace(6.0 / 5, 14.0 / 155)


def small_run(tmp_path, flags, shape, actions=3):
    """A small run of these flags, and its plan."""
    argv = ["carracing", "--scale", "smoke", *flags, "--results", str(tmp_path)]
    plan = {"shape": shape, "actions": actions, "lengths": [30, 50, 40]}
    run = Run(parse("estimate", argv), "estimate")
    plan |= {"training": [7], "held_out": 2, "frames": 300, "began": {}, "cache": str(tmp_path)}
    return SmallRun(run, plan, 0.0)


KINDS = [
    ([], (64, 64, 3), "VAE", "MDNRNN"),
    (["--vision.kind", "vae_gan", "--env.frame-size", "96"], (96, 96, 3), "VAEGAN", "MDNRNN"),
    (["--memory.kind", "transformer"], (64, 64, 3), "VAE", "TransformerMemory"),
    (["--memory.kind", "trade", "--memory.trade", "paper"], (64, 64, 3), "VAE", "TraDE"),
    (
        ["--env.id", "Pendulum-v1", "--env.observation", "vector", "--vision.kind", "dense"],
        (3,),
        "DenseVAE",
        "MDNRNN",
    ),
    (["--memory.batching", "streams", "--memory.lstm-size", "24"], (64, 64, 3), "VAE", "Stream"),
    (["--vision.dtype", "mixed_bfloat16"], (64, 64, 3), "VAE", "MDNRNN"),
]


@pytest.mark.parametrize("flags, shape, of_vision, of_memory", KINDS)
def test_the_networks_that_are_tried_are_the_runs_own(
    flags, shape, of_vision, of_memory, tmp_path, monkeypatch
):
    fitted = []

    def fit(self, model, batches, *args, **how):
        fitted.append((model, next(batches)))
        return [1.0, 2.0]

    monkeypatch.setattr(SmallRun, "fitted", fit)
    for module in (vision, memory):
        monkeypatch.setattr(module, "timed", lambda work: 3.0)
        monkeypatch.setattr(module, "twice", lambda work, again: [4.0, 5.0])
    small = small_run(tmp_path, flags, shape)
    settings = small.settings
    vision.try_vision(small)
    _, epochs = memory.try_memory(small)
    (v, frames), (m, batch), (density, _) = fitted
    assert type(density.memory) is type(getattr(m, "memory", m))
    assert type(v).__name__ == of_vision and type(m).__name__.startswith(of_memory)
    assert v.latent_size == settings.vision.latent_size and v.optimizer is not None
    wanted = settings.vision.dtype
    assert v.dtype_policy.name == wanted or wanted == "auto"
    assert frames.shape == (settings.vision.batch_size, *shape)
    s, memory_itself = settings.memory, getattr(m, "memory", m)
    assert memory_itself.hidden_size == s.h_size and memory_itself.action_size == 3
    assert batch["z"].shape[::2] == (s.batch_size, settings.vision.latent_size)
    # Seven series as long as the plan's episodes: 30, 50, 40, 30 ...
    assert batch["z"].shape[1] == min(s.sequence_length, 50)
    steps = (30 + 50 + 40) * 2 + 30
    streams = steps // s.batch_size // min(s.sequence_length, steps // s.batch_size)
    assert epochs == [streams if s.batching == "streams" else 25]
    assert small.paces["vision"][1] == small.paces["memory"][1] == 2.0
    assert small.paces["memory scored"] == [4.0, 2.5]  # two series in a batch
    small.run.close()


def test_a_step_that_compiles_is_not_counted_with_the_others(tmp_path, monkeypatch):
    module = "WorldModels.assembly.speed.trial.small_run.fit_times"
    for times, pace in (
        ([0.0, 9.0, 11.0, 13.0, 15.0, 17.0], [7.0, 2.0]),
        ([0.0, 9.0, 12.0], [6.0, 3.0]),  # a step of a huge batch takes longer than the trial
    ):
        monkeypatch.setattr(module, lambda *args, times=times: times)
        small = small_run(tmp_path, [], (64, 64, 3))
        assert small.fitted(None, iter(())) == pytest.approx(pace)
        small.run.close()


def test_a_trial_stops_after_its_time_but_has_two_steps_at_least(tmp_path, monkeypatch):
    asked = []
    module = "WorldModels.assembly.speed.trial.small_run.fit_times"
    monkeypatch.setattr(
        module, lambda model, batches, enough, callbacks: asked.append(enough) or [0.0, 1.0, 2.0]
    )
    small = small_run(tmp_path, [], (64, 64, 3))
    small.seconds = 5.0
    small.fitted(None, iter(()))
    (enough,) = asked
    assert not enough([0.0, 90.0]) and enough([0.0, 90.0, 180.0])
    assert not enough([0.0, 1.0, 2.0, 5.9]) and enough([0.0, 1.0, 2.0, 6.0])
    small.run.close()


class NoPlays:
    """Plays nothing, and leaves a file."""

    processes, seconds, paces = 2, 1.0, {}

    def __init__(self, run, folder, seconds):
        self.folder, self.played = folder, []

    def record(self, name, shares):
        (self.folder / "recorded").mkdir()
        (self.folder / "recorded/000000.npz").write_text("an episode")
        return [Played(seconds=1.0, resets=3, steps=100, lengths=[40, 40], terminated=1)]

    def search(self):
        self.played.append("search")

    def test(self):
        self.played.append("test")
        return [Played(steps=90, lengths=[30]), Played(steps=60, lengths=[50])]


def tried(folder, *flags, todo=("episodes", *STAGES), plays=NoPlays, monkeypatch=None, found=None):
    """What `whole.tried` finds, and what it asked of the networks."""
    asked = []

    def measured(name, **how):
        asked.append(how)
        Path(how["folder"], "0").mkdir()
        Path(how["folder"], "0/vision.keras").write_text("V")
        if found is None:
            raise RuntimeError("ValueError: the dream needs M's reward head; train M with it.")
        return found

    monkeypatch.setattr("WorldModels.assembly.speed.measure.measured", measured)
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *flags]
    left, trials = {stage: [0] if stage in todo else [] for stage in ("episodes", *STAGES)}, []
    run_verb(
        "estimate",
        lambda run: trials.append(whole.tried(run, Work(run.experiment, folder), left, plays)),
        argv,
    )
    return trials[0], asked


FOUND = {"paces": {"vision": [1.0, 2.0]}, "memory_epoch": [25]}


def test_a_trial_leaves_no_file_behind_whether_it_ends_well_or_not(tmp_path, monkeypatch, capsys):
    tried(tmp_path, monkeypatch=monkeypatch, found=FOUND)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "log.txt"}
    with pytest.raises(SystemExit) as stop:
        tried(tmp_path, monkeypatch=monkeypatch)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: estimate: the dream needs M's reward head; train M with it."
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "log.txt"}


def test_what_a_killed_trial_leaves_behind_the_next_verb_removes(tmp_path):
    code = (
        "import os, sys; from types import SimpleNamespace; from pathlib import Path\n"
        "from WorldModels.assembly.speed.trial.whole import _small_run\n"
        "with _small_run(SimpleNamespace(folder=Path(sys.argv[1]))) as folder:\n"
        "    (folder / 'any').write_text('any'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT)
    (left,) = tmp_path.iterdir()
    assert (left / "any").exists()
    Run(replace(preset("carracing", "smoke"), results=str(tmp_path)), "record").close()
    assert not left.exists()


def test_the_lengths_that_a_recording_shows_are_what_memory_is_tried_with(tmp_path, monkeypatch):
    trial, (asked,) = tried(tmp_path, monkeypatch=monkeypatch, found=FOUND)
    assert trial.recorded == 50 and trial.terminated == 100  # 100 steps, two ends, one by the game
    assert trial.blind == 75  # 150 steps, two ends
    assert asked["plan"]["lengths"] == [40, 40] and asked["plan"]["shape"] == (64, 64, 3)
    assert asked["stages"] == STAGES and trial.memory_epoch == {0: 25}
    assert trial.pace("vision") == Pace(1.0, 2.0) and trial.pace("sum").each > 0
    experiment = parse("estimate", ["carracing", "--scale", "smoke"])
    rebuilt = networks.with_values(networks.Experiment(), asked["settings"])
    assert rebuilt == replace(experiment, iteration=0, results=rebuilt.results)


def test_recorded_episodes_are_not_recorded_again(tmp_path, monkeypatch):
    for index, length in enumerate([30, 50, 20]):
        steps = np.zeros((length + 1, 8, 8, 3), np.uint8), np.zeros((length, 3)), np.zeros(length)
        episode = Episode(*steps, length == 50, length != 50, index, "held")
        episode.save(tmp_path / "0/episodes" / f"{index:06}.npz")
    (tmp_path / "0/episodes/000003.npz").write_text("damaged")
    there = recorded_in(tmp_path / "0/episodes")
    assert list(there.lengths.values()) == [30, 50, 20] and there.terminated == pytest.approx(1 / 3)
    monkeypatch.delattr(NoPlays, "record")
    trial, (asked,) = tried(tmp_path, todo=STAGES, monkeypatch=monkeypatch, found=FOUND)
    assert asked["plan"]["lengths"] == [30, 50, 20]
    assert trial.recorded == pytest.approx(100 / 3) and trial.terminated == pytest.approx(100)


def test_only_the_stages_that_are_left_are_tried(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(NoPlays, "__init__", lambda self, *args: made.append(self) or start(self))

    def start(self):
        self.folder, self.played = tmp_path / "any", []
        self.folder.mkdir(exist_ok=True)
        self.record = lambda *args: []

    how = {"monkeypatch": monkeypatch, "found": FOUND}
    for todo, played, stages in (
        (["evaluation"], ["test"], ["evaluation"]),
        (["controller"], ["search"], ["controller"]),
        (["vision", "series"], [], ["vision", "series"]),
    ):
        _, (asked,) = tried(tmp_path, todo=todo, **how)
        assert made[-1].played == played and asked["stages"] == stages
    assert tried(tmp_path, todo=["episodes"], **how)[1] == []
    dream = ["--controller.world", "mixed"]
    tried(tmp_path, *dream, todo=["controller"], **how)
    assert made[-1].played == ["search", "test"]


def test_what_other_programs_take_of_the_processor_is_told_from_our_own(tmp_path, monkeypatch):
    stat, tick = tmp_path / "stat", processor.os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(processor.os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    clock, own = iter([100.0, 110.0]), iter([[1.0, 0, 0, 0, 0], [5.0, 0, 1, 0, 0]])
    monkeypatch.setattr(processor.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(processor.os, "times", lambda: next(own))

    def write(first, third):
        line = "cpu{} {} 0 0 99999 77777 0 0 0 5 0\n".format
        stat.write_text(line("", 1) + line(0, first * tick) + line(1, 7) + line(2, third * tick))

    write(50, 20)
    with processor.others(str(stat)) as found:
        write(58, 23)  # eleven seconds of two cores, of which five are ours, in ten
    assert found.share == pytest.approx(6 / 20)


def test_where_the_system_does_not_tell_the_load_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(processor.os, "getloadavg", lambda: (1.5, 0.0, 0.0))
    monkeypatch.setattr(processor, "cores", lambda: 4)
    with processor.others(str(tmp_path / "nowhere")) as found:
        time.sleep(0)
    assert found.share == pytest.approx(1.5 / 4)


@pytest.mark.slow
def test_the_estimate_measures_this_machine(tmp_path):
    """The launch scripts estimate pictures, two iterations, and a search wholly in the dream."""
    flags = ["--env.id", "Pendulum-v1", "--env.observation", "vector", "--vision.kind", "dense"]
    flags += ["--controller.world", "mixed"]
    done = run_verb_process("estimate", tmp_path / "run", *flags)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert "tried this run's own networks and worlds" in said[0]
    verbs = [line.split()[0] for line in said if line.startswith("  ")]
    assert len(verbs) == 6 and "done" not in done.stdout and "estimate: about" in said[-1]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "log.txt"}


def test_every_setting_reaches_the_trials_process():
    for name, scale in itertools.product(("carracing", "takecover"), ("smoke", "paper")):
        experiment = preset(name, scale)
        values = json.loads(json.dumps({n: plain(value) for n, _, value in named(experiment)}))
        assert networks.with_values(networks.Experiment(), values) == experiment
