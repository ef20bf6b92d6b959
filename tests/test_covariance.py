"""CMA-ES with a diagonal covariance: `--controller.covariance`, and what a full one costs."""

import pickle
import tracemalloc

import numpy as np
import pytest
from test_train_controller import folder, rows, train

from WorldModels.control.search_state import load_state
from WorldModels.control.strategies.cmaes import (
    CMAES,
    MEMORY_BYTES,
    MOST_FULL,
    STATE_BYTES,
    covariance_for,
)
from WorldModels.experiment.command import parse
from WorldModels.experiment.files import read_json, write_json

__all__ = ["folder"]  # a fixture


def search(size, covariance, population=4):
    return CMAES(size, population, 0.1, np.random.default_rng(0), covariance=covariance)


def state_bytes(evolution):
    evolution.tell(-(evolution.ask() ** 2).sum(1))
    return len(pickle.dumps(evolution, protocol=5))


def test_a_diagonal_covariance_grows_with_the_parameters_and_a_full_one_with_their_square():
    small, large = (state_bytes(search(size, "diagonal")) for size in (500, 1000))
    assert large < 2.5 * small
    assert state_bytes(search(1000, "full")) == pytest.approx(STATE_BYTES * 1000**2, rel=0.1)


def test_what_a_full_covariance_takes_is_as_said():
    tracemalloc.start()
    evolution = search(1000, "full")
    state_bytes(evolution)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak == pytest.approx(MEMORY_BYTES * 1000**2, rel=0.35)


def test_a_driver_with_a_hidden_layer_of_40_is_searched_with_little_memory():
    tracemalloc.start()
    evolution = search(11_683, covariance_for("auto", 11_683)[0])
    size = state_bytes(evolution)
    assert evolution.covariance == "diagonal" and size < 20e6
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_a_diagonal_search_climbs():
    evolution = search(30, "diagonal", population=12)
    scale = np.linspace(1, 5, 30)
    for _ in range(150):
        evolution.tell(-(((evolution.ask() - 1) * scale) ** 2).sum(1))
    assert np.abs(evolution.mean - 1).max() < 0.1


@pytest.mark.parametrize(
    "asked, size, chosen, words",
    [
        ("auto", MOST_FULL, "full", ()),
        ("auto", MOST_FULL + 1, "diagonal", ("3,001", "diagonal", "--controller.covariance full")),
        ("auto", 11_683, "diagonal", ("5.7 GB of memory", "2.2 GB written")),
        ("full", 11_683, "full", ("5.7 GB of memory", "2.2 GB written")),
        ("full", 867, "full", ("32 MB of memory", "12 MB written")),
        ("diagonal", 867, "diagonal", ()),
    ],
)
def test_which_covariance_and_what_is_said(asked, size, chosen, words):
    covariance, line = covariance_for(asked, size)
    assert covariance == chosen and bool(line) is bool(words) and "\n" not in line
    assert all(word in line for word in words), line


def test_the_verb_says_the_cost_first_and_searches_so(folder, capsys, monkeypatch):
    train(folder, "--controller.covariance", "full")
    printed = capsys.readouterr().out
    assert printed.count("a full covariance of 10 parameters takes") == 1
    assert printed.index("a full covariance") < printed.index("2 generations")
    monkeypatch.setattr("WorldModels.control.strategies.cmaes.MOST_FULL", 9)
    train(folder, "--controller.covariance", "auto", "--force")
    assert "diagonal covariance; --controller.covariance full" in capsys.readouterr().out
    assert load_state(folder / "0/controller")[0].covariance == "diagonal"
    train(folder, "--controller.generations", "3")
    assert "covariance" not in capsys.readouterr().out and len(rows(folder)) == 3


def test_an_older_run_without_the_setting_goes_on_and_is_not_turned_into_another(folder, capsys):
    train(folder)
    file = folder / "0/stages/controller.json"
    facts = read_json(file)
    del facts["settings"]["controller"]["covariance"]
    write_json(file, facts)
    with pytest.raises(SystemExit):
        train(folder, "--controller.generations", "3", "--controller.covariance", "diagonal")
    error = capsys.readouterr().err
    assert all(word in error for word in ("--controller.covariance", "diagonal", "full", "--force"))
    assert len(rows(folder)) == 2
    train(folder, "--controller.generations", "3")
    assert len(rows(folder)) == 3


def test_with_another_strategy_the_flag_is_refused_by_name(tmp_path):
    flags = ["--controller.optimizer", "pepg", "--controller.covariance", "full"]
    with pytest.raises(ValueError, match=r"--controller.covariance.*--controller.optimizer cma"):
        parse("train_controller", ["carracing", "--results", str(tmp_path), *flags])
