"""Twenty bytes are flipped in each kind of file that a verb reads, then that verb runs.

It says so in one line, which names the file and the command that makes it again, and what was made
from the file stays as it was.
"""

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import run_verb_process

from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.sums import WeightsSum

MORE = ("--controller.generations", "3")
# File -> the verb that reads it, its flags, and the verb that the line names.
READ_BY = {
    "vision.keras": ("encode", (), "train_vision"),
    "memory.keras": ("train_controller", (), "train_memory"),
    "perception.onnx": ("train_controller", MORE, "train_memory"),
    "imagination.onnx": ("evaluate", (), "train_memory"),
    "decode.onnx": ("evaluate", (), "train_vision"),
    "encode.onnx": ("evaluate", (), "train_vision"),
    "series/000003.npz": ("train_memory", (), "encode"),
    "first_latents.npz": ("play", ("--world", "dream"), "encode"),
    "controller/best.npz": ("evaluate", (), "train_controller"),
    "controller/generations/2.npz": (
        "evaluate",
        ("--controller.generation", "2"),
        "train_controller",
    ),
    "controller/state.pkl": ("train_controller", MORE, "train_controller"),
    "checkpoints/vision/state.npz": ("train_vision", ("--vision.epochs", "2"), "train_vision"),
    "checkpoints/memory/state.npz": ("train_memory", ("--memory.steps", "900"), "train_memory"),
    "stages/vision.json": ("encode", (), "train_vision"),
    "stages/controller.json": ("evaluate", (), "train_controller"),
    "../config.json": ("train_memory", (), "record"),
}


