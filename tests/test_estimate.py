"""The estimate: what it prints, and how it gets from work and paces to minutes.

No time is asserted: paces are given. tests/test_trial.py has how they are measured.
"""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from WorldModels import estimate, evaluate
from WorldModels.assembly.evaluation import calibration, gates
from WorldModels.assembly.evaluation.curve import kept_means
from WorldModels.assembly.evaluation.examiner import DRIVER
from WorldModels.assembly.evaluation.tasks import DREAMT, MOST_GAMES, tasks_of
from WorldModels.assembly.speed.estimates import Cost, costs
from WorldModels.assembly.speed.paces import BLIND, BY_DRIVER, RECORDED, TESTED, Pace, Trial
from WorldModels.assembly.speed.trial import whole
from WorldModels.assembly.speed.work import Work
from WorldModels.control.controller import Controller
from WorldModels.episodes.episode import Episode
from WorldModels.experiment.command import parse, run_verb
from WorldModels.experiment.presets import preset
from WorldModels.experiment.rows import append_row
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.env import EnvSettings
from WorldModels.experiment.stages import STAGE_OF
from WorldModels.train_vision import _frames

STAGES = ["episodes", "vision", "series", "memory", "controller", "evaluation"]
KINDS = (
    *("start", "keras", "sum", "workers", "recorded", "recorded by controller", "driven", "tested"),
    *("blind", "read", "vision", "vision epoch", "vision scored", "vision export", "series"),
    *("memory", "memory scored", "baselines", "memory export", "dream", "generation", "dreamt"),
    *("figures", "film", "dream film"),
)
TRIAL = Trial(
    {kind: Pace(0.5, 0.002 * (i + 1)) for i, kind in enumerate(KINDS)},
    recorded=200.0,
    terminated=300.0,
    blind=280.0,
    memory_epoch={0: 25, 1: 50},
    processes=2,
    seconds=31.0,
)


@pytest.fixture
def printed(capsys, monkeypatch):
    """What `estimate` prints with given paces; it is called with flags."""

    def run(argv, trial=TRIAL):
        monkeypatch.setattr(whole, "tried", lambda *args: trial)
        run_verb("estimate", estimate.estimate, argv)
        return capsys.readouterr().out

    return run


def whole_cost(experiment, tmp_path, trial=TRIAL, iteration=0):
    """Seconds of each stage, the most."""
    found = costs(Work(experiment, tmp_path), trial, iteration)
    return {stage: sum(cost.rest(1.0)[1] for _, cost in parts) for stage, parts in found.items()}


def changed(experiment, noun, **values):
    return replace(experiment, **{noun: replace(getattr(experiment, noun), **values)})


def test_the_estimate_names_every_stage_and_the_total(tmp_path, printed):
    text = printed(["carracing", "--results", str(tmp_path)])
    assert all(f"  {verb} " in text for verb in STAGE_OF if verb != "temperatures")
    assert "for 31 seconds, in 2 processes" in text
    assert "estimate: about " in text and "minutes" in text
    assert "other programs" not in text


def test_it_says_when_other_programs_use_the_machine(tmp_path, printed):
    text = printed(["carracing", "--results", str(tmp_path)], replace(TRIAL, others=0.62))
    (line,) = [line for line in text.splitlines() if "other programs" in line]
    assert "62% of the processor" in line


def test_a_complete_stage_counts_nothing_until_its_budget_grows(tmp_path, printed):
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path)]
    make(tmp_path)
    text = printed(argv, trial=None)  # nothing is tried
    assert "nothing left" in text and text.count("done") == 6
    text = printed([*argv, "--controller.generations", "50"])
    assert text.count("done") == 5 and "estimate: about" in text


