"""The report of a run is one file that a browser opens; it shows whatever the run has."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import imageio.v3 as iio
import pytest
from commands import run_module
from conftest import PATIENCE
from PIL import Image

from WorldModels.assembly.showing.facts import horizon_errors
from WorldModels.assembly.showing.report.provenance import UNKNOWN, made_with
from WorldModels.assembly.showing.report.sections import SECTIONS
from WorldModels.assembly.showing.run import opened
from WorldModels.experiment.presets import preset

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# What a loaded page reports: the widths of its pictures and films in pixels (0 if one cannot be
# shown), and the size that it needs.
ASKED = """<pre id="told"></pre><script>
onload = () => setTimeout(() => { told.textContent = JSON.stringify({
  pictures: [...document.images].map(i => i.naturalWidth),
  films: [...document.querySelectorAll("video")].map(v => v.videoWidth),
  table: document.querySelector("table").offsetHeight, width: document.documentElement.scrollWidth,
  height: document.documentElement.scrollHeight}) }, 3000)</script></body>"""


class Page(HTMLParser):
    """The addresses, words and elements of an HTML page."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.elements, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.addresses += [
            value
            for name, value in attributes
            if name in ("src", "href", "data", "poster", "srcset", "action")
        ]

    def handle_data(self, data):
        self.words += data

    def held(self, kind: str) -> list[bytes]:
        start = f"data:{kind};base64,"
        return [
            base64.b64decode(address.removeprefix(start))
            for address in self.addresses
            if address.startswith(start)
        ]


def read(path) -> Page:
    return Page(path.read_text())


def run_report(*arguments):
    return run_module("WorldModels.report", *map(str, arguments))


def reported(run, to, experiment="carracing"):
    done = run_report(experiment, "--scale", "smoke", "--results", run, "--to", to)
    assert done.returncode == 0, done.stderr
    return read(to), done.stdout


