"""The benchmark runs and prints what it measured; the estimate counts the remaining work.

No speed is asserted: machines differ.
"""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
from commands import run_module
from conftest import run_verb_process

from WorldModels import benchmark, estimate
from WorldModels.assembly.speed import estimates
from WorldModels.assembly.speed.measure import measured
from WorldModels.assembly.speed.suite import WORK, Benchmark
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.presets import preset
from WorldModels.experiment.settings.env import EnvSettings
from WorldModels.experiment.stages import STAGE_OF

STAGES = ["episodes", "vision", "series", "memory", "controller", "evaluation"]


def forked(command, env=None, run=subprocess.run, **how):
    """Like subprocess.run, but forked, so a measurement need not import TensorFlow."""
    if command[:2] == [sys.executable, "-m"]:
        return run_module(*command[2:], env=env)
    return run(command, env=env, **how)


@pytest.mark.slow
def test_every_stage_is_measured(tmp_path, capsys, monkeypatch):
    output = tmp_path / "deep" / "benchmark.json"
    monkeypatch.setattr("subprocess.run", forked)
    benchmark.main(["carracing", "--quick", "--repeats", "1", "--output", str(output)])
    printed = capsys.readouterr().out
    found = json.loads(output.read_text())
    assert found["skipped"] == {}
    rows = {row["name"]: row for row in found["rows"]}
    assert len(rows) == 4 + 1 + 1 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 2
    for name, row in rows.items():
        assert name in printed
        figures = [
            *row["values"],
            row["value"],
            *(row[key] for key in ("share", "compared") if row[key] is not None),
        ]
        assert all(math.isfinite(figure) and figure > 0 for figure in figures), row
        assert (row["share"] is not None) == (row["work"] is not None)
    goals = {name for name, row in rows.items() if row["must"] is not None}
    assert goals == {
        "environment, fast",
        "rollouts, controller",
        "perception, batch 1",
        "vision training",
        "loader",
        "memory training",
        "worker, ready",
        "worker, memory",
        "dream, one lane",
        "dream, 1,024 lanes",
        "transformer, one lane",
    }
    assert all(limit > 0 for limit in found["limits_gflops"].values())


def test_a_measure_that_fails_is_said_in_one_line(tmp_path, capsys):
    def fails(name, *args, **kwargs):
        if name == "matrix_product":
            return {"rates": [10.0, 30.0, 20.0], "work": 2.0}
        raise RuntimeError("ModuleNotFoundError: No module named 'onnxruntime'")

    bench = Benchmark(benchmark.Settings(quick=True), str(tmp_path), 2, fails)
    bench.limit("numpy")
    bench.run("perception")
    bench.settle()
    assert bench.limits == {"numpy_one": 40.0, "numpy_all": 40.0}
    assert bench.rows == {} and "onnxruntime" in bench.skipped["perception"]


def test_a_share_is_rate_times_work_over_the_limit(tmp_path):
    answers = {
        "matrix_product": {"rates": [50.0], "work": 2.0},
        "memory": {"rates": [1e4, 3e4, 2e4], "note": ""},
    }
    bench = Benchmark(
        benchmark.Settings(), str(tmp_path), 2, lambda name, *args, **kwargs: answers[name]
    )
    bench.limit("numpy")
    bench.run("memory")
    bench.settle()
    row = bench.rows["memory training"]
    assert row.share == pytest.approx(2e4 * 2.5e6 / 100e9) and row.backend_share is None


@pytest.mark.parametrize("note, own", [("float32", 200.0), ("mixed_bfloat16", 400.0)])
def test_a_network_is_compared_with_its_backend_in_its_own_dtype_too(tmp_path, note, own):
    rates = {"numpy": 50.0, "keras": 100.0, "keras_bfloat16": 200.0}

    def answers(name, *args, library="", **kwargs):
        training = {"rates": [2e4], "note": note}
        return {"rates": [rates[library]], "work": 2.0} if library else training

    bench = Benchmark(benchmark.Settings(), str(tmp_path), 2, answers)
    for library in rates:
        bench.limit(library)
    bench.run("memory")
    bench.settle()
    row = bench.rows["memory training"]
    assert row.share == pytest.approx(0.5) and row.backend_share == pytest.approx(50 / own)
    assert row.cells()[4:6] == ("50%", f"{50 / own:.0%}")


def test_the_work_of_an_item_is_that_of_the_published_sizes():
    convolutions = [
        (31, 3, 32),
        (14, 32, 64),
        (6, 64, 128),
        (2, 128, 256),
    ]  # side of the output, channels in and out, kernel 4
    encoder = sum(side**2 * 16 * into * out for side, into, out in convolutions) + 2 * 1024 * 32
    transposed = [
        (1, 1024, 128, 5),
        (5, 128, 64, 5),
        (13, 64, 32, 6),
        (30, 32, 3, 6),
    ]  # side of the input
    decoder = 32 * 1024 + sum(
        side**2 * kernel**2 * into * out for side, into, out, kernel in transposed
    )
    token = 4 * 256 * (32 + 3 + 256) + 256 * 480
    assert WORK["encoder"] == pytest.approx(2e-6 * encoder, rel=0.02)
    assert WORK["vision"] == pytest.approx(3 * 2e-6 * (encoder + decoder), rel=0.03)
    assert WORK["memory"] == pytest.approx(3 * 2e-6 * token, rel=0.03)


