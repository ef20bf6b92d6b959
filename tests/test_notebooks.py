"""The notebooks run from top to bottom on any run, show pictures, and define nothing.

The committed ones contain their outputs.
"""

import ast
import base64
import io
import json
import os
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import PATIENCE, ROOT
from forked_kernel import ForkedKernel
from jupyter_client.manager import AsyncKernelManager
from PIL import Image

from WorldModels.assembly.showing import notebook, page, sliders

FOLDER = ROOT / "notebooks"
NAMES = ["01_see", "02_remember_and_imagine", "03_act", "04_results", "05_tour", "06_vae_gan"]
LARGEST = 2_000_000  # bytes of a committed notebook
FINE = (
    "has not learned in a dream",
    "temperatures.json is missing",
)  # what may be left out even for a complete run of CarRacing


def read(name: str):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def pictures(cells) -> list[Image.Image]:
    """Every picture in the outputs."""
    found = [
        output.data["image/png"]
        for cell in cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def printed(cells) -> str:
    return "".join(
        output.text
        for cell in cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )


# The tour's networks train for two minutes, which a test does not need.
SHORTER = """from WorldModels.assembly.showing import notebook
notebook.TOUR = ["1" if flag == "7" else "8" if flag == "50" else flag for flag in notebook.TOUR]
assert {"1", "8"} < set(notebook.TOUR)
"""


def executed(name: str, root: Path, monkeypatch, before="", kernels=ForkedKernel, **environment):
    """A notebook's cells after it has run in root/notebooks, with the runs in root/results.

    Its first code cell begins with the lines `before`. `kernels` is the class that starts the
    kernel: the tour gets a process of its own, as a user's kernel is.
    """
    from nbclient import NotebookClient

    for variable in ("EXPERIMENT", "RESULTS", *sliders.EDITORS):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {"PYTHONPATH": str(ROOT), **environment}.items():
        monkeypatch.setenv(variable, value)
    folder, made = root / "notebooks", read(name)
    folder.mkdir(exist_ok=True)
    first = next(cell for cell in made.cells if cell.cell_type == "code")
    first.source = before + first.source
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        made,
        timeout=PATIENCE,
        kernel_name="python3",
        kernel_manager_class=kernels,
        resources=where,
    ).execute()
    return made.cells


def clone(root: Path, **runs: Path) -> Path:
    """A folder with some runs in results/NAME, like a clone of the repository."""
    for name, folder in runs.items():
        shutil.copytree(folder, root / "results" / name.replace("_", "-"), copy_function=os.link)
    return root


def test_every_notebook_is_there():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_defines_nothing_and_its_cells_are_short(name):
    for cell in read(name).cells:
        if cell.cell_type == "code":
            made = [
                node
                for node in ast.walk(ast.parse(cell.source))
                if isinstance(
                    node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
                )
            ]
            assert not made and len(cell.source.splitlines()) <= 12, cell.source


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_notebook_has_run_shows_pictures_and_is_small(name):
    text, cells = (FOLDER / f"{name}.ipynb").read_text(), read(name).cells
    assert len(text) < LARGEST
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert len(pictures(cells)) >= 5 and any(
        getattr(picture, "n_frames", 1) > 5 for picture in pictures(cells)
    )
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    without_pictures = json.dumps(
        [[output.get("text", "") for output in cell.outputs] for cell in code]
    )
    assert not [
        place
        for place in ("/tmp", "/home", "/root", "/work", "/Users", "\\\\Users")
        if place in without_pictures
    ]
    assert "widget-view" not in text and "left out: it needs" not in text


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:4])
def test_it_shows_a_run_of_carracing(name, smoke_run, tmp_path, monkeypatch):
    cells = executed(name, clone(tmp_path, carracing_smoke=smoke_run), monkeypatch)
    left_out = [
        line
        for line in printed(cells).splitlines()
        if line.startswith("left out") and not any(fine in line for fine in FINE)
    ]
    assert not left_out and len(pictures(cells)) >= 6
    assert "carracing at smoke scale" in printed(cells)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:4])
def test_it_shows_a_run_of_take_cover(name, doom_run, tmp_path, monkeypatch):
    root = clone(tmp_path, doom=doom_run)
    cells = executed(name, root, monkeypatch, EXPERIMENT="takecover", RESULTS="results/doom")
    left_out = [line for line in printed(cells).splitlines() if line.startswith("left out")]
    assert (
        all("temperatures.json is missing" in line for line in left_out)
        and len(pictures(cells)) >= 6
    )


@pytest.mark.slow
def test_the_tour_makes_everything_from_nothing(tmp_path, monkeypatch):
    cells = executed("05_tour", tmp_path, monkeypatch, SHORTER, AsyncKernelManager)
    assert (
        len(pictures(cells)) >= 7
        and (tmp_path / "results/carracing-tour/0/evaluation.json").exists()
    )