def flip(path, seed=0):
    """Change twenty bytes in the middle of a file."""
    draw, content = np.random.default_rng(seed), np.frombuffer(path.read_bytes(), np.uint8).copy()
    size = len(content)
    places = draw.choice(np.arange(size // 4, size - size // 4), min(20, size // 4), replace=False)
    content[places] ^= draw.integers(1, 256, len(places), np.uint8)
    path.write_bytes(content.tobytes())


def contents(folder):
    """File -> hash of everything in a run's folder but its log and its lock."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("log.txt", ".lock")
    }


def of(found, what):
    return {name: sum_ for name, sum_ in found.items() if name.startswith(f"0/{what}")}


@pytest.fixture
def folder(smoke_run, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(smoke_run, tmp_path / "run")


def follow(line):
    """Run the command in which a line ends, without what it adds to the shell's environment."""
    *first, command = line.rpartition("again: ")[2].split(" && ")
    for words in first:
        program, flag, file = shlex.split(words)
        assert (program, flag) == ("rm", "-f")
        Path(file).unlink()
    _, _, module, name, *flags = shlex.split(command)
    place = flags.index("--results")
    rest = flags[:place] + flags[place + 2 :]
    verb = module.removeprefix("WorldModels.")
    done = run_verb_process(verb, flags[place + 1], *rest, experiment=name, scale=None)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", READ_BY)
def test_damage_is_one_line_that_names_the_file_and_the_command(folder, name):
    verb, flags, maker = READ_BY[name]
    path = (folder / "0" / name).resolve()
    flip(path)
    before = contents(folder)
    done = run_verb_process(verb, folder, *flags)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr and len(lines) == 1
    assert done.stderr.rstrip().endswith(lines[0]), done.stderr
    assert str(path) in lines[0], lines
    assert re.search(rf"again[^:]*: .*python -m WorldModels\.{maker} carracing", lines[0]), lines
    assert contents(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["vision.keras", "memory.keras", "perception.onnx", "series/000003.npz", "controller/best.npz"],
)
def test_the_command_makes_it_again_and_nothing_else_is_lost(folder, name):
    verb, flags, _ = READ_BY[name]
    zero, before = folder / "0", contents(folder)
    path = zero / name
    weights = {file: WeightsSum(file) for file in zero.glob("*.keras")}
    flip(path)
    printed = follow(run_verb_process(verb, folder, *flags).stderr.strip().splitlines()[-1])
    assert str(path) in printed or path.name in printed
    assert {file: WeightsSum(file) for file in weights} == weights
    after = contents(folder)
    after = {each: sum_ for each, sum_ in after.items() if not each.endswith(".damaged")}
    for file in ("series", "episodes", "controller"):
        assert of(after, file) == of(before, file)
    for each in ("train_memory", "train_controller"):  # nothing is stale
        done = run_verb_process(each, folder)
        assert "already" in done.stdout and "sum differs" not in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["perception.onnx", "memory.keras"])
def test_while_m_trains_on_the_damage_of_its_finished_files_is_seen(folder, name):
    stage = folder / "0/stages/memory.json"
    write_json(stage, read_json(stage) | {"complete": False})
    flip(folder / "0" / name)
    before = contents(folder)
    done = run_verb_process("evaluate", folder, "--force")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert name in done.stderr and "train_memory" in done.stderr, done.stderr
    assert contents(folder) == before, "nothing is cleared or trusted"


def test_a_search_that_goes_on_restores_its_best_driver(folder):
    best, stage = folder / "0/controller/best.npz", folder / "0/stages/controller.json"
    whole = best.read_bytes()
    write_json(stage, read_json(stage) | {"complete": False})
    flip(best)
    done = run_verb_process("train_controller", folder)
    assert done.returncode == 0, done.stderr
    assert "best.npz: restored from" in done.stdout and best.read_bytes() == whole


def test_a_damaged_header_of_rows_names_the_command(folder):
    file = folder / "0/controller/generations.csv"
    file.write_bytes(b"\xff" * 20 + file.read_bytes()[20:])
    done = run_verb_process("train_controller", folder, "--controller.generations", "3")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "generations.csv" in done.stderr and "WorldModels.train_controller" in done.stderr


def test_a_damaged_episode_is_set_aside_and_recorded_again(folder):
    path, before = folder / "0/episodes/000001.npz", contents(folder)
    flip(path)
    done = run_verb_process("encode", folder)
    (line,) = [line for line in done.stdout.splitlines() if str(path) in line]
    assert done.returncode == 0 and "set aside as 000001.npz.damaged" in line
    assert not path.exists() and "WorldModels.record" in line
    run_verb_process("encode", folder)
    for made in ("series", "first_latents", "memory", "vision.keras", "controller"):
        assert of(contents(folder), made) == of(before, made)
    assert run_verb_process("record", folder).returncode == 0
    assert contents(folder)["0/episodes/000001.npz"] == before["0/episodes/000001.npz"]
    assert "already" in run_verb_process("train_memory", folder).stdout


def test_no_changed_byte_of_a_json_file_goes_unseen(tmp_path):
    value, path = {"name": "carracing", "sums": {"a": [1, "b"]}, "seed": 0}, tmp_path / "some.json"
    write_json(path, value)
    assert read_json(path) == value
    whole, changes = path.read_bytes(), 0
    for place in range(len(whole.rstrip())):
        for change in (1, 2, 32, 128):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
            with pytest.raises(ValueError, match="damaged or edited"):
                read_json(path)
            changes += 1
    assert changes > 400


@pytest.mark.slow
def test_damaged_rows_are_left_out_and_their_games_played_again(folder):
    path = folder / "0/evaluation/best/tracks.csv"
    rows, scores = read_rows(path), contents(folder)["0/evaluation.json"]
    flip(path)
    (folder / "0/evaluation.json").unlink()
    flip(folder / "0/evaluation/best/evaluation.json")
    done = run_verb_process("evaluate", folder)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if str(path) in line]
    assert "damaged, and left out" in line
    key = lambda row: (row["driver"], int(row["track"]))  # noqa: E731
    assert sorted(read_rows(path), key=key) == sorted(rows, key=key)
    assert contents(folder)["0/evaluation.json"] == scores


@pytest.mark.slow
def test_a_report_names_what_is_damaged_and_shows_the_rest(folder):
    for name in ("vision.csv", "controller/generations.csv", "evaluation.json"):
        flip(folder / "0" / name)
    before = contents(folder)
    done = run_verb_process("report", folder, "--to", str(folder.parent / "page.html"))
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    for name in ("vision.csv", "controller/generations.csv", "evaluation.json"):
        assert str(folder / "0" / name) in done.stdout, done.stdout
    assert contents(folder) == before


def test_a_report_names_a_damaged_film_and_shows_the_other(folder):
    from WorldModels import report

    flip(folder / "0/real.mp4")
    page = folder.parent / "page.html"
    report.main(["carracing", "--results", str(folder), "--to", str(page)])
    assert f"{folder / '0/real.mp4'}: expected the file that evaluate made" in page.read_text()
    assert page.read_text().count("data:video/mp4") == 1
