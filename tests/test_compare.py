"""The verb compare as a user runs it, at smoke scale beside the shared run, and its parts."""

import dataclasses
import json
import os
import re

import gymnasium
import numpy as np
import pytest
from conftest import run_verb_process
from PIL import Image

from WorldModels.assembly.comparison.kinds import NOUNS, parsed
from WorldModels.assembly.comparison.lineup import FRAMES, frames_of
from WorldModels.assembly.comparison.tables import markdown
from WorldModels.compare import CompareSettings
from WorldModels.experiment.command import parse
from WorldModels.experiment.presets import preset
from WorldModels.figures import comparison
from WorldModels.figures.curves import save

# Small transformers: each layer makes the conversion to ONNX longer.
SMALL = ["--memory.num-layers", "1", "--memory.feed-forward", "64", "--memory.window", "16"]
COMPARED = ["mdn_rnn", "trade:seed"]
VOLATILE = {"log.txt", ".lock", "config.json"}


def row(kind, **changes):
    """A row of a table of memories, as in the JSON."""
    errors = {"mode": [0.01, 0.02], "sampled": [0.011, 0.03], "last frame kept": [0.005, 0.04]}
    driver = {
        "mean": 500.0,
        "interval": [400.0, 600.0],
        "n": 2,
        "frames": 1200,
        "generations": 3,
        "best_generation": 2,
        "minutes": 0.5,
        "curve": {
            "frames": [400, 1200],
            "validation": [-20.0, 300.0],
            "population": [[400, -30.0], [1200, 250.0]],
        },
    }
    return {
        "kind": kind,
        "parameters": 1234,
        "nll": {"held_out": 1.0, "copy_previous": 1.3, "static": 1.4, "unconditional": 1.35},
        "horizon": {"horizons": [1, 10], "windows": 8, "latent": errors, "frame": errors},
        "driver": driver,
        "speed": {"training": 80000.0, "driving": 1500.0},
        "squared_error": 20.0,
        "ssim": 0.8,
        "frames": 64,
        "history": {"val_loss": 40.0},
        **changes,
    }


def text_of(figure):
    import matplotlib.text

    return " | ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def test_a_kind_and_its_options_become_flags_and_a_folder():
    plain, seed = parsed("mdn_rnn, trade:seed:joint,mdn_rnn", "memory")
    assert (plain.flags, plain.suffix) == (("--memory.kind", "mdn_rnn"), "-mdn_rnn")
    assert seed.flags == (
        "--memory.kind",
        "trade",
        "--memory.trade",
        "seed",
        "--memory.mixture",
        "joint",
    )
    assert seed.suffix == "-trade-seed-joint"


@pytest.mark.parametrize("noun", NOUNS)
def test_where_no_kind_is_named_all_that_see_frames_are_compared(noun):
    names = [kind.name for kind in parsed("", noun)]
    assert len(names) > 1 and {name.split(":")[0] for name in names} == set(NOUNS[noun].kinds) - {
        "dense"
    }
    assert noun != "memory" or {"trade:seed", "trade:paper"} <= set(names)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--kinds", "mdn_rnn,lstm"], ["mdn_rnn, transformer, trade", "'lstm'"]),
        (["--kinds", "trade:large"], ["independent, joint, seed, paper", "'large'"]),
        (["--kinds", "transformer:paper"], ["independent, joint", "'paper'"]),
        (["--noun", "vision", "--kinds", "vae:minimax"], ["none", "'minimax'"]),
        (["--noun", "optimizer", "--kinds", "adam"], ["cma, openes, pepg, ses, ga", "'adam'"]),
    ],
)
def test_an_unknown_kind_lists_those_that_exist(tmp_path, capsys, flags, words):
    from WorldModels.compare import main

    with pytest.raises(SystemExit) as stop:
        main(["carracing", "--scale", "smoke", "--results", str(tmp_path / "run"), *flags])
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", "".join(capsys.readouterr())).split())
    assert stop.value.code == 2 and all(word in said for word in words), said
    assert not (tmp_path / "run").exists()


