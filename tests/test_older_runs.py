"""Runs made before typed flags were remembered can be resumed, evaluated and reported."""

import math
import tarfile

import pytest
from conftest import ROOT, run_verb_process

from WorldModels.experiment.files import read_json
from WorldModels.experiment.memo import memo_of
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.stored import stored_experiment

pytestmark = pytest.mark.slow
# The flags typed for them: see tests/data/README.md.
TYPED = {
    "seed": 3,
    "vision.encoder_filters": [4, 4, 8, 8],
    "vision.decoder_filters": [8, 8, 4],
    "vision.latent_size": 8,
    "memory.lstm_size": 16,
    "record.episodes": 4,
    "record.max_frames": 20,
    "env.max_steps": 100,
}
GAMES = {
    "real": ("carracing", {"controller.generations": 5}),
    "dreamt": ("takecover", {"dream.generations": 5, "dream.temperature": 0.9}),
}


@pytest.fixture(params=GAMES)
def older(request, tmp_path):
    """The game, the folder of its run, and what was typed for it."""
    name, own = GAMES[request.param]
    with tarfile.open(ROOT / f"tests/data/older-{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return name, tmp_path / request.param, TYPED | own


def verb(name, game, folder, *flags):
    done = run_verb_process(name, folder, *flags, experiment=game, scale=None)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_older_run_resumes_is_evaluated_and_reported(older, tmp_path):
    game, folder, typed = older
    assert memo_of(folder).typed == typed
    experiment = stored_experiment(folder)
    assert (experiment.seed, experiment.memory.lstm_size, experiment.scale) == (3, 16, "smoke")
    assert experiment.memory.log_std_floor == -math.inf, "there was none, whatever is preset now"
    before = read_rows(folder / "0/controller/generations.csv")
    for name in ("record", "train_vision", "encode", "train_memory"):
        assert "there already" in verb(name, game, folder)
    assert "continues after generation" in verb("train_controller", game, folder)
    rows = read_rows(folder / "0/controller/generations.csv")
    assert len(rows) == 5 and [row["mean"] for row in rows[:2]] == [r["mean"] for r in before[:2]]
    verb("evaluate", game, folder)
    assert read_json(folder / "0/evaluation.json")["seed"] == 3
    verb("report", game, folder, "--to", str(tmp_path / "page.html"))
    assert "is not as it should be" not in (tmp_path / "page.html").read_text()
    assert memo_of(folder).typed == typed