@pytest.fixture(scope="module")
def report(smoke_run, tmp_path_factory):
    """The report of a finished smoke-scale run, what the verb printed, and the file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    return *reported(smoke_run, path), path


def part_of(run, folder, *without):
    """A copy of a run that lacks some parts."""
    shutil.copytree(run, folder, copy_function=os.link)
    for name in without:
        path = folder / "0" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


@pytest.mark.slow
def test_everything_is_in_the_file_and_can_be_read(report):
    page, printed, path = report
    assert (
        all(address.startswith(("data:", "#")) for address in page.addresses)
        and "script" not in page.elements
    )
    assert (
        all(title in page.words for title in SECTIONS)
        and "left out" not in printed.lower() + page.words.lower()
    )
    pictures = [Image.open(io.BytesIO(data)) for data in page.held("image/png")]
    assert len(pictures) == page.elements.count("img") >= 15 and all(
        min(picture.size) > 100 for picture in pictures
    )
    films = page.held("video/mp4")
    assert len(films) == page.elements.count("video") == 2 and all(
        len(iio.imread(film, extension=".mp4")) > 20 for film in films
    )
    assert str(path) in printed


@pytest.mark.slow
def test_it_has_the_scores_and_the_settings_of_the_run(report, smoke_run):
    page, *_ = report
    scores = json.loads((smoke_run / "0/evaluation.json").read_text())["scores"]
    assert all(
        f"{found['mean']:.1f}" in page.words and str(found["n"]) in page.words
        for found in scores.values()
    )
    stored = json.loads((smoke_run / "config.json").read_text())
    assert stored["versions"]["keras"] in page.words and "vision.latent_size" in page.words
    assert (
        f"record.episodes{preset('carracing', 'smoke').record.episodes}10000"
        in page.words.replace("\n", "")
    )  # ours beside the published


@pytest.mark.slow
def test_it_says_what_each_stage_was_made_with(report, smoke_run):
    words = report[0].words.replace("\n", "")
    for file in sorted((smoke_run / "0/stages").glob("*.json")):
        facts = json.loads(file.read_text())
        for noun, group in facts["settings"].items():
            for name, value in group.items() if isinstance(group, dict) else ():
                shown = " ".join(map(str, value)) if isinstance(value, list) else value
                assert f"{noun}.{name}{shown}" in re.sub(" {2,}", "", words), name
    assert re.search("memory *memory.steps *8 *4000", words)


def test_a_stage_is_shown_beside_the_published_values(tmp_path):
    (tmp_path / "stages").mkdir()
    made = {"seed": 7, "vision": {"latent_size": 16, "encoder_filters": [4, 4], "odd": 1}}
    for stage, settings, budgets in (
        ("vision", made, {"epochs": 3}),
        ("episodes", {"env": {"id": "CarRacing-v3"}}, {}),
        ("controller", {"controller": {}, "dream": {}}, {"generations": 2, "dream.generations": 5}),
    ):
        facts = {"settings": settings, "budgets": budgets, "inputs": {}, "complete": True}
        (tmp_path / "stages" / f"{stage}.json").write_text(json.dumps(facts))
    assert list(made_with(tmp_path, preset("carracing", "paper"))) == [
        ("episodes", "env.id", "CarRacing-v3", "CarRacing-v3"),
        ("vision", "seed", 7, UNKNOWN),
        ("vision", "vision.latent_size", 16, 32),
        ("vision", "vision.encoder_filters", [4, 4], (32, 64, 128, 256)),
        ("vision", "vision.odd", 1, UNKNOWN),
        ("vision", "vision.epochs", 3, 10),
        ("controller", "controller.generations", 2, 1800),
        ("controller", "dream.generations", 5, 1800),
    ]


@pytest.mark.slow
def test_a_driver_that_learned_in_a_dream_has_the_dream_reported(doom_run, tmp_path):
    page, printed = reported(doom_run, tmp_path / "doom.html", "takecover")
    left_out = [line for line in printed.splitlines() if "left out" in line]
    assert all(
        "temperatures.json is missing; make it first: python -m WorldModels.temperatures takecover"
        in line
        for line in left_out
    )
    assert "Returns in the dream" in page.words and len(page.held("video/mp4")) == 3


@pytest.mark.slow
def test_a_half_finished_run_is_reported_as_far_as_it_goes(smoke_run, tmp_path):
    part = part_of(
        smoke_run,
        tmp_path / "part",
        "memory.keras",
        "memory.csv",
        "perception.onnx",
        "imagination.onnx",
        "controller",
        "evaluation.json",
        "real.mp4",
        "reconstructed.mp4",
    )
    (part / "log.txt").unlink()
    (part / "log.txt").write_text("a <b>bold</b> word\n")
    page, printed = reported(part, tmp_path / "part.html")
    assert (
        f"Next: python -m WorldModels.train_memory carracing --scale smoke --results {part}"
        in page.words
    )
    for verb in ("train_memory", "train_controller", "evaluate"):
        assert re.search(
            rf"Left out: \S+ is missing; make it first: python -m WorldModels\.{verb} carracing",
            page.words,
        ), verb
    assert len(page.held("image/png")) >= 5 and "report: left out" in printed
    assert "a <b>bold</b> word" in page.words and "b" not in page.elements  # not read as HTML


@pytest.mark.parametrize(
    "experiment, script", [("carracing", "carracing"), ("takecover", "wm_doom")]
)
def test_without_results_one_line_names_the_command(experiment, script, tmp_path):
    done = run_report(experiment, "--results", tmp_path / "none")
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr.splitlines() == [
        f"error: {tmp_path / 'none'} has no results yet; make them first: bash "
        f"launch_scripts/{script}.bash --results {tmp_path / 'none'}"
    ]


def test_the_command_that_makes_results_has_the_scale(tmp_path):
    done = run_report("carracing", "--scale", "smoke", "--results", tmp_path / "a run")
    assert (
        f"bash launch_scripts/carracing.bash --scale smoke --results '{tmp_path / 'a run'}'"
        in done.stderr
    )


@pytest.fixture
def begun(tmp_path):
    """A run that has only settings, which differ from its preset."""
    settings = {
        "name": "carracing",
        "scale": "smoke",
        "seed": 7,
        "memory": {"reward_head": False},
        "env": {"id": "LunarLanderContinuous-v3"},
    }
    (tmp_path / "0").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(settings))
    return tmp_path


def test_what_is_typed_next_has_the_settings_of_the_run(begun):
    page, _ = reported(begun, begun / "page.html")
    flags = f"--seed 7 --env.id LunarLanderContinuous-v3 --memory.no-reward-head --results {begun}"
    assert f"Next: python -m WorldModels.record carracing --scale smoke {flags}" in page.words
    assert "World model of LunarLanderContinuous-v3" in page.words


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--iteration", "3"], "--iteration: expected one of 0, received 3"),
        (["--to", "FOLDER"], "--to: expected a file, received the folder"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_the_run_as_it_was(begun, flags, words):
    before = sorted(begun.rglob("*"))
    done = run_report(
        "carracing", "--results", begun, *[begun if flag == "FOLDER" else flag for flag in flags]
    )
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1
    assert sorted(begun.rglob("*")) == before


def test_a_flag_that_the_run_contradicts_is_refused_with_both_values(begun):
    done = run_report("carracing", "--results", begun, "--seed", "5")
    assert done.returncode == 2 and "--seed: 5 asked for" in done.stderr and "7" in done.stderr


def test_damaged_files_are_named_and_the_rest_is_shown(begun):
    (begun / "0/evaluation.json").write_text("{}")
    (begun / "0/memory.csv").write_text('{"torn": "fi')
    (begun / "0/vision.csv").write_text("epoch,step,reconstruction,kl\n0,1,2.0,oops\n")
    page, printed = reported(begun, begun / "page.html")
    assert (
        "scores: " in page.words
        and f"{begun}/0/evaluation.json: expected the scores of a test" in page.words
    )
    assert (
        "learning: could not convert string to float: 'oops'" in page.words
        and "Traceback" not in printed
    )
    (begun / "config.json").write_text(
        '{"name": "carracing", "scale": "smoke", "controller": null}'
    )
    done = run_report("carracing", "--results", begun)
    assert done.returncode == 2 and "config.json: expected the settings of a run" in done.stderr


def test_a_dream_that_could_not_be_measured_is_one_line(begun):
    tested = {"scores": {}, "baselines": {}, "filmed": [], "curve": [1]}
    checked = tested | {"dream_checks": {"horizon": None}}
    (begun / "0/evaluation.json").write_text(json.dumps(checked))
    with pytest.raises(ValueError, match="too short to tell how far a dream strays"):
        horizon_errors(opened(begun))
    (begun / "0/evaluation.json").write_text(json.dumps(checked | {"curve": []}))
    with pytest.raises(ValueError, match="has not learned in a dream"):
        horizon_errors(opened(begun))


def test_the_folder_of_another_experiment_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"name": "carracing", "scale": "smoke"}))
    done = run_report("takecover", "--results", tmp_path)
    assert done.returncode == 2 and "takecover (TakeCover) asked for" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium to open the report in: apt-get install chromium",
)
def test_a_browser_without_a_network_shows_all_of_it(report, tmp_path):
    path = tmp_path / "asked.html"  # a copy that may run the script in ASKED
    text = (
        report[2]
        .read_text()
        .replace("style-src", "script-src 'unsafe-inline'; style-src")
        .replace("</body>", ASKED)
    )
    path.write_text(text)
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path}/user",
        "--window-size=500,800",
        "--enable-logging=stderr",
        "--virtual-time-budget=10000",
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    told = json.loads(re.search(r'<pre id="told">(.*?)</pre>', done.stdout)[1])
    page = report[0]
    assert len(told["pictures"]) == page.elements.count("img") and all(told["pictures"])
    assert len(told["films"]) == 2 and all(told["films"])
    assert told["width"] <= 500 and told["height"] > 3000 and "Refused to load" not in done.stderr
    assert told["table"] < 500, "a table's words are not broken up where the window is narrow"
    shot = tmp_path / "shot.png"
    subprocess.run(
        [CHROMIUM, *flags, f"--screenshot={shot}", report[2].as_uri()],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert len(Image.open(shot).convert("RGB").getcolors(1_000_000)) > 200
