"""A run whose flags are typed once equals one whose flags are typed every time."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest
from conftest import SIX, run_verb_process
from test_pipeline import arrays

from WorldModels.assembly.showing.run import opened
from WorldModels.experiment.files import read_json
from WorldModels.experiment.stored import stored_experiment

pytestmark = pytest.mark.slow
FLAGS = ["--seed", "1", "--vision.latent-size", "16", "--dream.temperature", "0.5"]
# Small networks and short games, to save time.
FLAGS += ["--vision.encoder-filters", "4", "4", "8", "8", "--vision.decoder-filters", "8", "8", "4"]
FLAGS += ["--memory.lstm-size", "16", "--record.held-out-share", "0.5", "--env.max-steps", "60"]
FLAGS += ["--evaluate.tracks", "1", "--evaluate.baseline-tracks", "1"]


def six(folder, first, later):
    for verb in SIX:
        flags = first if verb == "record" else later
        done = run_verb_process(verb, folder, *flags, scale="smoke" if flags else None)
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
    return folder


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The folder of a run whose flags were typed at `record`, and never again."""
    return six(tmp_path_factory.mktemp("once") / "run", FLAGS, [])


@pytest.fixture(scope="module")
def always(tmp_path_factory):
    """The folder of a run whose flags were typed at every verb."""
    return six(tmp_path_factory.mktemp("always") / "run", FLAGS, FLAGS)


def test_it_gives_what_typing_all_flags_each_time_gives(once, always):
    files = ["vision.keras", "memory.keras", "controller/mean.npz", "controller/best.npz"]
    for name in [*files, "series/000003.npz", "episodes/000003.npz"]:
        one, other = (arrays(folder / "0" / name) for folder in (once, always))
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=f"{name}: {key}")
    reports = [read_json(folder / "0/evaluation.json") for folder in (once, always)]
    assert reports[0] == reports[1] and reports[0]["seed"] == 1
    assert read_json(once / "config.json")["typed"] == read_json(always / "config.json")["typed"]
    assert stored_experiment(once) == stored_experiment(always)


def test_every_stage_says_what_it_was_made_with(once, tmp_path):
    stages = {path.stem: read_json(path) for path in (once / "0/stages").glob("*.json")}
    assert len(stages) == len(SIX)
    assert {facts["settings"]["seed"] for facts in stages.values()} == {1}
    assert stages["vision"]["settings"]["vision"]["latent_size"] == 16
    done = run_verb_process("report", once, "--to", str(tmp_path / "page.html"), scale=None)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert all(name in page for name in ("latent_size", "lstm_size", "train_vision"))


def test_what_was_held_out_is_still_held_out(once):
    from WorldModels.assembly.evaluation.truth import held_out_series
    from WorldModels.episodes.series import read_series

    log = (once / "log.txt").read_text()
    names = read_json(once / "0/split.json")["held_out"]
    assert log.count(f"{len(names)} held out") == 2, "as train_vision and train_memory printed"
    paths, series = read_series(once / "0/series")
    run = opened(once)
    record = dataclasses.replace(run.experiment.record, held_out_share=0.9)
    shown = held_out_series(run.path, dataclasses.replace(run.experiment, seed=99, record=record))
    by_name = {path.name: each for path, each in zip(paths, series, strict=True)}
    for found, name in zip(shown, names, strict=True):
        np.testing.assert_array_equal(found.mean, by_name[name].mean)


def test_the_dream_of_its_id_has_the_temperature_that_was_typed(once):
    env = gymnasium.make("WorldModels/DreamCarRacing-v0", results=str(once))
    assert env.unwrapped.temperature == 0.5
    env.close()


def test_a_remedy_names_the_run(once, tmp_path):
    done = run_verb_process("evaluate", once, "--controller.generation", "99", scale=None)
    assert done.returncode == 2 and "99" in done.stderr
    assert json.loads((once / "config.json").read_text())["typed"]["seed"] == 1
