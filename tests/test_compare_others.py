"""The verb compare on visions and evolution strategies, at smoke scale beside the shared run."""

import json
import re

import numpy as np
import pytest
from conftest import run_verb_process
from PIL import Image

from WorldModels.assembly.comparison.lineup import FRAMES


@pytest.fixture(scope="module")
def visions(beside):
    done = run_verb_process("compare", beside, "--noun", "vision")
    assert done.returncode == 0, done.stdout + done.stderr
    return beside


@pytest.mark.slow
def test_visions_stand_beside_one_another_on_the_same_frames(visions):
    rows = {
        row["kind"]: row
        for row in json.loads((visions / "compare/vision.json").read_text())["rows"]
    }
    assert set(rows) == {"vae", "vae_gan"} and len({row["frames"] for row in rows.values()}) == 1
    for found in rows.values():
        assert found["squared_error"] > 0 and -1 <= found["ssim"] <= 1 and found["driver"]["n"] == 2
    assert (
        0 < rows["vae_gan"]["history"]["fake_probability"] < 1
        and rows["vae_gan"]["history"]["val_sample_spread"] > 0
    )
    shown = np.asarray(Image.open(visions / "compare/vision_frames.png").convert("RGB"))
    assert shown.shape[1] > 500 and shown.std() > 20 and (visions / "compare/vision.png").exists()


@pytest.mark.slow
def test_a_driver_that_sees_by_a_vae_gan_is_tested_and_filmed(visions):
    own = visions.with_name("run-vae_gan")
    budget = ["--controller.generations", "0", "--controller.steps", str(FRAMES["smoke"])]
    done = run_verb_process("evaluate", own, "--vision.kind", "vae_gan", *budget)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((own / "0/evaluation.json").read_text())["controller"]["latent"] == "mean"
    assert all(
        (own / "0" / name).stat().st_size > 1000
        for name in ("reconstructed.gif", "real.mp4", "figures/vision.png")
    )


@pytest.mark.slow
def test_optimizers_stand_beside_one_another_on_the_same_networks(beside):
    done = run_verb_process("compare", beside, "--noun", "optimizer", "--kinds", "cma,ses")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((beside / "compare/optimizer.json").read_text())["rows"]
    assert [row["kind"] for row in rows] == ["cma", "ses"] and all(
        row["driver"]["curve"]["frames"] for row in rows
    )
    text = (beside / "compare/optimizer.md").read_text()
    assert re.search(r"^\| ses +\|", text, re.M) and (beside / "compare/optimizer.png").exists()
