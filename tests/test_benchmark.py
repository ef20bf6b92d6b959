"""The benchmark runs and prints what it measured.

No speed is asserted: machines differ.
"""

import json
import math
import subprocess
import sys

import pytest
from commands import run_module

from WorldModels import benchmark
from WorldModels.assembly.speed.measure import measured
from WorldModels.assembly.speed.suite import WORK, Benchmark


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
    assert len(rows) == 4 + 1 + 1 + 2 + 1 + 1 + 2 + 1 + 1 + 1 + 2
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


def test_the_game_that_draws_nothing_is_played_to_its_end():
    from WorldModels.assembly.speed.worlds import _world

    world, over = _world("physics"), False
    world.reset(seed=0)
    while not over:
        _, _, terminated, truncated, _ = world.step(world.action_space.high)
        over = terminated or truncated
    world.close()


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