def test_a_run_without_series_is_told_which_command_makes_them(tmp_path, capsys):
    from WorldModels.compare import main

    with pytest.raises(SystemExit) as stop:
        main(
            [
                "carracing",
                "--scale",
                "smoke",
                "--results",
                str(tmp_path / "run"),
                "--kinds",
                "mdn_rnn",
            ]
        )
    assert (
        stop.value.code == 2
        and "WorldModels.record carracing --scale smoke" in capsys.readouterr().err
    )


def test_every_driver_gets_the_same_frames():
    smoke = preset("carracing", "smoke")
    typed = dataclasses.replace(smoke, controller=dataclasses.replace(smoke.controller, steps=777))
    assert frames_of(smoke, 0, smoke.controller.steps) == FRAMES["smoke"]
    assert (
        frames_of(typed, 0, smoke.controller.steps) == 777
        and frames_of(typed, 55, smoke.controller.steps) == 55
    )
    dreaming = preset("takecover", "smoke")
    assert frames_of(dreaming, 0, 0) == 0
    with pytest.raises(ValueError, match="dream.generations"):
        frames_of(dreaming, 55, 0)


def test_the_flags_of_a_comparison_are_no_part_of_a_remedy():
    settings = parse(
        "compare",
        ["carracing", "--kinds", "mdn_rnn", "--frames", "5", "--tracks", "3"],
        settings=CompareSettings,
    )
    assert (settings.kinds, settings.frames, settings.tracks) == ("mdn_rnn", 5, 3)


@pytest.mark.parametrize("noun", NOUNS)
def test_the_table_has_a_line_for_each_kind_and_says_which_failed(noun):
    facts = {
        "noun": noun,
        "experiment": "carracing",
        "scale": "smoke",
        "seed": 0,
        "rows": [
            row("one"),
            {"kind": "two", "failed": "no such thing"},
            row("three", horizon=None, nll={}, speed={}),
        ],
    }
    text = markdown(facts)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1, text
    assert [line.split()[1] for line in lines if line.split()[1] in ("one", "two", "three")] == [
        "one",
        "three",
    ]
    assert (
        "**two** failed: no such thing" in text and "400 to 600" in text and "2 test tracks" in text
    )
    assert markdown({**facts, "rows": facts["rows"][1:2]}), "all failed"


@pytest.mark.parametrize("noun", NOUNS)
def test_the_plot_names_every_kind_and_what_it_shows(noun):
    rows = [row("one"), row("three", nll={"held_out": 0.9}, horizon=None, speed={})]
    figure = comparison.FIGURES[noun](rows)
    figure.canvas.draw()
    found = text_of(figure)
    assert "one" in found and "three" in found and "return" in found


@pytest.mark.parametrize("noun", NOUNS)
def test_the_first_row_is_drawn_before_anything_is_timed(noun, tmp_path):
    save(
        comparison.FIGURES[noun]([row("one", speed={}, horizon=None, nll={})]),
        tmp_path / "first.png",
    )
    assert Image.open(tmp_path / "first.png").width > 400


def test_the_plot_holds_the_numbers():
    axes = comparison.memory_figure([row("one")]).axes
    dreamt = {line.get_label(): line.get_ydata().tolist() for line in axes[1].lines}
    assert dreamt == {"one": [0.01, 0.02], "last frame kept": [0.005, 0.04]}
    assert {line.get_label(): line.get_ydata()[0] for line in axes[0].lines} == {
        "previous latent": 1.3,
        "static Gaussian": 1.4,
        "its head without inputs": 1.35,
    }


def test_frames_stand_over_what_each_vision_makes_of_them():
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    figure = comparison.reconstructions(frames, {"vae": frames / 255, "vae_gan": frames / 255})
    assert len(figure.axes) == 9 and [each.get_ylabel() for each in figure.axes[::3]] == [
        "frame",
        "vae",
        "vae_gan",
    ]


