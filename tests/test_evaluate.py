"""The verb evaluate, as a user runs it, on a tiny V and M. Imports nothing heavy at module level: workers import it."""

import json
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from WorldModels.control.controller import Controller
from WorldModels.evaluate import DRIVER, FIRST_SEED, Examiner, main
from WorldModels.experiment.files import read_rows
from WorldModels.experiment.settings import EnvSettings

STEPS = 40
SHAPE = Controller("zh", latent_size=4, hidden_size=8)
# What only some columns need, as the training verbs write it.
HISTORY = {
    "vision.csv": "epoch,reconstruction,kl\n0,60,17\n",
    "controller/generations.csv": "generation,mean,min,max,sigma,frames,validation\n1,-20,-60,10,0.1,800,\n2,0,-40,30,0.09,1600,5\n",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run's folder with everything that evaluate reads."""
    from WorldModels import export
    from WorldModels.memory.mdn_rnn import MDNRNN
    from WorldModels.models import Perception
    from WorldModels.vision.vae import VAE

    folder = tmp_path_factory.mktemp("trained")
    path = folder / "0"
    vision = VAE(latent_size=4, encoder_filters=(4, 4, 4, 4), decoder_filters=(4, 4, 4))
    memory = MDNRNN(latent_size=4, lstm_size=8)
    path.mkdir()
    vision.save(path / "vision.keras")
    memory.save(path / "memory.keras")
    if not export.unavailable():
        from WorldModels.export import endpoints, onnx

        for endpoint in endpoints.of_vision(vision):
            onnx.export_onnx(vision, path / f"{endpoint.name}.onnx", endpoint)
        perception = Perception(vision, memory)
        onnx.export_onnx(perception, path / "perception.onnx", endpoints.of_perception(perception))
    save_driver(path / "controller" / "best.npz", 2)
    save_driver(path / "controller" / "generations" / "2.npz", 2)
    save_driver(path / "controller" / "generations" / "1.npz", 1)
    for name, text in HISTORY.items():
        (path / name).write_text(text)
    return folder


def save_driver(file, generation):
    parameters = np.random.default_rng(generation).normal(0, 0.3, SHAPE.num_parameters)
    SHAPE.save(file, parameters, generation=generation, frames=800 * generation, validation=5.0, validation_rollouts=2)


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of that folder, for one test."""
    return shutil.copytree(trained, tmp_path / "run")


def evaluate(folder, *flags, tracks=2, baseline=1, workers=2):
    main(["carracing", "--scale", "smoke", "--results", str(folder), "--env.max-steps", str(STEPS), "--evaluate.tracks", str(tracks),
          "--evaluate.baseline-tracks", str(baseline), "--workers", str(workers), *flags])  # fmt: skip
    return json.loads((folder / "0" / "evaluation.json").read_text())


def drop_end(folder):
    """As a kill while the tracks were driven would have left the folder."""
    facts = json.loads((folder / "0" / "stages" / "evaluation.json").read_text())
    (folder / "0" / "stages" / "evaluation.json").write_text(json.dumps(facts | {"complete": False}))
    for name in ("evaluation.json", "real.mp4", "reconstructed.mp4", "reconstructed.gif"):
        (folder / "0" / name).unlink()


def test_an_evaluation_has_scores_films_curves_and_says_where_they_are(folder, capsys):
    report = evaluate(folder, "--evaluate.frames", tracks=3, baseline=2)
    for name in ("lap rule 0.95", "lap rule 1.0"):
        scores = report["scores"][name]
        assert scores["n"] == len(scores["tracks"]) == 3 and 0 <= scores["laps"] <= 1
        assert scores["mean"] == pytest.approx(np.mean(scores["tracks"]))
        assert scores["sd"] == pytest.approx(np.std(scores["tracks"], ddof=1))
        assert scores["interval"][0] <= scores["mean"] <= scores["interval"][1]
    assert report["baseline"]["policy"] == "cauchy" and report["baseline"]["scores"]["lap rule 1.0"]["n"] == 2
    driver = report["controller"]
    assert (driver["file"], driver["generation"], driver["training_steps"]) == ("controller/best.npz", 2, 1600)
    assert (driver["features"], driver["latent"], report["seed"], report["scale"]) == ("zh", "mean", 0, "smoke")
    assert report["environment"]["renderer"] != "fast"

    path = folder / "0"
    assert iio.imread(path / "real.mp4", plugin="pyav").shape == (STEPS + 1, 400, 600, 3)
    assert len(iio.imread(path / "reconstructed.mp4", plugin="pyav")) == STEPS + 1
    assert Image.open(path / "reconstructed.gif").n_frames > 10
    assert len(list((path / "evaluation" / "frames").glob("*.png"))) == STEPS + 1
    assert {file.name for file in (path / "figures").iterdir()} == {"vision.png", "generations.png", "scores.png"}
    (film,) = report["filmed"]
    assert film["score"] == sorted(report["scores"]["lap rule 0.95"]["tracks"])[1]  # the median of three

    printed = capsys.readouterr().out
    assert all(word in printed for word in ("lap rule 0.95", "lap rule 1.0", "random (cauchy)", "95% interval", "generation 2"))
    assert [line.strip() for line in printed.splitlines()[-4:]] == [str(path / name) for name in film["files"]]


def test_a_killed_run_goes_on_to_the_same_numbers_whatever_the_workers(folder):
    whole = evaluate(folder, tracks=3)
    rows = folder / "0" / "evaluation" / "tracks.csv"
    lines = rows.read_text().splitlines(keepends=True)
    drop_end(folder)
    rows.write_text("".join(lines[:2]) + lines[2][:9])  # killed in the middle of writing a row
    assert evaluate(folder, tracks=3, workers=1) == whole
    assert sorted(rows.read_text().splitlines()) == sorted(line.strip() for line in lines)


def test_a_complete_run_prints_its_table_again_and_a_larger_one_drives_only_what_is_missing(folder, capsys):
    evaluate(folder)
    first, films = read_rows(folder / "0" / "evaluation" / "tracks.csv"), (folder / "0" / "real.mp4").stat().st_mtime_ns
    capsys.readouterr()
    evaluate(folder)
    printed = capsys.readouterr().out
    assert "are there already" in printed and "lap rule 1.0" in printed and printed.strip().endswith("reconstructed.gif")
    assert (folder / "0" / "real.mp4").stat().st_mtime_ns == films
    assert evaluate(folder, tracks=3)["scores"]["lap rule 1.0"]["n"] == 3
    rows = read_rows(folder / "0" / "evaluation" / "tracks.csv")
    assert rows[: len(first)] == first and len(rows) == len(first) + 1


def test_another_driver_is_scored_anew_and_one_track_is_enough(folder):
    best = evaluate(folder, tracks=1)
    kept = evaluate(folder, "--controller.generation", "1", tracks=1)
    assert kept["controller"]["generation"] == 1 and kept["controller"]["file"] == "controller/generations/1.npz"
    assert kept["controller"]["sha256"] != best["controller"]["sha256"]
    assert kept["scores"]["lap rule 1.0"]["tracks"] != best["scores"]["lap rule 1.0"]["tracks"]
    assert kept["scores"]["lap rule 1.0"]["sd"] == 0
    assert len(read_rows(folder / "0" / "evaluation" / "tracks.csv")) == 2


@pytest.mark.parametrize(
    "absent, flags, words",
    [
        ("vision.keras", (), ("vision.keras is missing", "python -m WorldModels.train_vision carracing --scale smoke")),
        ("memory.keras", (), ("memory.keras is missing", "python -m WorldModels.train_memory carracing --scale smoke")),
        ("controller", (), ("best.npz is missing", "python -m WorldModels.train_controller carracing --scale smoke")),
        (None, ("--controller.generation", "418"), ("--controller.generation", "(1, 2)", "received 418")),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(folder, capsys, absent, flags, words):
    if absent:
        target = folder / "0" / absent
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(SystemExit) as stopped:
        evaluate(folder, *flags)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and len(error.strip().splitlines()) == 1 and all(word in error for word in words), error
    assert not (folder / "0" / "evaluation.json").exists()


def test_the_film_shows_the_drive_that_was_scored(trained):
    from WorldModels.control.rollout import rollout

    examiner = Examiner(trained / "0", trained / "0" / "controller" / "best.npz", EnvSettings(max_steps=STEPS))
    drive = examiner()
    rows = [drive((DRIVER, track)) for track in (1, 0, 1)]
    assert rows[0] == rows[2], "a track's result depends on what was driven before it"
    filmed = rollout(*examiner.world(DRIVER, "0.95"), FIRST_SEED + 1, STEPS, keep="episode")
    assert filmed.return_ == rows[0]["return_095"]
    bare, total = examiner.bare("0.95", "fast"), 0.0
    bare.reset(seed=filmed.episode.seed)
    for action in filmed.episode.actions:
        total += bare.step(action)[1]
    assert total == pytest.approx(filmed.return_, abs=1e-9), "the person's view shows another drive"
