"""The verb train_controller, with a cheap world in place of CarRacing seen through V and M."""

from dataclasses import replace

import pytest
from fake_world import CONTROLLER, Line, fake_network

from WorldModels import train_controller as verb
from WorldModels.assembly.populations import VALIDATION_TRACKS
from WorldModels.control.controller import Controller
from WorldModels.experiment.rows import read_rows


def line_world(folder, env, **settings):
    return Line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("WorldModels.assembly.worlds.real_world", line_world)
    (tmp_path / "0").mkdir()
    for name in ("vision.keras", "memory.keras"):
        fake_network(tmp_path / "0" / name, name)
    return tmp_path


def train(folder, *flags, scale="smoke"):
    verb.main(
        [
            "carracing",
            "--scale",
            scale,
            "--results",
            str(folder),
            "--controller.features",
            "z",
            "--vision.latent-size",
            "4",
            "--workers",
            "1",
            *flags,
        ]
    )


def rows(folder):
    return read_rows(folder / "0" / "controller" / "generations.csv")


def test_it_evolves_then_says_so_then_goes_on(folder, capsys):
    train(folder)
    assert "2 generations" in capsys.readouterr().out
    best, _, facts = Controller.load(folder / "0" / "controller" / "best.npz")
    assert best == replace(CONTROLLER, hidden_size=best.hidden_size)
    assert facts["generation"] in (1, 2)
    assert facts["validation"] == pytest.approx(
        max(float(row["validation"]) for row in rows(folder)), abs=1e-3
    )
    train(folder)
    assert "there already" in capsys.readouterr().out and len(rows(folder)) == 2
    train(folder, "--controller.generations", "4")
    assert "continues after generation 2" in capsys.readouterr().out and len(rows(folder)) == 4


def test_a_new_vision_makes_it_anew(folder, capsys):
    train(folder)
    fake_network(folder / "0" / "vision.keras", "another")
    train(folder, "--seed", "0")
    assert "has changed since it was made" in capsys.readouterr().out and len(rows(folder)) == 2


def test_candidates_share_tracks_or_not(folder, monkeypatch):
    seen = []

    def score(executor, parameters, tracks, *rest, **more):
        seen.append([getattr(tracks, "shape", None), tracks[0]])
        return real(executor, parameters, tracks, *rest, **more)

    from WorldModels.control import scoring

    real = scoring.score
    monkeypatch.setattr(scoring, "score", score)
    train(folder, "--controller.rollouts", "3")
    train(folder, "--controller.rollouts", "3", "--controller.no-common-tracks", "--force")
    assert [shape for shape, _ in seen] == [(3,), None, (3,), None, (4, 3), None, (4, 3), None]
    assert {first for shape, first in seen if shape is None} == {VALIDATION_TRACKS}
    assert (
        all(first >= 10_000_000 for shape, first in seen if shape == (3,))
        and seen[0][1] != seen[2][1]
    )


def test_one_shortened_generation_at_paper_scale(folder):
    train(
        folder,
        "--controller.generations",
        "1",
        "--controller.validation-rollouts",
        "8",
        scale="paper",
    )
    assert len(rows(folder)) == 1 and rows(folder)[0]["rollouts"] == "16"


def test_another_sigma_contradicts_what_is_there(folder, capsys):
    train(folder)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        train(folder, "--controller.sigma", "0.2")
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and "\n" not in error
    assert all(word in error for word in ("--controller.sigma", "0.2", "0.1", "--force"))


def test_without_vision_it_says_which_command(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        train(tmp_path)
    assert stop.value.code == 2 and "train_vision carracing" in capsys.readouterr().err