@pytest.fixture(scope="module")
def compared(beside):
    done = run_verb_process("compare", beside, "--kinds", ",".join(COMPARED), *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    return beside, done.stdout


@pytest.mark.slow
def test_the_comparison_has_every_kind_with_all_that_is_measured(compared):
    folder, printed = compared
    facts = json.loads((folder / "compare/memory.json").read_text())
    assert [row["kind"] for row in facts["rows"]] == COMPARED
    for found in facts["rows"]:
        assert (
            found["nll"].keys() == {"held_out", "copy_previous", "static", "unconditional"}
            and found["parameters"] > 1000
        )
        assert (
            all(np.isfinite(found["horizon"]["frame"]["mode"]))
            and found["horizon"]["horizons"][0] == 1
        )
        assert found["speed"]["training"] > 0 and found["speed"]["driving"] > 0
        driver = found["driver"]
        assert (
            driver["n"] == 2
            and driver["interval"][0] <= driver["mean"] <= driver["interval"][1]
            and driver["frames"] >= FRAMES["smoke"]
        )
    baselines = {(found["nll"]["copy_previous"], found["nll"]["static"]) for found in facts["rows"]}
    kept = {tuple(found["horizon"]["frame"]["last frame kept"]) for found in facts["rows"]}
    assert len(baselines) == len(kept) == 1, "all were scored on the same latents"
    text = (folder / "compare/memory.md").read_text()
    assert (
        all(re.search(rf"^\| {kind} +\|", text, re.M) for kind in COMPARED)
        and text.splitlines()[2] in printed
    )
    assert Image.open(folder / "compare/memory.png").width >= 900


@pytest.mark.slow
def test_each_kind_lives_beside_the_run_and_shares_what_it_can(compared):
    folder, printed = compared
    for kind in COMPARED:
        own = folder.with_name("run-" + kind.replace(":", "-"))
        for name in ("episodes/000000.npz", "series/000000.npz"):
            assert os.path.samefile(own / "0" / name, folder / "0" / name), "a link"
        assert (own / "0/vision.keras").read_bytes() == (folder / "0/vision.keras").read_bytes()
        assert (own / "0/controller/best.npz").exists()
        same = (own / "0/memory.keras").read_bytes() == (folder / "0/memory.keras").read_bytes()
        assert same == (kind == "mdn_rnn"), "the run's own kind is not trained again"
    assert "memory: taken from" in printed and "train_vision:" not in printed


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMPARED)
def test_each_kind_is_a_world_to_dream_in(compared, kind):
    own = compared[0].with_name("run-" + kind.replace(":", "-"))
    env = gymnasium.make("WorldModels/DreamCarRacing-v0", results=str(own))
    features, _ = env.reset(seed=1)
    for _ in range(3):
        seen, reward, *_ = env.step(env.action_space.sample())
    assert seen.shape == features.shape == env.observation_space.shape and not np.array_equal(
        seen, features
    )
    assert np.isfinite([*seen, reward]).all()
    env.close()


@pytest.mark.slow
def test_a_second_time_nothing_is_made_again(compared):
    folder, _ = compared
    before = {
        path: path.stat().st_mtime_ns
        for path in folder.parent.rglob("*")
        if path.is_file() and path.name not in VOLATILE
    }
    done = run_verb_process("compare", folder, "--kinds", ",".join(COMPARED), *SMALL)
    assert done.returncode == 0, done.stderr
    assert not [path for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert {
        path for path in folder.parent.rglob("*") if path.is_file() and path.name not in VOLATILE
    } == set(before)


@pytest.mark.slow
def test_a_kind_that_fails_hides_no_other(compared):
    folder, _ = compared
    broken = folder.with_name("run-trade-seed") / "0/memory.csv"
    kept = broken.read_bytes()
    broken.unlink()
    broken.mkdir()
    try:
        done = run_verb_process("compare", folder, "--kinds", "trade:seed,mdn_rnn", *SMALL)
        assert (
            done.returncode == 2
            and "trade:seed failed: " in done.stderr
            and "Traceback" not in done.stderr
        )
        text = (folder / "compare/memory.md").read_text()
        assert "**trade:seed** failed: " in text and re.search(
            r"^\| mdn_rnn +\| +[\d,]+ \|", text, re.M
        )
    finally:
        broken.rmdir()
        broken.write_bytes(kept)