def test_only_what_is_left_is_tried(tmp_path, capsys, monkeypatch):
    make(tmp_path, stages=["episodes", "vision", "series"])
    asked = []
    monkeypatch.setattr(whole, "tried", lambda run, work, todo, plays: asked.append(todo) or TRIAL)
    argv = ["carracing", "--results", str(tmp_path), "--iterations", "2"]
    run_verb("estimate", estimate.estimate, argv)
    left = dict.fromkeys(STAGES, [0, 1]) | dict.fromkeys(["episodes", "vision", "series"], [1])
    assert asked == [left]


def make(folder, *flags, verb="record", stages=tuple(STAGES)):
    """Make stages of a run in name only."""
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *flags]

    def work(run):
        for name in stages:
            run.stage(name).finish()
        run.remember()

    run_verb(verb, work, argv)


def refused(work, capsys):
    with pytest.raises(SystemExit) as stop:
        work()
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("train_vision", ["--vision.latent-size", "16"]),
        ("train_memory", ["--memory.kind", "transformer"]),
        ("record", ["--env.renderer", "exact"]),
        ("train_controller", ["--controller.world", "dream"]),
        ("record", ["--seed", "7"]),
    ],
)
def test_the_estimate_refuses_a_contradiction_as_the_verb_itself_does(
    verb, flags, tmp_path, capsys, printed
):
    stage = STAGE_OF[verb]
    make(tmp_path)
    own = refused(lambda: make(tmp_path, *flags, verb=verb, stages=[stage]), capsys)
    argv = ["carracing", "--results", str(tmp_path), *flags]
    assert refused(lambda: printed(argv), capsys) == own
    assert "asked for" in own and "--force" in own
    assert "about" in printed([*argv, "--force"])


def test_the_estimate_accepts_what_a_stage_still_to_be_made_may_have_otherwise(
    tmp_path, capsys, printed
):
    make(tmp_path, stages=["episodes"])
    argv = ["carracing", "--results", str(tmp_path)]
    for flags in (["--seed", "7"], ["--env.max-steps", "90"], ["--vision.latent-size", "16"]):
        assert "about" in printed([*argv, *flags])
    own = refused(lambda: printed([*argv, "--record.max-frames", "77"]), capsys)
    assert "--record.max-frames: 77 asked for" in own and "was made with 60" in own


@pytest.mark.parametrize("name", ["carracing", "takecover"])
def test_at_half_the_pace_everything_takes_twice_as_long(name, tmp_path):
    experiment = changed(preset(name, "laptop"), "controller", world="mixed")
    slow = {kind: Pace(2 * p.once, 2 * p.each) for kind, p in TRIAL.paces.items()}
    once, twice = (
        whole_cost(experiment, tmp_path, trial) for trial in (TRIAL, replace(TRIAL, paces=slow))
    )
    assert all(seconds > 0 for seconds in once.values())
    assert twice == pytest.approx({stage: 2 * seconds for stage, seconds in once.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_no_pace_is_measured_in_vain(kind, tmp_path):
    experiment = changed(preset("takecover", "laptop"), "controller", world="mixed")
    without = replace(TRIAL, paces=TRIAL.paces | {kind: Pace()})
    slow, fast = (
        sum(whole_cost(experiment, tmp_path, trial, iteration=1).values())
        for trial in (TRIAL, without)
    )
    assert fast < slow


def test_larger_scales_take_longer(tmp_path):
    totals = [
        sum(whole_cost(preset("carracing", scale), tmp_path).values())
        for scale in ("smoke", "laptop", "paper")
    ]
    assert totals == sorted(totals) and totals[0] < totals[1] / 10


def test_tasks_are_shared_by_all_processes_and_the_last_are_waited_for():
    trial = Trial({"driven": Pace(0.0, 1.0)}, 0.0, 0.0, 0.0, processes=4)
    alone = replace(trial, processes=1)
    assert alone.played("driven", 10, 3) == 30
    assert 30 / 4 < trial.played("driven", 10, 3) < 30 / 4 + 3
    # Batches that are waited for one after the other take longer.
    assert trial.played("driven", 10, 3, tasks=5) > trial.played("driven", 10, 3)
    # More processes than tasks do not help.
    many = replace(trial, processes=100)
    assert many.played("driven", 2, 3) == replace(trial, processes=2).played("driven", 2, 3)
    assert trial.played("driven", 0, 3) == 0


def record_in_name_only(folder, lengths, terminated=False, shape=(8, 8, 3)):
    """Small episodes in iteration 0 of a run."""
    for index, length in enumerate(lengths):
        frames = np.zeros((length + 1, *shape), np.uint8)
        steps = frames, np.zeros((length, 3)), np.zeros(length), terminated, not terminated
        Episode(*steps, index, "held").save(folder / "0/episodes" / f"{index:06}.npz")


def test_the_steps_of_vision_are_those_of_its_stage_once_the_episodes_are_there(tmp_path):
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path), "--vision.epochs", "3"]
    argv += ["--record.episodes", "9"]
    lengths = [31, 44, 60, 52, 23, 60, 38, 41, 57]
    record_in_name_only(tmp_path, lengths)
    run = Run(parse("train_vision", argv), "train_vision")
    work = Work(run.experiment, tmp_path)
    frames, training, held_out = _frames(run, run.stage("vision"), run.need_episodes())
    found = work.parts(TRIAL, 0)
    assert (found[0].episodes, found[1].episodes) == (len(training), len(held_out))
    assert found[0].frames == frames.num_frames and work.vision(TRIAL, 0)[1] == 3
    assert work.vision(TRIAL, 0)[0] == 3 * frames.num_batches
    assert work.encoded(TRIAL, 0).frames == sum(lengths) + 9
    run.close()


