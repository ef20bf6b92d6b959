"""The verb evaluate as a user runs it, with a tiny V and M.

Workers import this module, so nothing heavy is imported at its top.
"""

import json
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner, scores_of
from WorldModels.assembly.evaluation.tasks import LANES, SEEDS, Task, tasks_of
from WorldModels.control.controller import Controller
from WorldModels.control.rollout import Rollout, rollout
from WorldModels.episodes.episode import Episode
from WorldModels.episodes.series import Series
from WorldModels.evaluate import main
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.games.carracing import CarRacingSettings
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.rows import read_rows

STEPS = 40
SHAPE = Controller("zh", latent_size=4, hidden_size=8)
# Histories as the training verbs write them, with only the columns that the curves need.
HISTORY = {
    "vision.csv": "epoch,reconstruction,kl\n0,60,17\n",
    "controller/generations.csv": (
        "generation,mean,min,max,sigma,frames,validation\n"
        "1,-20,-60,10,0.1,800,\n"
        "2,0,-40,30,0.09,1600,5\n"
    ),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run's folder with everything that evaluate reads."""
    from WorldModels.assembly.models import Imagination, Perception
    from WorldModels.export import files as export
    from WorldModels.memory.mdn_rnn import MDNRNN
    from WorldModels.vision.vae import VAE

    folder = tmp_path_factory.mktemp("trained")
    path = folder / "0"
    vision = VAE(latent_size=4, encoder_filters=(4, 4, 4, 4), decoder_filters=(4, 4, 4))
    memory = MDNRNN(latent_size=4, lstm_size=8, reward_head=True, terminated_head=True)
    path.mkdir()
    vision.save(path / "vision.keras")
    memory.save(path / "memory.keras")
    if not export.unavailable():
        from WorldModels.export import endpoints, onnx

        for endpoint in endpoints.of_vision(vision):
            onnx.export_onnx(vision, path / f"{endpoint.name}.onnx", endpoint)
        perception = Perception(vision, memory)
        onnx.export_onnx(perception, path / "perception.onnx", endpoints.of_perception(perception))
        imagination = Imagination(memory)
        onnx.export_onnx(
            imagination, path / "imagination.onnx", endpoints.of_imagination(imagination)
        )
    save_episodes(path)
    save_driver(path / "controller" / "best.npz", 2)
    save_driver(path / "controller" / "generations" / "2.npz", 2)
    save_driver(path / "controller" / "generations" / "1.npz", 1)
    for name, text in HISTORY.items():
        (path / name).write_text(text)
    return folder


def save_episodes(path):
    """Save two games as a run records them, their series, and the first latents."""
    draw = np.random.default_rng(0)
    for name in ("000.npz", "001.npz"):
        frames, actions = (
            draw.integers(0, 256, (41, 64, 64, 3), np.uint8),
            draw.uniform(-1, 1, (40, 3)),
        )
        Episode(frames, actions, np.ones(40), True, False, 1, "cauchy").save(
            path / "episodes" / name
        )
        Series(draw.normal(size=(41, 4)), np.full((41, 4), -4.0), actions, np.ones(40), True).save(
            path / "series" / name
        )
    np.savez(
        path / "first_latents.npz",
        mean=np.zeros((2, 4), np.float32),
        log_var=np.zeros((2, 4), np.float32),
    )


def save_driver(file, generation):
    parameters = np.random.default_rng(generation).normal(0, 0.3, SHAPE.num_parameters)
    SHAPE.save(
        file,
        parameters,
        generation=generation,
        frames=800 * generation,
        validation=5.0,
        validation_rollouts=2,
    )


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of that folder, for one test."""
    return shutil.copytree(trained, tmp_path / "run")


def evaluate(folder, *flags, tracks=2, baseline=1, workers=2):
    main(
        [
            "carracing",
            "--scale",
            "smoke",
            "--results",
            str(folder),
            "--env.max-steps",
            str(STEPS),
            "--evaluate.tracks",
            str(tracks),
            "--evaluate.baseline-tracks",
            str(baseline),
            "--workers",
            str(workers),
            *flags,
        ]
    )
    return json.loads((folder / "0" / "evaluation.json").read_text())


def drop_end(folder):
    """Leave the folder as a kill during the tracks would have left it."""
    file = folder / "0" / "stages" / "evaluation.json"
    write_json(file, read_json(file) | {"complete": False})
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
    assert next(iter(report["baselines"])) == "cauchy"
    assert all(scores["lap rule 1.0"]["n"] == 2 for scores in report["baselines"].values())
    driver = report["controller"]
    assert (driver["file"], driver["generation"], driver["training_steps"]) == (
        "controller/best.npz",
        2,
        1600,
    )
    assert (driver["features"], driver["latent"], report["seed"], report["scale"]) == (
        "zh",
        "mean",
        0,
        "smoke",
    )
    assert report["environment"]["renderer"] != "fast"

    path = folder / "0"
    assert iio.imread(path / "real.mp4", plugin="pyav").shape == (STEPS + 1, 400, 600, 3)
    assert len(iio.imread(path / "reconstructed.mp4", plugin="pyav")) == STEPS + 1
    assert Image.open(path / "reconstructed.gif").n_frames > 10
    assert len(list((path / "evaluation/best/frames").glob("*.png"))) == STEPS + 1
    assert {file.name for file in (path / "figures").iterdir()} == {
        "vision.png",
        "generations.png",
        "scores.png",
    }
    assert not {"dream", "curve", "looks", "dream_checks", "filmed_dream"} & set(
        report
    )  # it was evolved in the real world
    (film,) = report["filmed"]
    assert (
        film["score"] == sorted(report["scores"]["lap rule 0.95"]["tracks"])[1]
    )  # the median of three

    printed = capsys.readouterr().out
    assert all(
        word in printed
        for word in (
            "lap rule 0.95",
            "lap rule 1.0",
            "random (cauchy)",
            "95% interval",
            "generation 2",
        )
    )
    assert [line.strip() for line in printed.splitlines()[-4:]] == [
        str(path / name) for name in film["files"]
    ]


def test_a_killed_run_goes_on_to_the_same_numbers_whatever_the_workers(folder):
    whole = evaluate(folder, tracks=3)
    rows = folder / "0" / "evaluation/best/tracks.csv"
    lines = rows.read_text().splitlines(keepends=True)
    drop_end(folder)
    rows.write_text("".join(lines[:2]) + lines[2][:9])  # killed in the middle of writing a row
    assert evaluate(folder, tracks=3, workers=1) == whole
    assert sorted(rows.read_text().splitlines()) == sorted(line.strip() for line in lines)


def test_a_complete_run_prints_its_table_again_and_a_larger_one_drives_only_what_is_missing(
    folder, capsys
):
    evaluate(folder)
    first, films = (
        read_rows(folder / "0" / "evaluation/best/tracks.csv"),
        (folder / "0" / "real.mp4").stat().st_mtime_ns,
    )
    capsys.readouterr()
    evaluate(folder)
    printed = capsys.readouterr().out
    assert (
        "are there already" in printed
        and "lap rule 1.0" in printed
        and printed.strip().endswith("reconstructed.gif")
    )
    assert (folder / "0" / "real.mp4").stat().st_mtime_ns == films
    assert evaluate(folder, tracks=3)["scores"]["lap rule 1.0"]["n"] == 3
    rows = read_rows(folder / "0" / "evaluation/best/tracks.csv")
    assert rows[: len(first)] == first and len(rows) == len(first) + 1


@pytest.mark.parametrize(
    "absent, flags, words",
    [
        (
            "vision.keras",
            (),
            (
                "vision.keras is missing",
                "python -m WorldModels.train_vision carracing --scale smoke",
            ),
        ),
        (
            "memory.keras",
            (),
            (
                "memory.keras is missing",
                "python -m WorldModels.train_memory carracing --scale smoke",
            ),
        ),
        (
            "controller",
            (),
            (
                "best.npz is missing",
                "python -m WorldModels.train_controller carracing --scale smoke",
            ),
        ),
        (
            None,
            ("--controller.generation", "418"),
            ("--controller.generation", "(1, 2)", "received 418"),
        ),
        (
            None,
            ("--evaluate.baselines", "cauchy,nobody"),
            ("--evaluate.baselines", "uniform", "received 'nobody'"),
        ),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(folder, capsys, absent, flags, words):
    if absent:
        target = folder / "0" / absent
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(SystemExit) as stopped:
        evaluate(folder, *flags)
    error = capsys.readouterr().err
    assert (
        stopped.value.code == 2
        and len(error.strip().splitlines()) == 1
        and all(word in error for word in words)
    ), error
    assert not (folder / "0" / "evaluation.json").exists()


def test_the_film_shows_the_drive_that_was_scored(trained):
    examiner = Examiner(
        trained / "0",
        CarRacingSettings(max_steps=STEPS),
        {DRIVER: trained / "0" / "controller" / "best.npz"},
    )
    rows = examiner()(Task("tracks", DRIVER, (1, 0, 1)))
    assert rows[0] == rows[2], "a track's result depends on what was driven before it"
    filmed = rollout(
        examiner.world(DRIVER, examiner.game.filmed(examiner.env)),
        examiner.policy(DRIVER),
        SEEDS["tracks"] + 1,
        STEPS,
        keep="episode",
    )
    assert filmed.return_ == rows[0]["return_095"]
    assert examiner.env.lap_complete == "0.95" and examiner.frames_a_second() == 50
    bare, total = examiner.bare(examiner.game.shown(examiner.env)), 0.0
    bare.reset(seed=filmed.episode.seed)
    for action in filmed.episode.actions:
        total += bare.step(action)[1]
    assert total == pytest.approx(filmed.return_, abs=1e-9), "the person's view shows another drive"


DREAMT = (
    "--controller.world",
    "dream",
    "--evaluate.dreams",
    "3",
    "--evaluate.curve-games",
    "1",
    "--record.held-out-share",
    "0.5",
)


def test_what_was_evolved_in_a_dream_is_shown_there_too_and_its_eyes_are_bound(folder, capsys):
    report, path = evaluate(folder, *DREAMT), folder / "0"
    assert (
        list(report["dream"]["scores"]) == ["controller", "cauchy", "straight"]
        and report["dream"]["max_steps"] == STEPS
    )
    assert all(scores["n"] == 3 for scores in report["dream"]["scores"].values())
    assert set(report["looks"]) == {"another game's frames", "a frozen frame"}
    assert [point["generation"] for point in report["curve"]] == [1, 2] and [
        point["dream"] for point in report["curve"]
    ] == [None, 5.0]
    assert report["dream_checks"]["foresight"]["episodes"] == 1 and report["dream_checks"][
        "horizon"
    ]["horizons"] == [1, 2, 5, 10, 20]
    filmed = report["filmed_dream"]
    assert (
        len(iio.imread(path / "dream.mp4", plugin="pyav")) == filmed["steps"] + 1
        and (path / "dream.gif").exists()
    )
    assert {"dream_curve.png", "horizon.png"} <= {
        file.name for file in (path / "figures").iterdir()
    }
    printed = capsys.readouterr().out
    assert all(
        word in printed
        for word in (
            "dream: driver",
            "dream: cauchy",
            "driver on a frozen frame",
            "How true the dream is",
        )
    )

    drop_end(folder)
    for name in ("tracks", "dreams", "curve"):
        rows = path / "evaluation/best" / f"{name}.csv"
        rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    again = evaluate(folder, *DREAMT, workers=1)
    assert {name: again[name] for name in ("scores", "looks", "curve", "filmed_dream")} == {
        name: report[name] for name in ("scores", "looks", "curve", "filmed_dream")
    }
    evaluate(folder, *DREAMT)
    assert "are there already" in capsys.readouterr().out
    shutil.copy(
        path / "controller/generations/2.npz", path / "controller/generations/3.npz"
    )  # the evolution continued, and the best stayed
    assert [point["generation"] for point in evaluate(folder, *DREAMT)["curve"]] == [1, 2, 3]


def test_only_the_games_rules_name_the_columns_of_a_row():
    laps, plain = game_of("CarRacing-v3"), game_of("LunarLanderContinuous-v3")
    result = Rollout(return_=5.0, return_095=3.0, lap=False, lap_095=True)
    assert scores_of(result, laps) == {
        "return_095": 3.0,
        "return_100": 5.0,
        "lap_095": 1,
        "lap_100": 0,
    }
    assert scores_of(result, plain) == {"return": 5.0}


def test_dreams_are_dreamt_in_step_and_games_are_played_alone():
    wanted = [("tracks", "stay", 0), ("tracks", "stay", 1)]
    wanted += [("dreams", "stay", n) for n in range(LANES + 2)]
    tasks = tasks_of(wanted)
    assert [len(task.numbers) for task in tasks] == [1, 1, LANES, 2]
    assert [(t.kind, t.driver, n) for t in tasks for n in t.numbers] == wanted