@pytest.mark.slow
def test_the_vae_gan_is_made_where_there_is_none_and_shown_beside_the_vae(
    smoke_run, tmp_path, monkeypatch
):
    cells = executed("06_vae_gan", clone(tmp_path, carracing_smoke=smoke_run), monkeypatch)
    assert (
        "Made in" in printed(cells)
        and "left out" not in printed(cells)
        and len(pictures(cells)) >= 8
    )
    ours, theirs = (
        [
            path.stat().st_ino
            for path in sorted((tmp_path / "results" / run / "0/episodes").iterdir())
        ]
        for run in ("carracing-vae_gan-smoke", "carracing-smoke")
    )
    assert ours == theirs


@pytest.mark.slow
def test_a_half_finished_run_is_shown_as_far_as_it_goes(smoke_run, tmp_path, monkeypatch):
    part = clone(tmp_path, part=smoke_run) / "results/part/0"
    for name in ("memory.keras", "perception.onnx", "imagination.onnx", "evaluation.json"):
        (part / name).unlink()
    shutil.rmtree(part / "controller")
    cells = executed("02_remember_and_imagine", tmp_path, monkeypatch, RESULTS="results/part")
    assert (
        "Next: python -m WorldModels.train_memory carracing --scale smoke --results results/part"
        in printed(cells)
    )
    assert "left out: results/part/0/memory.keras is missing; make it first" in printed(cells)
    assert pictures(cells)  # M's curve is there


@pytest.mark.parametrize(
    "environment, words",
    [
        (
            {"RESULTS": "results/none"},
            "none has no results yet; make them first: bash launch_scripts/carracing.bash "
            "--results results/none",
        ),
        (
            {"RESULTS": "results/none", "EXPERIMENT": "takecover"},
            "make them first: bash launch_scripts/wm_doom.bash --results results/none",
        ),
        (
            {"EXPERIMENT": "pong"},
            "EXPERIMENT: expected one of carracing, takecover, gymnasium, received 'pong'",
        ),
    ],
)
def test_no_results_one_line_that_names_the_command(environment, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("EXPERIMENT", "RESULTS"):
        monkeypatch.setenv(variable, environment.get(variable, ""))
    with pytest.raises(notebook.NotebookError) as error:
        notebook.chosen_run()
    (line,) = error.value._render_traceback_()
    assert words in line and "\n" not in line


def test_the_tour_leaves_another_run_alone(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps({"name": "carracing", "scale": "smoke"}))
    monkeypatch.setenv("RESULTS", str(tmp_path))
    monkeypatch.setenv("EXPERIMENT", "")
    with pytest.raises(notebook.NotebookError, match="expected a new folder or that of a tour"):
        notebook.tour()


def test_what_is_missing_is_one_line_and_what_is_wrong_is_not(capsys):
    with notebook.so_far():
        raise FileNotFoundError(
            "memory.keras is missing;\nmake it first: python -m WorldModels.train_memory"
        )
    with notebook.so_far():
        print(imagined)  # noqa: F821
    assert capsys.readouterr().out.splitlines() == [
        "left out: memory.keras is missing; make it first: python -m WorldModels.train_memory",
        "left out: it needs `imagined`, which was left out above.",
    ]
    with pytest.raises(ZeroDivisionError), notebook.so_far():
        print(1 / 0)


def bars(**values) -> np.ndarray:
    """A picture that differs with every choice."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[values["row"], :, values["the_colour"]] = 255
    return picture


CHOICES = {"row": range(8), "the colour": range(3)}


def test_moving_a_slider_changes_the_picture():
    box = sliders.sliders(bars, CHOICES, {"row": 0, "the colour": 1})
    row, colour, image = box.children
    row.value, colour.value = 5, 2
    assert (
        np.asarray(Image.open(io.BytesIO(image.value)).convert("RGB")) == bars(row=5, the_colour=2)
    ).all()


@pytest.mark.parametrize("editor", [True, False])
@pytest.mark.parametrize("installed", [True, False])
def test_where_nothing_can_be_touched_the_first_picture_stands(editor, installed, monkeypatch):
    for variable in sliders.EDITORS:
        monkeypatch.delenv(variable, raising=False)
    if editor:
        monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/01_see.ipynb")
    monkeypatch.setattr(sliders.importlib.util, "find_spec", lambda name: installed or None)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    sliders.touch(bars, CHOICES, {"row": 3, "the colour": 0})
    (bundle,) = shown
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert (np.asarray(picture.convert("RGB")) == bars(row=3, the_colour=0)).all()
    assert ("application/vnd.jupyter.widget-view+json" in bundle) == (editor and installed)


def test_a_film_keeps_its_time_and_its_colours():
    frames = [np.full((16, 20, 3), (200, 10, 10), np.uint8) for _ in range(40)]
    for step, frame in enumerate(frames):
        frame[:, step % 20] = (10, 10, 200)
    film = Image.open(io.BytesIO(page.animated(frames, fps=50, every=4)))
    assert film.format == "PNG" and film.n_frames == 10 and film.info["duration"] == 80
    film.seek(3)
    assert np.abs(np.asarray(film.convert("RGB")).astype(int) - frames[12]).max() < 8
