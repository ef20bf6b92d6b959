"""One rule says which episodes V and M are scored on: none of those that either was trained on."""

import dataclasses
import tarfile

import numpy as np
import pytest
from conftest import ROOT

from WorldModels import record
from WorldModels.episodes.episode import list_episodes
from WorldModels.episodes.series import Series, read_split
from WorldModels.episodes.split import older_share, split, split_and_list
from WorldModels.experiment.command import parse
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run
from WorldModels.experiment.stage import Stage
from WorldModels.experiment.stored import stored_experiment

BOTH = ("vision", "memory")


def files(folder, count, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        (folder / f"{number:06}.npz").touch()
    return list_episodes(folder)


def experiment_of(folder, share, seed=0):
    ours = preset("carracing", "smoke")
    record = dataclasses.replace(ours.record, held_out_share=share)
    return dataclasses.replace(ours, record=record, results=str(folder), seed=seed)


def names(paths):
    return {path.name for path in paths}


@pytest.mark.parametrize("share", [0.1, 0.6])
@pytest.mark.parametrize("seed", range(8))
def test_added_episodes_move_none(tmp_path, seed, share):
    experiment, held_out = experiment_of(tmp_path, share, seed), set()
    run = Run(experiment, "train_vision", typed=frozenset())
    trained = set()
    for count in (1, 2, 3, 5, 8, 20, 100, 400):
        paths = files(run.path / "episodes", count)
        parts = split_and_list(paths, run, "vision", None)
        assert held_out <= names(parts[1]) and sorted(parts[0] + parts[1]) == paths
        assert parts[0] and bool(parts[1]) == (count > 1)
        assert trained <= names(parts[0])
        held_out, trained = names(parts[1]), names(parts[0])
        assert held_out == set(read_json(run.path / "split.json")["held_out"])
    assert 0.6 * share <= len(held_out) / 400 <= 1.5 * share
    run.close()


def test_the_choice_follows_seed_iteration_and_name_and_no_pattern(tmp_path):
    paths = files(tmp_path / "0/episodes", 1000)
    later = files(tmp_path / "1/episodes", 1000)

    def held_out(paths, share=0.2, seed=0, network="vision"):
        folder = paths[0].parents[1]
        return split(paths, folder, network, experiment_of(tmp_path, share, seed))[1]

    held = held_out(paths)
    assert np.histogram([int(path.stem) % 8 for path in held], 8)[0].min() > 10
    assert held_out(paths[::-1], network="memory") == held[::-1]
    assert held_out(paths, seed=1) != held and held_out(paths, share=0.0) == []
    assert names(held_out(later)) != names(held)


def test_v_and_m_hold_out_the_same_episodes_of_every_iteration(tmp_path):
    experiment, folder = experiment_of(tmp_path, 0.2), tmp_path / "1"
    episodes = files(tmp_path / "0/episodes", 30) + files(folder / "episodes", 30)
    (folder / "series").mkdir()
    for path in episodes:
        prefix = "0-" if path.parents[1].name == "0" else ""
        number = np.full((3, 2), float(path.stem))
        series = Series(number, np.zeros((3, 2)), np.zeros((2, 1)), np.zeros(2), prefix == "0-")
        series.save(folder / "series" / f"{prefix}{path.name}")
    of_vision = split(episodes, folder, "vision", experiment)[1]
    of_memory = read_split(folder, experiment)[1]
    seen = {(path.parents[1].name == "0", float(path.stem)) for path in of_vision}
    assert seen == {(bool(each.terminated), each.mean[0, 0]) for each in of_memory}
    alone = split(episodes[:30], tmp_path / "0", "vision", experiment)[1]
    assert alone == [path for path in of_vision if path.parents[1].name == "0"]


def test_one_episode_is_trained_on_and_that_is_said_once(tmp_path, capsys):
    run = Run(experiment_of(tmp_path, 0.2), "train_vision", typed=frozenset())
    paths = files(run.path / "episodes", 1)
    assert split_and_list(paths, run, "vision", None) == (paths, [])
    assert capsys.readouterr().out.count("nothing is held out, as there is only one episode") == 1
    run.close()


@pytest.mark.parametrize("noun", ["vision", "memory"])
def test_the_flags_of_the_past_are_refused_by_name(noun, tmp_path):
    flags = ["carracing", "--results", str(tmp_path), f"--{noun}.validation-share", "0.2"]
    with pytest.raises(ValueError, match="same episodes.*--record.held-out-share"):
        parse("train_vision", flags)


def test_an_older_run_keeps_its_two_splits(tmp_path):
    """Each was made by a rule of its own, with a share of its own, which its stages' files list."""
    with tarfile.open(ROOT / "tests/data/older-real.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "real"
    experiment = dataclasses.replace(stored_experiment(folder), results=str(folder))
    run = Run(experiment, "report", reads_only=True)
    parts = []
    for name in ("vision", "memory"):
        facts = read_json(run.path / f"stages/{name}.json")
        assert older_share(run.path, name) == facts["settings"][name]["validation_share"] > 0
        facts["settings"][name]["validation_share"] = 0.3
        write_json(run.path / f"stages/{name}.json", facts)
        stage = Stage(run, name, facts["inputs"])
        assert stage.settings[name]["validation_share"] == 0.3, "kept where training goes on"
        paths = files(tmp_path / "more/0/episodes", 20)
        parts.append(split(paths, run.path, name, run.experiment, older_share(run.path, name))[1])
    assert [len(part) for part in parts] == [6, 6] and parts[0] != parts[1]


@pytest.mark.parametrize(
    ("flags", "stale"),
    [((), ()), (("--seed", "7"), BOTH), (("--record.held-out-share", "0.6"), BOTH)],
)
def test_networks_of_episodes_recorded_in_another_way_are_made_again(tmp_path, flags, stale):
    """Otherwise V and M would be scored on episodes that they were trained on."""
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path)]
    argv += ["--record.episodes", "2", "--record.max-frames", "20", "--workers", "1"]
    record.main(argv)
    run = Run(parse("report", argv), "report", reads_only=True)
    for name in BOTH:
        run.stage(name).finish()
        (run.path / f"{name}.keras").touch()
    more = ["--record.episodes", "3"]
    record.main([*argv, *more])
    record.main([*argv, *more, "--force", *flags])
    for name in BOTH:
        stage = Run(parse(f"train_{name}", argv[:5]), f"train_{name}", reads_only=True).stage(name)
        assert (name in stale) == stage.anew == (not stage.complete)


def test_a_damaged_list_names_the_command_that_goes_on_without_it(tmp_path):
    experiment = experiment_of(tmp_path, 0.2)
    paths = files(tmp_path / "0/episodes", 5)
    (tmp_path / "0/split.json").write_text("{")
    with pytest.raises(ValueError, match=r"split\.json && python -m WorldModels\.train_vision"):
        split(paths, tmp_path / "0", "vision", experiment)
