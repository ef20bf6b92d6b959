"""CMA-ES and its generations: a run killed and resumed equals an uninterrupted one, bit for bit."""

import math
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE
from fake_world import CONTROLLER, FIVE

from WorldModels.control import generations as module
from WorldModels.control.controller import Controller
from WorldModels.control.generations import Generations
from WorldModels.control.search_state import load_state
from WorldModels.control.strategies.cmaes import CMAES
from WorldModels.control.strategies.strategy import sigma_cap
from WorldModels.experiment.files import TEMPORARY
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.settings.controller import ControllerSettings

ROOT = Path(__file__).resolve().parent.parent
N = CONTROLLER.num_parameters


def search(seed=0, size=N, population=8, sigma=0.1):
    return CMAES(size, population, sigma, np.random.default_rng(seed))


def sphere(parameters):
    return -((parameters - 1) ** 2).sum(1)


def test_it_starts_at_zeros_and_climbs():
    evolution = search(sigma=0.3)
    assert (
        evolution.mean.tolist() == [0.0] * N
        and evolution.sigma == 0.3
        and evolution.generation == 0
    )
    for _ in range(150):
        evolution.tell(sphere(evolution.ask()))
    assert evolution.generation == 150 and sphere(evolution.mean[None])[0] > -0.01
    assert 0 < evolution.sigma_rms < 0.3


def test_sigma_falls_geometrically_and_never_rises():
    assert sigma_cap(0.4, 0.4, 0.12, 0.03) == pytest.approx(0.12)
    assert sigma_cap(0.7, 0.4, 0.12, 0.03) == pytest.approx(0.06)
    assert sigma_cap(1.2, 0.4, 0.12, 0.03) == pytest.approx(0.03)
    evolution = CMAES(N, 8, 0.1, np.random.default_rng(0))
    evolution.anneal(0.39, 0.4, 0.03)
    assert evolution.sigma == 0.1
    seen = []
    for share in np.linspace(0.4, 1.0, 13):
        evolution.anneal(share, 0.4, 0.03)
        seen.append(evolution.sigma)
    assert seen == sorted(seen, reverse=True) and seen[0] == 0.1 and seen[-1] == pytest.approx(0.03)
    small = CMAES(N, 8, 0.01, np.random.default_rng(0))
    small.anneal(0.9, 0.4, 0.03)
    assert small.sigma == 0.01


# Generations on disk.


class Killed(BaseException):
    """Stands in for kill -9: nothing catches it."""


def breed(folder, *, kill=None, settings=None, **changes):
    """An evolution scored by a formula; `kill` is the moment of death: (what, generation)."""
    settings = settings or ControllerSettings(**{**FIVE, **changes})

    def die(what, generation):
        if kill == (what, generation):
            raise Killed

    def fake_score(parameters, generation, rollouts, heard):
        die("score", generation)
        noise = np.random.default_rng(generation).normal(size=(1, rollouts))
        for _ in range(parameters.shape[0] * rollouts):
            heard(10)
        return sphere(parameters)[:, None] + noise, np.full((len(parameters), rollouts), 10)

    def validate(mean):
        die("validate", breeder.progress.generation)
        return sphere(mean[None]) + np.linspace(-1, 1, settings.validation_rollouts)

    breeder = Generations(
        Path(folder),
        CONTROLLER,
        search(population=settings.population_size),
        settings,
        fake_score,
        validate,
        lambda row: die("event", row["generation"]),
    )
    return breeder, breeder.run(show=False)


def everything(folder):
    """Everything that a run has written, except wall times."""
    rows = [
        {k: v for k, v in row.items() if k not in ("elapsed_seconds", "wall_time")}
        for row in table(folder)
    ]
    files = sorted(
        p for p in Path(folder).rglob("*.npz") if not p.name.startswith(TEMPORARY)
    )  # the next start removes those
    drivers = {
        str(p.relative_to(folder)): (Controller.load(p)[1].tolist(), Controller.load(p)[2])
        for p in files
    }
    return rows, drivers


def table(folder):
    return read_rows(Path(folder) / "generations.csv")


def test_what_a_run_leaves(tmp_path):
    breeder, progress = breed(tmp_path)
    rows, drivers = everything(tmp_path)
    assert [row["generation"] for row in rows] == list("12345") and progress.generation == 5
    assert (
        rows[-1]["frames"] == str(5 * 6 * 3 * 10)
        and float(rows[0]["mean_steps"]) == float(rows[0]["max_steps"]) == 10
    )
    assert list(table(tmp_path)[0])[:9] == [
        "generation",
        "elapsed_seconds",
        "mean",
        "min",
        "max",
        "std",
        "sigma_rms",
        "mean_steps",
        "max_steps",
    ]
    assert [bool(row["validation"]) for row in rows] == [
        False,
        True,
        False,
        True,
        True,
    ]  # the last one always
    assert set(drivers) == {
        "mean.npz",
        "best.npz",
        *(f"generations/{k}.npz" for k in range(1, 6)),
    }
    scores = {int(row["generation"]): float(row["validation"]) for row in rows if row["validation"]}
    assert progress.best_generation == max(scores, key=scores.get)
    assert (
        drivers["best.npz"][1]["validation"]
        == progress.best
        == pytest.approx(max(scores.values()), abs=1e-3)
    )
    assert drivers["mean.npz"][0] == breeder.evolution.mean.tolist()
    elapsed = [float(row["elapsed_seconds"]) for row in table(tmp_path)]
    assert elapsed == sorted(elapsed)


