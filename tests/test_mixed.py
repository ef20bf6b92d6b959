"""A driver evolved in the dream and then in the real world, when the dream goes on later."""

import json

import numpy as np
import pytest
from fake_world import CONTROLLER, Line, fake_network

from WorldModels import train_controller as verb
from WorldModels.control.controller import Controller
from WorldModels.experiment.rows import read_rows


class FakeDream:
    """Dreams that reward parameters close to 1."""

    def returns(self, parameters, first, draw, heard=lambda steps: None):
        count = first.shape[-2]
        scores = -np.square(parameters - 1).mean(1, keepdims=True).repeat(count, 1)
        heard(count)
        return scores, np.full(scores.shape, 7)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("WorldModels.assembly.worlds.real_world", lambda *a, **how: Line)
    monkeypatch.setattr("WorldModels.assembly.evolve.population_dream", lambda *a: FakeDream())
    for name in ("show_gates", "pass_gates"):
        monkeypatch.setattr(f"WorldModels.assembly.evaluation.gates.{name}", lambda run: None)
    (tmp_path / "0").mkdir()
    for name in ("vision.keras", "memory.keras"):
        fake_network(tmp_path / "0" / name, name)
    latents = np.zeros((3, 4), np.float32)
    np.savez(tmp_path / "0/first_latents.npz", mean=latents, log_var=latents)
    return tmp_path


def train_in(world, folder, *flags):
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), "--workers", "1"]
    argv += ["--controller.features", "z", "--vision.latent-size", "4"]
    verb.main([*argv, "--controller.world", world, *flags])


def train(folder, dreams, *flags):
    flags = ("--dream.population-size", "4", "--dream.generations", str(dreams), *flags)
    train_in("mixed", folder, *flags)


def rows(folder, name):
    return read_rows(folder / "0/controller" / name / "generations.csv")


def mean_of(folder, name):
    return Controller.load(folder / "0/controller" / name)[1]


def everything(folder):
    files = (folder / "0/controller").rglob("*.npz")
    return {path.relative_to(folder).as_posix(): Controller.load(path)[1] for path in files}


@pytest.mark.parametrize("older", (False, True))
def test_a_larger_budget_of_dreams_reaches_the_driver(folder, tmp_path, capsys, older):
    train(folder, 2)
    first, best = mean_of(folder, "dream/mean.npz"), mean_of(folder, "best.npz")
    if older:  # earlier versions did not record what the search began with
        (folder / "0/controller/began.json").unlink()
    capsys.readouterr()
    train(folder, 4)
    assert "made again from the dream's new mean" in capsys.readouterr().out
    assert len(rows(folder, "dream")) == 4 and len(rows(folder, "")) == 2
    assert (mean_of(folder, "dream/mean.npz") != first).any()
    assert (mean_of(folder, "best.npz") != best).any()
    assert json.loads((folder / "0/stages/controller.json").read_text())["complete"]
    train(folder, 4)
    assert "there already" in capsys.readouterr().out
    train(folder, 4, "--controller.generations", "3")  # the real search alone goes on
    said = capsys.readouterr().out
    assert "continues after generation 2" in said and "made again" not in said
    assert len(rows(folder, "")) == 3


@pytest.mark.parametrize("world", ["real", "dream", "mixed"])
def test_made_again_it_is_the_same_and_of_another_m_evolved_anew(folder, world, capsys):
    train_in(world, folder)
    first = everything(folder)
    assert {"0/controller/best.npz", "0/controller/generations/2.npz"} <= first.keys()
    train_in(world, folder, "--force")
    said, again = capsys.readouterr().out, everything(folder)
    assert "made again, as --force asks" in said and "continues after" not in said
    assert again.keys() == first.keys()
    assert all((again[name] == first[name]).all() for name in first)
    fake_network(folder / "0/memory.keras", "another M")
    (folder / "0/controller/best.npz").unlink()
    train_in(world, folder)
    said = capsys.readouterr().out
    assert "its input (memory) has changed" in said and "continues after" not in said
    assert everything(folder).keys() == first.keys()
    (folder / "0/controller/best.npz").unlink()
    train_in(world, folder)
    assert "best.npz is missing" in capsys.readouterr().out
    assert (folder / "0/controller/best.npz").exists()


def test_a_damaged_note_of_where_it_began_has_one_remedy_which_loses_nothing(folder, capsys):
    train(folder, 2)
    first, note = everything(folder), folder / "0/controller/began.json"
    note.write_bytes(note.read_bytes()[:20] + b"\xff" + note.read_bytes()[21:])
    with pytest.raises(SystemExit) as stopped:
        train(folder, 2, "--controller.generations", "3")
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("again: ") == 1
    assert f"rm -f {note} && python -m WorldModels.train_controller carracing" in said
    note.unlink()
    train(folder, 2, "--controller.generations", "3")
    assert "continues after generation 2" in capsys.readouterr().out
    assert everything(folder)["0/controller/generations/2.npz"].tolist() == (
        first["0/controller/generations/2.npz"].tolist()
    )


def test_the_driver_is_as_from_a_run_with_that_budget(folder, tmp_path):
    train(folder, 2)
    train(folder, 4)
    extended = everything(folder)
    train(folder, 4, "--force")  # the search in the dream has no schedule, so it is the same
    planned = everything(folder)
    assert extended.keys() == planned.keys()
    assert all((extended[name] == planned[name]).all() for name in planned)


def test_a_killed_search_goes_on_and_a_long_one_is_kept(folder, monkeypatch, capsys):
    train(folder, 2)
    old = mean_of(folder, "best.npz")
    monkeypatch.setattr("WorldModels.experiment.stage.WORTH_KEEPING", 0)
    killed = KeyboardInterrupt

    def kill(*args, **how):
        raise killed

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("WorldModels.assembly.evolve.real_generations", kill)
        train(folder, 4)  # killed when the dream is complete
    assert "is kept in" in capsys.readouterr().out
    (kept,) = (folder / "0/replaced").glob("controller-*/controller")
    assert (Controller.load(kept / "best.npz")[1] == old).all() and not (kept / "dream").exists()
    train(folder, 4)
    assert len(rows(folder, "")) == 2 and CONTROLLER.num_parameters == len(old)
    assert (mean_of(folder, "best.npz") != old).any()
