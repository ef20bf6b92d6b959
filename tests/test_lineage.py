"""What was made from V or M notices when they change; the date of a file is no change."""

import tarfile
from dataclasses import replace

import keras
import pytest
from conftest import ROOT

from WorldModels import encode, evaluate, train_controller, train_memory, train_vision
from WorldModels.assembly.models import Imagination, Perception, load_memory, load_vision
from WorldModels.assembly.opening import open_decode, open_imagination, open_perception
from WorldModels.experiment.files import hash_files, read_json, write_json
from WorldModels.experiment.reuse import inputs_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.stored import stored_experiment
from WorldModels.experiment.sums import WeightsSum
from WorldModels.export import files as export
from WorldModels.export.files import MEMORY_FILES, VISION_FILES, outdated

LOAD = {"vision": load_vision, "memory": load_memory}


@pytest.fixture
def folder(tmp_path):
    """A small run of an earlier version, whose stage files list sums of whole files."""
    with tarfile.open(ROOT / "tests/data/older-real.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "real"


def saved_again(folder, name, change):
    """Save V or M again, with one weight changed or as it was."""
    path = folder / f"0/{name}.keras"
    network = LOAD[name](path)
    if change:
        weight = network.trainable_variables[0]
        weight.assign(weight + 1.0)
    network.save(path)


def opened(folder):
    experiment = replace(stored_experiment(folder), results=str(folder))
    return Run(experiment, "verb", ["carracing", "--results", str(folder)])


def stale(folder):
    """The names of the stages whose inputs have changed."""
    run = opened(folder)
    try:
        networks = {name: WeightsSum(run.path / f"{name}.keras") for name in LOAD}
        inputs = {name: inputs_of(run, name) for name in ("vision", "series", "memory")}
        inputs |= {"controller": networks, "episodes": {}}
        return {name for name, found in inputs.items() if run.stage(name, found).anew}
    finally:
        run.close()


def upgraded(folder):
    """The run with its stage files as this version writes them."""
    run = opened(folder)
    inputs = {name: inputs_of(run, name) for name in ("series", "memory")}
    inputs["controller"] = {name: WeightsSum(run.path / f"{name}.keras") for name in LOAD}
    for name, found in inputs.items():
        file = run.path / f"stages/{name}.json"
        write_json(file, read_json(file) | {"inputs": found})
    run.close()
    return folder


def refusal(verb, folder, capsys, *flags):
    with pytest.raises(SystemExit) as end:
        verb.main(["carracing", "--results", str(folder), *flags])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    return said


def test_a_sum_is_of_the_weights_and_not_of_the_date(folder, monkeypatch):
    path = folder / "0/vision.keras"
    before, whole = WeightsSum(path), hash_files([path])
    assert before.agrees(whole) and before.agrees(str(before))
    saved_again(folder, "vision", change=False)
    assert hash_files([path]) != whole and WeightsSum(path) == before
    saved_again(folder, "vision", change=True)
    assert WeightsSum(path) != before and not WeightsSum(path).agrees(before)


def test_a_damaged_network_is_one_line(folder, capsys):
    (folder / "0/vision.keras").write_bytes(b"not a network")
    assert "vision.keras" in refusal(train_controller, folder, capsys)


def test_an_older_run_is_valid_as_it_is(folder):
    assert stale(folder) == set()


@pytest.mark.parametrize(
    "changed, expected",
    [
        (None, set()),
        ("episodes", {"memory"}),
        ("vision", {"series", "memory", "controller"}),
        ("memory", {"controller"}),
    ],
)
def test_what_changes_makes_stale_what_was_made_from_it(folder, changed, expected):
    folder = upgraded(folder)
    if changed == "episodes":  # an added one, once it is encoded
        series = folder / "0/series"
        (series / "000099.npz").write_bytes((series / "000000.npz").read_bytes())
    for name in LOAD:
        saved_again(folder, name, change=name == changed)
    assert stale(folder) == expected


def test_an_m_of_another_v_is_refused_until_both_are_made_again(folder, capsys):
    saved_again(folder, "vision", change=True)
    kept = {path: path.read_bytes() for path in folder.glob("0/controller/*") if path.is_file()}
    for verb in (train_controller, evaluate):
        said = refusal(verb, folder, capsys)
        assert "another V" in said and "encode" in said and "train_memory" in said
    said = refusal(train_memory, folder, capsys)
    assert "WorldModels.encode" in said and "another V" in said
    encode.main(["carracing", "--results", str(folder)])
    assert "series: its input (vision) has changed" in capsys.readouterr().out
    assert "train_memory" in refusal(train_controller, folder, capsys)
    assert kept == {path: path.read_bytes() for path in kept}


@pytest.mark.slow
def test_exported_files_carry_their_weights_and_are_exported_again(folder, capsys):
    zero = folder / "0"
    vision, memory = load_vision(zero / "vision.keras"), load_memory(zero / "memory.keras")
    assert not outdated(zero, VISION_FILES + MEMORY_FILES), "older ones carry no sum"
    export.export_vision(vision, zero)
    export.export_memory(memory, Perception(vision, memory), Imagination(memory), zero)
    assert not outdated(zero, VISION_FILES + MEMORY_FILES)
    weight = memory.trainable_variables[0]
    weight.assign(keras.ops.add(weight, 0.1))
    memory.save(zero / "memory.keras")
    (zero / "decode.onnx").unlink()
    assert outdated(zero, MEMORY_FILES) == list(MEMORY_FILES)
    assert outdated(zero, VISION_FILES) == ["decode.onnx"]
    for open_file in (open_perception, open_imagination):
        with pytest.raises(ValueError, match=r"export of others.*train_memory"):
            open_file(zero)
    train_vision.main(["carracing", "--results", str(folder)])
    train_memory.main(["carracing", "--results", str(folder)])
    assert capsys.readouterr().out.count("exported again") == 2
    assert not outdated(zero, VISION_FILES + MEMORY_FILES)
    for open_file in (open_perception, open_imagination, open_decode):
        open_file(zero)
