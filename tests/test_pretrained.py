"""Trained drivers in the package: a run is packed, a new run begins with its V, M and driver."""

import shutil

import numpy as np
import pytest
from conftest import run_verb_process

from WorldModels import evaluate, train_controller
from WorldModels.assembly import packing
from WorldModels.control.controller import Controller
from WorldModels.experiment import pretrained
from WorldModels.experiment.files import read_json, sum_of, write_json
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.stages import stage_facts

SMOKE = ("carracing", "--scale", "smoke")


def halve(folder):
    """Round a run's V and M to float16's values, as --vision.weights float16 does."""
    from WorldModels.assembly.models import load_memory, load_vision
    from WorldModels.assembly.weights import as_asked

    for noun, load in (("vision", load_vision), ("memory", load_memory)):
        file, stage = folder / f"0/{noun}.keras", folder / f"0/stages/{noun}.json"
        as_asked(load(file), "float16").save(file)
        facts = read_json(stage)
        facts["sums"][file.name] = [file.stat().st_size, sum_of(file)]
        write_json(stage, facts)


@pytest.fixture(scope="module")
def packed(smoke_run, tmp_path_factory):
    """The folder of the packs, which holds one, and the run that it was made from."""
    run = shutil.copytree(smoke_run, tmp_path_factory.mktemp("pretrained") / "run")
    halve(run)
    packing.main(["pack", str(run), str(run.parent / "packs/small")])
    return run.parent / "packs", run


@pytest.fixture
def packs(packed, tmp_path, monkeypatch):
    folder = shutil.copytree(packed[0], tmp_path / "packs")
    monkeypatch.setattr(pretrained, "HERE", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def weights(folder, noun):
    from WorldModels.assembly.models import load_memory, load_vision

    return (
        load_vision(folder / "0/vision.keras")
        if noun == "vision"
        else load_memory(folder / "0/memory.keras")
    )


def test_a_search_begins_with_a_packed_v_m_and_driver(packs, packed, tmp_path, capsys):
    argv = [*SMOKE, "--results", "new", "--workers", "1", "--reuse", "pretrained:small"]
    train_controller.main([*argv, "--controller.generations", "1"])
    said = capsys.readouterr().out
    assert "makes its V and M in results/small-pretrained, once" in said
    source = Controller.load(packed[1] / "0/controller/best.npz")
    sigma, generation = source[2]["sigma"], source[2]["generation"]
    assert f"starts from the mean of pretrained:small after generation {generation:.0f}" in said
    for noun in ("vision", "memory"):
        ours, theirs = (weights(folder, noun).weights for folder in (tmp_path / "new", packed[1]))
        assert all(
            (np.asarray(a) == np.asarray(b)).all() for a, b in zip(ours, theirs, strict=True)
        )
    settings = stage_facts(tmp_path / "new/0", "controller")["settings"]["controller"]
    assert settings["sigma"] == sigma != 0.1
    mean = Controller.load(tmp_path / "new/0/controller/mean.npz")[1]
    step = np.abs(mean - source[1]).max()
    assert 0 < step < 5 * sigma
    assert not (tmp_path / "new/0/episodes").exists()
    train_controller.main([*argv, "--controller.generations", "2"])  # which is not begun again
    said = capsys.readouterr().out
    assert "continues after generation 1" in said and "starts from the mean" not in said
    assert len(read_rows(tmp_path / "new/0/controller/generations.csv")) == 2


@pytest.mark.slow
def test_the_run_of_a_packed_driver_evaluates_dreams_and_encodes(packs, packed, capsys):
    pretrained.source_of("pretrained:small")
    folder = packs.parent / "results/small-pretrained"
    done = run_verb_process("evaluate", folder, scale=None)
    assert done.returncode == 0, done.stderr
    assert (folder / "0/real.mp4").exists() and (folder / "0/reconstructed.gif").exists()
    there = Controller.load(folder / "0/controller/best.npz")[1]
    assert (there == Controller.load(packed[1] / "0/controller/best.npz")[1]).all()
    dream = ("--controller.world", "dream", "--dream.generations", "1", "--workers", "1")
    train_controller.main([*SMOKE, "--results", "dreams", "--reuse", "pretrained:small", *dream])
    assert "starts from the mean of pretrained:small" in capsys.readouterr().out
    own = (*SMOKE, "--results", "own", "--reuse", "pretrained:small")
    for verb in ("record", "train_vision", "encode", "train_memory"):
        __import__(f"WorldModels.{verb}", fromlist=["main"]).main([*own])
    said = capsys.readouterr().out
    assert said.count("there already") == 2 and len(list(packs.parent.glob("own/0/series/*"))) == 6


def test_a_pack_goes_forward_with_its_search_but_keeps_its_networks(packed, tmp_path):
    folder, run = tmp_path / "pack", shutil.copytree(packed[1], tmp_path / "run")
    packing.pack(run, folder)
    before = (folder / pretrained.NETWORKS).read_bytes()
    controller, mean, facts = Controller.load(run / "0/controller/mean.npz")
    controller.save(run / "0/controller/best.npz", mean + 1, **facts | {"generation": 9})
    packing.pack(run, folder)
    assert Controller.load(folder / pretrained.DRIVER)[2]["generation"] == 9
    assert (folder / pretrained.NETWORKS).read_bytes() == before
    with np.load(run / "0/first_latents.npz") as all_, np.load(folder / "first_latents.npz") as few:
        assert (all_["mean"][:: -(-len(all_["mean"]) // 200)] == few["mean"]).all()


def test_weights_that_float16_does_not_hold_are_refused(smoke_run, tmp_path, capsys):
    with pytest.raises(SystemExit, match="--vision.weights float16"):
        packing.main(["pack", str(smoke_run), str(tmp_path / "pack")])
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("name", [pretrained.NETWORKS, pretrained.DRIVER, pretrained.SETTINGS])
def test_a_damaged_pack_is_one_line(name, packs, capsys):
    path = packs / "small" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SystemExit):
        evaluate.main([*SMOKE, "--results", "new", "--reuse", "pretrained:small"])
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line and "install the package again" in line


def test_an_unknown_name_lists_those_that_there_are(packs, capsys):
    with pytest.raises(SystemExit):
        train_controller.main([*SMOKE, "--results", "new", "--reuse", "pretrained:smal"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "pretrained:small" in line and "'smal'" in line


def test_a_run_of_another_pack_is_not_taken_for_this_one(packs, capsys):
    pretrained.source_of("pretrained:small")
    facts = read_json(packs / "small" / pretrained.SETTINGS)
    write_json(packs / "small" / pretrained.SETTINGS, facts | {"scale": "laptop"})
    with pytest.raises(ValueError, match="mv results/small-pretrained"):
        pretrained.source_of("pretrained:small")
