"""Every generation's mean is kept, above a limit every n-th; --controller.keep-every is gone."""

import json

import numpy as np
import pytest
from fake_world import FIVE
from test_evolution import Killed, breed, everything

from WorldModels.assembly.evaluation.curve import kept_means
from WorldModels.control import kept
from WorldModels.control.kept import MOST_BYTES, stride
from WorldModels.experiment.command import parse
from WorldModels.experiment.memo import memo_of
from WorldModels.experiment.older import flags_of


def generations(folder):
    return sorted(int(file.stem) for file in (folder / "generations").glob("*.npz"))


def test_a_driver_of_the_papers_size_keeps_all_of_the_papers_generations():
    assert all(stride(generation, 867) == 1 for generation in range(1801))
    assert stride(10_000, 867) == 4


@pytest.mark.parametrize("size", [1, 867, 11_683, 10**7])
def test_what_is_kept_stays_below_the_limit_and_the_stride_only_grows(size):
    strides = [stride(generation, size) for generation in range(1, 20_000, 7)]
    assert strides == sorted(strides) and set(np.log2(strides) % 1) == {0.0}
    for generation, n in zip(range(1, 20_000, 7), strides, strict=True):
        assert generation // n * (8 * size) <= MOST_BYTES


def test_each_generation_of_a_run_can_be_asked_for(tmp_path):
    breed(tmp_path, generations=7, validation_every=3)
    assert generations(tmp_path) == [1, 2, 3, 4, 5, 6, 7]


def test_above_the_limit_every_nth_is_kept_and_it_is_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kept, "MOST_BYTES", 5 * kept.FILE_BYTES + 1)  # four files
    breed(tmp_path / "unbroken", generations=19)
    assert generations(tmp_path / "unbroken") == [4, 8, 12, 16, 19]  # 19 is the last one
    assert capsys.readouterr().out.count("every 2nd generation") == 1
    for moment in (("validate", 6), ("event", 5), ("score", 9), ("event", 10)):
        folder = tmp_path / str(moment)
        with pytest.raises(Killed):
            breed(folder, generations=19, kill=moment)
        breed(folder, generations=19)
        assert everything(folder) == everything(tmp_path / "unbroken")


def test_of_many_kept_means_those_with_a_validation_play_real_games(tmp_path):
    breed(tmp_path, generations=9, validation_every=4)
    assert list(kept_means(tmp_path)) == [str(k) for k in range(1, 10)]
    breed(tmp_path, generations=30, validation_every=4)
    assert list(kept_means(tmp_path)) == ["4", "8", "9", "12", "16", "20", "24", "28", "30"]


@pytest.mark.parametrize("typed", [["--controller.keep-every", "5"], ["--controller.keep_every=5"]])
def test_the_old_flag_is_refused_by_name_with_a_remedy(typed, tmp_path):
    with pytest.raises(ValueError) as refused:
        parse("train_controller", ["carracing", "--results", str(tmp_path), *typed])
    words = ("--controller.keep-every", "every generation", "--controller.generation K")
    assert all(word in str(refused.value) for word in words)
    assert "keep_every" not in FIVE


def test_where_an_older_run_has_it_it_is_dropped(tmp_path):
    stored = {"name": "carracing", "scale": "smoke", "controller": {"keep_every": 7, "sigma": 0.3}}
    assert "controller.keep_every" in flags_of(stored)
    made_with = {"seed": 0, "controller": {"keep_every": 7, "sigma": 0.3}}
    for config in (stored, {"name": "carracing", "scale": "smoke", "typed": flags_of(stored)}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert memo_of(tmp_path).typed == {"controller.sigma": 0.3}
        (tmp_path / "0/stages").mkdir(parents=True, exist_ok=True)
        facts = {"settings": made_with, "budgets": {}, "inputs": {}, "complete": True}
        (tmp_path / "0/stages/controller.json").write_text(json.dumps(facts))
        experiment = parse("train_controller", ["carracing", "--results", str(tmp_path)])
        assert experiment.controller.sigma == 0.3