def test_before_that_they_follow_from_the_length_of_episodes_in_the_trial(tmp_path):
    experiment = preset("carracing", "laptop")
    training, held_out = Work(experiment, tmp_path).parts(TRIAL, 0)
    assert (training.episodes, held_out.episodes) == (209, 11)
    assert training.frames + held_out.frames == pytest.approx(220 * 201)
    assert Work(experiment, tmp_path).vision(TRIAL, 0)[0] == 4 * (209 * 201 // 100)
    # Of those recorded so far, the mean length counts.
    record_in_name_only(tmp_path, [100, 50])
    assert Work(experiment, tmp_path).recorded(TRIAL, 0).frames == pytest.approx(220 * 76)


def test_every_iteration_is_counted(tmp_path):
    experiment = preset("carracing", "laptop")
    work = Work(experiment, tmp_path)
    assert work.encoded(TRIAL, 1).frames > 1.9 * work.encoded(TRIAL, 0).frames
    assert work.vision(TRIAL, 1)[0] == pytest.approx(work.vision(TRIAL, 0)[0], rel=0.1)
    afresh = changed(experiment, "iterate", networks="afresh", controller="anew")
    assert Work(afresh, tmp_path).vision(TRIAL, 1)[0] > 1.9 * work.vision(TRIAL, 0)[0]
    own = changed(experiment, "iterate", episodes="own")
    assert Work(own, tmp_path).encoded(TRIAL, 1).episodes == 220
    # From the second iteration on, the driver records half of the episodes.
    first, second = (work.recordings(TRIAL, k) for k in (0, 1))
    assert first[RECORDED] == (220, 200.0) and first[BY_DRIVER][0] == 0
    assert second[RECORDED] == (110, 200.0) and second[BY_DRIVER] == (110, 250)
    one, two = (whole_cost(experiment, tmp_path, iteration=k) for k in (0, 1))
    assert two["series"] > one["series"] and two["memory"] >= one["memory"]


def test_the_search_has_the_steps_of_its_budget_and_validation_comes_on_top(tmp_path):
    experiment = preset("carracing", "laptop")
    search = Work(experiment, tmp_path).search(0)
    assert search.episodes * search.steps == pytest.approx(experiment.controller.steps)
    more = changed(experiment, "controller", validation_rollouts=128)
    assert whole_cost(more, tmp_path)["controller"] > whole_cost(experiment, tmp_path)["controller"]
    # Of two budgets, the one that is spent first counts.
    few = Work(changed(experiment, "controller", generations=10), tmp_path).search(0)
    assert few.generations == 10
    # Two rollouts in the first fifth of the budget, then one.
    assert few.episodes == pytest.approx(10 * (0.2 * 64 + 0.8 * 32))
    paper = Work(preset("carracing", "paper"), tmp_path).search(0)
    assert paper.episodes == 1800 * 64 * 16 and paper.steps == 1000


def test_its_own_generations_say_how_long_episodes_are(tmp_path):
    experiment = preset("carracing", "laptop")
    before = Work(experiment, tmp_path).searched(0)
    for generation in range(1, 13):
        row = {"generation": generation, "mean_steps": 100 if generation < 3 else 640}
        append_row(tmp_path / "0/controller/generations.csv", row)
    assert before != 640 and Work(experiment, tmp_path).searched(0) == 640


def kept_generations(folder, count, every):
    """Kept means of an evolution in the dream, and its rows; the drivers to test."""
    for generation in range(1, count + 1):
        row = {"generation": generation, "validation": "1.0" if generation % every == 0 else ""}
        append_row(folder / "generations.csv", row)
        file = folder / "generations" / f"{generation}.npz"
        Controller("z", 2, 2, action_size=1).save(file, np.zeros(3))
    return {DRIVER: None, **kept_means(folder)}


@pytest.mark.parametrize("name", ["carracing", "takecover"])
@pytest.mark.parametrize("scale", ["smoke", "laptop"])
def test_the_test_counts_what_evaluate_plays(name, scale, tmp_path):
    experiment, controllers = preset(name, scale), {DRIVER: None}
    dreamt = experiment.controller.world == "dream"
    if dreamt:
        s = experiment.dream
        controllers = kept_generations(tmp_path, s.generations, s.validation_every)
    examiner = SimpleNamespace(
        dream=dreamt, controllers=controllers, shown=("an episode",), tested="tracks"
    )
    wanted = evaluate._wanted(SimpleNamespace(experiment=experiment), examiner)
    work = Work(experiment, tmp_path)
    games = {pace: sum(n for n, _ in groups) for pace, groups in work.games(TRIAL).items()}
    of_blind = [key for key in wanted if key[0] == "tracks" and key[1] in blind(experiment)]
    assert games[BLIND] == len(of_blind)
    assert games[TESTED] == sum(kind not in DREAMT for kind, _, _ in wanted) - len(of_blind)
    assert work.tasks() == sum(task.kind in DREAMT for task in tasks_of(wanted))


def blind(experiment):
    return experiment.evaluate.baselines.split(",")


def test_the_gates_are_counted_too(tmp_path, monkeypatch):
    experiment, asked = preset("takecover", "laptop"), []

    def examine(examiner, wanted, **how):
        asked.extend(wanted)
        raise StopIteration

    monkeypatch.setattr(gates, "examine", examine)
    monkeypatch.setattr(calibration, "examine", examine)
    s = experiment.evaluate
    run = SimpleNamespace(experiment=experiment, say=print, verb="any", path=tmp_path)
    run.iteration = 0
    made_with = {"policies": blind(experiment), "games": MOST_GAMES, "dreams": 2 * s.dreams}
    monkeypatch.setattr(calibration, "depends_on", lambda run: made_with)
    for played in (lambda: gates._gates(run, None, made_with), lambda: calibration._games(run)):
        with pytest.raises(StopIteration):
            played()
    work = Work(experiment, tmp_path)
    (games, steps), tasks = work.gates(TRIAL)
    assert games == sum(kind in ("gates", "calibration") for kind, _, _ in asked)
    assert steps == TRIAL.blind
    assert tasks == sum(task.kind in DREAMT for task in tasks_of(asked))
    dream = replace(experiment.dream, calibrate=False)
    plain = Work(replace(experiment, dream=dream), tmp_path)
    assert 2 * plain.gates(TRIAL)[0][0] == games
    assert plain.calibration() == 0 < work.calibration()


def test_a_game_lasts_as_its_facts_or_the_trial_say(tmp_path):
    doom, car = (preset(name, "laptop") for name in ("takecover", "carracing"))
    games = {e.name: Work(e, tmp_path).games(TRIAL) for e in (doom, car)}
    assert games["takecover"][TESTED][0] == (200, 700)
    assert games["carracing"][TESTED] == [(100, 1000)]
    assert games["takecover"][BLIND] == [(500, 280.0)] and games["carracing"][BLIND] == [(40, 280)]
    unknown = replace(car, env=EnvSettings("LunarLanderContinuous-v3", max_steps=400))
    assert Work(unknown, tmp_path).games(TRIAL)[TESTED] == [(100, 400)]


def test_a_search_in_the_dream_is_a_range_and_nothing_else_is(tmp_path, printed):
    text = printed(["takecover", "--results", str(tmp_path / "doom")])
    ranges = [line.split()[0] for line in text.splitlines() if " to " in line]
    assert ranges == ["train_controller", "estimate:"]
    assert " to " not in printed(["carracing", "--results", str(tmp_path / "car")])


def test_the_range_is_from_a_blind_policys_game_to_the_longest_dream(tmp_path):
    doom = preset("takecover", "laptop")
    work = Work(doom, tmp_path)
    assert work.dream_steps(TRIAL) == (300, 2100)
    assert work.dream_steps(replace(TRIAL, terminated=math.inf)) == (2100, 2100)
    endless = Work(changed(doom, "dream", termination="never", max_steps=900), tmp_path)
    assert endless.dream_steps(TRIAL) == (900, 900)
    generations, dreams = work.dreams()
    assert dreams == 30 * 64 * 16 + 3 * 256 and generations == 30
    ((part, cost),) = costs(work, TRIAL)["controller"]
    tasks, lockstep = work.gates(TRIAL)[1], TRIAL.pace("dreamt").each
    each = dreams * TRIAL.pace("dream").each + tasks * lockstep / TRIAL.processes
    assert part == "dreams" and cost.most - cost.least == pytest.approx(1800 * each)


def test_what_is_left_of_a_stage_in_progress_counts_with_its_start():
    cost = Cost(10.0, 100.0, 300.0)
    assert cost.rest(1.0) == (110, 310) and cost.rest(0.25) == (35, 85) and cost.rest(0.0) == (0, 0)


@pytest.mark.parametrize(
    "stage, file, row, flags",
    [
        ("vision", "vision.csv", {"epoch": 0, "step": 50}, ["--vision.epochs", "4"]),
        ("memory", "memory.csv", {"epoch": 0, "step": 2}, []),
        ("controller", "controller/generations.csv", {"generation": 1, "frames": 9}, []),
    ],
)
def test_half_of_a_stage_is_left_once_the_other_half_is_done(
    stage, file, row, flags, tmp_path, capsys, monkeypatch
):
    from WorldModels.assembly.speed.estimates import left

    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path), *flags]
    experiment = parse("estimate", argv)
    assert left(tmp_path / "0", experiment, stage) == 1.0
    run_verb(STAGE_OF_NAME[stage], lambda run: run.stage(stage).begin(), argv)
    assert left(tmp_path / "0", experiment, stage) == 1.0
    append_row(tmp_path / "0" / file, row)
    done = {"vision": 1 / 4, "memory": 2 / 8, "controller": 1 / 2}[stage]
    assert left(tmp_path / "0", experiment, stage) == pytest.approx(1 - done)
    assert left(tmp_path / "0", replace(experiment, force=True), stage) == 1.0


STAGE_OF_NAME = {stage: verb for verb, stage in STAGE_OF.items()}