def test_a_failing_child_process_tells_its_last_line():
    with pytest.raises(RuntimeError, match="unknown"):
        measured("environment", seconds=0.1, repeats=1, steps=2, renderers=["unknown"])


@pytest.mark.parametrize(
    "argv",
    [
        ["--fast"],
        ["carracing", "--seconds", "0"],
        ["--seconds", "soon"],
        ["--only", "environment,cooking"],
        ["--repeats", "0"],
        ["nosuchgame"],
    ],
)
def test_a_mistake_on_the_command_line_ends_with_status_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        benchmark.main(argv)
    assert stop.value.code == 2
    assert argv[-1].split(",")[-1] in capsys.readouterr().err


def say_what_is_left(argv, capsys, monkeypatch):
    monkeypatch.setattr(estimates, "measure", lambda processes: (400.0, 200.0))
    run_verb("estimate", estimate.estimate, argv)
    return capsys.readouterr().out


def test_the_estimate_names_every_stage_and_the_total(tmp_path, capsys, monkeypatch):
    text = say_what_is_left(["carracing", "--results", str(tmp_path)], capsys, monkeypatch)
    assert all(
        verb in text
        for verb in (
            "record",
            "train_vision",
            "encode",
            "train_memory",
            "train_controller",
            "evaluate",
        )
    )
    assert "estimate: about " in text and "minutes" in text


def test_a_complete_stage_counts_nothing_until_its_budget_grows(tmp_path, capsys, monkeypatch):
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path)]
    for name in STAGES:
        run_verb("record", lambda run, name=name: run.stage(name).finish(), argv)
    assert "nothing left" in say_what_is_left(argv, capsys, monkeypatch)
    text = say_what_is_left([*argv, "--controller.generations", "50"], capsys, monkeypatch)
    assert text.count("done") == 5 and "estimate: about" in text


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
    verb, flags, tmp_path, capsys, monkeypatch
):
    stage = STAGE_OF[verb]
    make(tmp_path)
    own = refused(lambda: make(tmp_path, *flags, verb=verb, stages=[stage]), capsys)
    argv = ["carracing", "--results", str(tmp_path), *flags]
    assert refused(lambda: say_what_is_left(argv, capsys, monkeypatch), capsys) == own
    assert "asked for" in own and "--force" in own
    assert "about" in say_what_is_left([*argv, "--force"], capsys, monkeypatch)


def test_the_estimate_accepts_what_a_stage_still_to_be_made_may_have_otherwise(
    tmp_path, capsys, monkeypatch
):
    make(tmp_path, stages=["episodes"])
    argv = ["carracing", "--results", str(tmp_path)]
    for flags in (["--seed", "7"], ["--env.max-steps", "90"], ["--vision.latent-size", "16"]):
        assert "about" in say_what_is_left([*argv, *flags], capsys, monkeypatch)
    own = refused(
        lambda: say_what_is_left([*argv, "--record.max-frames", "77"], capsys, monkeypatch), capsys
    )
    assert "--record.max-frames: 77 asked for" in own and "was made with 60" in own


def test_twice_the_machine_takes_half_the_time_and_larger_scales_take_longer():
    slow, fast = (
        estimates.seconds(preset("carracing", "laptop"), *machine, 2)
        for machine in ((200, 100), (400, 200))
    )
    for stage in ("episodes", "controller", "evaluation"):
        assert fast[stage] == pytest.approx(slow[stage] / 2)
    totals = [
        sum(estimates.seconds(preset("carracing", scale), 400, 200, 2).values())
        for scale in ("smoke", "laptop", "paper")
    ]
    assert totals == sorted(totals)
    assert totals[0] < 120 and totals[2] > 7 * 24 * 3600  # under two minutes; more than a week


def test_validation_and_population_are_counted_in_the_controllers_steps():
    experiment = preset("carracing", "paper")
    more = replace(experiment, controller=replace(experiment.controller, validation_rollouts=2048))
    assert (
        estimates.amounts(more)["controller"]
        > estimates.amounts(experiment)["controller"]
        > 1800 * 64 * 16 * 500
    )


@pytest.mark.slow
def test_the_estimate_measures_this_machine(tmp_path):
    done = run_verb_process("estimate", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "steps/s" in done.stdout and "estimate: about" in done.stdout


def test_the_estimate_knows_a_game_by_its_facts_alone():
    doom, car = (preset(name, "laptop") for name in ("takecover", "carracing"))
    assert estimates.amounts(doom)["episodes"] == 750 * 280
    assert estimates.amounts(doom)["evaluation"] == 200 * 700 + 5 * 100 * 280
    assert estimates.amounts(car)["episodes"] == pytest.approx(220 * 250 * 0.83)
    unknown = replace(car, env=EnvSettings("LunarLanderContinuous-v3"))
    assert estimates.amounts(unknown) == estimates.amounts(car)
    slow, fast = (estimates.seconds(car, 400, 200, 2), estimates.seconds(unknown, 400, 200, 2))
    assert slow == fast