@pytest.mark.parametrize(
    "kill",
    [
        ("score", 0),
        ("score", 3),
        ("validate", 2),
        ("validate", 4),
        ("event", 2),
        ("state", 3),
        ("driver", 2),
    ],
    ids=str,
)
def test_killed_anywhere_it_ends_as_if_unbroken(kill, tmp_path, monkeypatch):
    breed(tmp_path / "unbroken")
    moment, count = kill
    if moment in (
        "state",
        "driver",
    ):  # die while that file is about to be written for the count-th time
        seen = []

        def atomic(path, real=module.atomic):
            seen.append(path)
            if moment == "state" and len(seen) == count:
                raise Killed
            return real(path)

        def save(self, path, *rest, real=Controller.save, **facts):
            seen.append(path)
            if (
                path.name == "mean.npz"
                and sum(p.name == "mean.npz" for p in seen if p.suffix == ".npz") == count
            ):
                raise Killed
            return real(self, path, *rest, **facts)

        monkeypatch.setattr(module, "atomic", atomic)
        if moment == "driver":
            monkeypatch.setattr(Controller, "save", save)
    with pytest.raises(Killed):
        breed(tmp_path / "broken", kill=kill)
    monkeypatch.undo()
    breed(tmp_path / "broken")
    assert everything(tmp_path / "broken") == everything(tmp_path / "unbroken")


def test_a_larger_budget_goes_on_and_a_spent_one_does_nothing(tmp_path):
    breed(tmp_path, generations=3)
    before = everything(tmp_path)
    breed(tmp_path, generations=3)
    assert everything(tmp_path) == before
    breed(tmp_path, generations=5)
    assert [row["generation"] for row in table(tmp_path)] == list("12345")


def test_the_budget_may_be_in_steps_and_late_generations_take_fewer_rollouts(tmp_path):
    breed(
        tmp_path,
        generations=0,
        steps=1000,
        sigma_schedule="anneal",
        anneal_start=0.4,
        sigma_final=0.01,
        late_rollouts=1,
    )
    rows = table(tmp_path)
    assert [int(row["rollouts"]) for row in rows] == [3, 3, 3] + [1] * (
        len(rows) - 3
    )  # 180 steps each, until 400 are spent
    assert int(rows[-2]["frames"]) < 1000 <= int(rows[-1]["frames"])
    sigmas = [float(row["sigma"]) for row in rows]
    assert sigmas[-1] < 0.015 and max(sigmas[3:]) == sigmas[3]


def test_a_target_return_stops_it(tmp_path):
    _, progress = breed(tmp_path, generations=500, validation_every=1, target_return=-8.0)
    assert progress.generation < 500 and progress.best >= -8.0
    assert f"generations/{progress.generation}.npz" in everything(tmp_path)[1]
    assert breed(tmp_path, generations=500, target_return=-8.0)[1].generation == progress.generation
    assert math.isinf(ControllerSettings().target_return)


def test_a_damaged_state_is_one_line(tmp_path):
    (tmp_path / "state.pkl").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="state.pkl.*--force"):
        breed(tmp_path)


def test_a_search_of_an_earlier_version_loads_and_continues(tmp_path):
    """Its state.pkl names CMAES and _Normal in control/evolution.py, where they used to be."""
    with tarfile.open(Path(__file__).parent / "data" / "older-real.tar.xz") as archive:
        content = archive.extractfile("real/0/controller/state.pkl").read()
    (tmp_path / "state.pkl").write_bytes(content)
    assert b"WorldModels.control.evolution" in content
    evolution, progress = load_state(tmp_path)
    assert type(evolution) is CMAES and evolution.generation == progress.generation == 2
    asked = evolution.ask()
    assert np.isfinite(asked).all() and asked.shape == (4, len(evolution.mean))
    before = evolution.mean
    evolution.tell(-(asked**2).sum(1))
    assert evolution.generation == 3 and not np.array_equal(evolution.mean, before)
    again = load_state(tmp_path)[0]
    np.testing.assert_array_equal(again.ask(), asked)


# The same law, with real worker processes and a real kill.


def start(folder, workers):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "fake_world.py"), str(folder), str(workers)],
        env=environment,
    )


@pytest.mark.slow
def test_kill_9_and_another_number_of_workers_change_nothing(tmp_path):
    unbroken = start(tmp_path / "unbroken", 1)
    broken = start(tmp_path / "broken", 2)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not (tmp_path / "broken" / "state.pkl").exists():
        time.sleep(0.01)
    time.sleep(0.05)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    assert len(table(tmp_path / "broken")) < 12
    assert start(tmp_path / "broken", 3).wait() == 0 and unbroken.wait() == 0
    assert len(table(tmp_path / "broken")) == 12
    assert everything(tmp_path / "broken") == everything(tmp_path / "unbroken")
