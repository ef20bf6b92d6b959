"""Each driver has an evaluation of its own: testing one leaves the others alone.

Workers import this module, so nothing heavy is imported at its top.
"""

import json
import os
import shutil

import pytest
from fake_world import fake_network
from test_evaluate import HISTORY, STEPS, evaluate, save_driver

from WorldModels.assembly.evaluation import drivers
from WorldModels.assembly.evaluation.drivers import FILMS, adopt_older, evaluated, report_file
from WorldModels.experiment.damage import again as again_command
from WorldModels.experiment.files import hash_files, read_json
from WorldModels.experiment.rows import read_rows

FIRST = ("--controller.generation", "1")


@pytest.fixture
def folder(tmp_path):
    """A run's folder with drivers, and with files in place of V and M."""
    path = tmp_path / "run/0"
    for name, generation in (("best", 2), ("generations/1", 1), ("generations/2", 2)):
        save_driver(path / f"controller/{name}.npz", generation)
    for name, text in {**HISTORY, "vision.keras": "V", "memory.keras": "M"}.items():
        if name.endswith(".keras"):
            fake_network(path / name, text)
        else:
            (path / name).write_text(text)
    return path.parent


@pytest.fixture(autouse=True)
def cheap_games(monkeypatch):
    """Games are not played, filmed or drawn: a row says who was to play which track."""

    def examine(examiner, wanted, folder=None, **how):
        from WorldModels.assembly.evaluation.examination import _keep, _kept
        from WorldModels.assembly.evaluation.tasks import tasks_of

        wanted = list(wanted)
        rows = _kept(folder, {kind for kind, _, _ in wanted})
        for task in tasks_of(key for key in wanted if key not in rows):
            assert task.kind in ("tracks", "final")
            file = examiner.controllers.get(task.driver)
            value = int(hash_files([file])[:4], 16) if file else len(task.driver)
            result = {"steps": STEPS, "return_095": value, "return_100": value}
            result |= {"lap_095": 1, "lap_100": 0}
            found = [{"driver": task.driver, "track": n} | result for n in task.numbers]
            rows |= _keep(task, found, folder)
        return {key: rows[key] for key in wanted}

    def film(run, examiner, track, folder, prefix):
        content = f"{prefix} {hash_files([examiner.controllers['controller']])}"
        files = [folder / f"{prefix}{name}" for name in FILMS[:3]]
        for file in files:
            file.write_text(content)
        return [drivers.shown_name(run.path, file) for file in files]

    def draw(run, report, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scores.png").write_text(str(report["scores"]))

    monkeypatch.setattr("WorldModels.assembly.evaluation.plots.draw", draw)
    monkeypatch.setattr("WorldModels.assembly.evaluation.examination.examine", examine)
    monkeypatch.setattr("WorldModels.assembly.evaluation.films._film_game", film)


def contents(place):
    """Relative name -> content and time of each file."""
    return {
        str(file.relative_to(place)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in place.rglob("*")
        if file.is_file()
    }


def test_a_kept_generations_evaluation_leaves_the_best_drivers_alone(folder, capsys):
    best, path = evaluate(folder, "--evaluate.video-tracks", "2"), folder / "0"
    figures = contents(path / "figures")
    before = {name: (path / name).read_bytes() for name in ("evaluation.json", *FILMS[:3])}
    files = contents(path / "evaluation/best")
    assert {"evaluation.json", "tracks.csv", "real.mp4"} <= set(files)
    assert any(name.endswith("-real.mp4") for name in files)
    assert evaluate(folder, *FIRST) == best
    assert contents(path / "evaluation/best") == files and contents(path / "figures") == figures
    assert {name: (path / name).read_bytes() for name in before} == before
    kept = read_json(path / "evaluation/generation-1/evaluation.json")
    assert kept["controller"]["file"] == "controller/generations/1.npz"
    assert kept["scores"] != best["scores"]
    assert {file.name for file in (path / "evaluation/generation-1").iterdir()} == {
        *("evaluation.json", "tracks.csv", "figures", *FILMS[:3]),
        *(f"001-{name}" for name in FILMS[:3]),
    }
    assert kept["filmed"][0]["files"][0] == "evaluation/generation-1/real.mp4"
    capsys.readouterr()
    for flags, generation in (((), "2"), (FIRST, "1")):
        evaluate(folder, *flags)
        printed = capsys.readouterr().out
        assert "are there already" in printed and f"generation {generation}" in printed
        assert all(f"{name}, lap rule 0.95" in printed for name in ("best", "generation-1"))


def test_final_games_have_a_place_of_their_own_and_replace_nothing(folder, capsys):
    best, path = evaluate(folder), folder / "0"
    files = contents(path)
    again = evaluate(folder, "--evaluate.seeds", "final")
    assert again == best, "what lies in the iteration's folder is still the test's"
    now = contents(path)
    assert {name: now[name] for name in files} == files
    place = path / "evaluation/best-final"
    final = read_json(place / "evaluation.json")
    assert (final["seeds"], final["first_seed"]) == ("final", 9_000_000)
    assert (best["seeds"], best["first_seed"]) == ("test", 5_000_000)
    assert {row["track"] for row in read_rows(place / "final.csv")}
    assert not (place / "tracks.csv").exists() and (place / "real.mp4").exists()
    assert final["filmed"][0]["seed"] >= 9_000_000
    assert list(evaluated(path)) == ["best", "best-final"]
    printed = capsys.readouterr().out
    assert "2 final tracks from seed 9000000" in printed and f"All files are in {place}" in printed
    assert again_command(place / "evaluation.json").endswith("--evaluate.seeds final")


def test_copies_of_the_best_drivers_files_lie_in_the_iterations_folder(folder):
    evaluate(folder)
    path = folder / "0"
    for name in ("evaluation.json", *FILMS[:3]):
        assert (path / name).read_bytes() == (path / "evaluation/best" / name).read_bytes()
    (path / "real.mp4").unlink()
    evaluate(folder)
    assert (path / "real.mp4").exists()


def test_another_best_driver_is_tested_again_and_the_others_stay(folder, capsys):
    assert evaluate(folder, tracks=1)["scores"]["lap rule 1.0"]["sd"] == 0  # one track is enough
    best, path = evaluate(folder), folder / "0"
    evaluate(folder, *FIRST)
    kept = contents(path / "evaluation/generation-1")
    save_driver(path / "controller/best.npz", 3)
    assert list(evaluated(path)) == ["generation-1"]  # that of the earlier best is out of date
    assert evaluate(folder)["scores"] != best["scores"]
    assert "is made again" in capsys.readouterr().out
    assert contents(path / "evaluation/generation-1") == kept
    assert list(evaluated(path)) == ["best", "generation-1"]
    evaluate(folder, "--force")
    assert contents(path / "evaluation/generation-1") == kept
    save_driver(path / "controller/generations/1.npz", 4)
    best = contents(path / "evaluation/best")
    evaluate(folder, *FIRST)
    assert contents(path / "evaluation/generation-1") != kept
    assert contents(path / "evaluation/best") == best


def test_what_took_long_is_put_aside_for_each_driver(folder, monkeypatch):
    monkeypatch.setattr("WorldModels.experiment.stage.WORTH_KEEPING", -1)
    for flags in ((), FIRST, ("--force", *FIRST), ("--force",)):
        evaluate(folder, *flags)
    aside = {next(place.glob("evaluation/*")).name for place in (folder / "0/replaced").iterdir()}
    assert aside == {"best", "generation-1"}


def test_an_evaluation_of_a_generation_alone_is_whole(folder):
    with pytest.raises(FileNotFoundError):
        evaluate(folder, *FIRST)  # it reads 0/evaluation.json, the best driver's
    assert not (folder / "0/real.mp4").exists()
    assert report_file(folder / "0", 1).exists() and list(evaluated(folder / "0")) == [
        "generation-1"
    ]


def older(folder, *flags):
    """Turn an evaluation into one of the earlier layout, with one evaluation for all drivers."""
    name, path = "generation-1" if flags else "best", folder / "0"
    flags = (*flags, "--evaluate.video-tracks", "2")
    try:
        evaluate(folder, *flags)
    except FileNotFoundError:
        pass
    own = path / "evaluation" / name
    report = read_json(own / "evaluation.json")
    for film in report["filmed"]:
        names = [os.path.basename(file) for file in film["files"]]
        film["files"] = [f"evaluation/{n}" if n[:3].isdigit() else n for n in names]
    (path / "evaluation.json").write_text(json.dumps(report))
    for file in own.iterdir():
        if file.name in FILMS:
            shutil.copy(file, path / file.name)
        elif file.name[:3].isdigit() or file.suffix == ".csv":
            shutil.copy(file, path / "evaluation" / file.name)
    if flags and name != "best":
        stages = path / "stages"
        (stages / f"evaluation-{name}.json").rename(stages / "evaluation.json")
    shutil.rmtree(own)
    return report


def test_an_older_runs_evaluation_is_read_and_kept(folder, capsys):
    path, report = folder / "0", older(folder)
    assert list(evaluated(path)) == ["best"] and report_file(path) == path / "evaluation.json"
    rows = read_rows(path / "evaluation/tracks.csv")
    capsys.readouterr()
    again = evaluate(folder, "--evaluate.video-tracks", "2")
    assert "are there already" in capsys.readouterr().out
    assert again["scores"] == report["scores"]
    assert read_rows(path / "evaluation/best/tracks.csv") == rows
    assert not list((path / "evaluation").glob("*.*"))
    assert all((path / file).exists() for film in again["filmed"] for file in film["files"])
    evaluate(folder, *FIRST)
    assert evaluate(folder, "--evaluate.video-tracks", "2") == again


def test_an_older_runs_evaluation_of_a_generation_goes_to_that_generation(folder, capsys):
    path, report = folder / "0", older(folder, *FIRST)
    assert list(evaluated(path)) == ["generation-1"]
    assert report_file(path, 1) == path / "evaluation.json"
    best = evaluate(folder)
    assert best["controller"]["file"] == "controller/best.npz"
    kept = read_json(path / "evaluation/generation-1/evaluation.json")
    assert kept["scores"] == report["scores"]
    assert all((path / file).exists() for film in kept["filmed"] for file in film["files"])
    capsys.readouterr()
    evaluate(folder, *FIRST)
    assert "are there already" in capsys.readouterr().out


def test_an_older_evaluation_that_was_stopped_goes_on_where_its_driver_is(folder):
    path, _ = folder / "0", older(folder, *FIRST)
    for name in ("evaluation.json", *FILMS):
        (path / name).unlink(missing_ok=True)
    file = path / "stages/evaluation.json"
    file.write_text(json.dumps(read_json(file) | {"complete": False}))
    rows = read_rows(path / "evaluation/tracks.csv")
    adopt_older(path)
    assert read_rows(path / "evaluation/generation-1/tracks.csv") == rows
    assert not file.exists() and not list((path / "evaluation").glob("*.csv"))


def test_the_report_shows_drivers_side_by_side_and_each_on_its_own_page(folder):
    from WorldModels.assembly.showing.report import results
    from WorldModels.assembly.showing.run import opened

    evaluate(folder)
    assert results.side_by_side(opened(folder)) is None
    evaluate(folder, *FIRST)
    part = results.side_by_side(opened(folder))
    assert [row[0] for row in part.rows] == ["best", "generation-1"]
    best, first = (opened(folder, generation=generation) for generation in (-1, 1))
    assert results.scores(best).rows[0] != results.scores(first).rows[0]
    films = [results.real_film(run).content for run in (best, first)]
    assert films[0] != films[1]
    with pytest.raises(FileNotFoundError, match=r"evaluate .*--controller.generation 2"):
        results.scores(opened(folder, generation=2))
