"""The full 96x96 picture in all six verbs, in play and in dreams, with tiny networks."""

import importlib

import av
import numpy as np
import pytest
from PIL import Image

from WorldModels import play

pytestmark = pytest.mark.slow

TINY = [
    "--env.frame-size",
    "96",
    "--env.max-steps",
    "40",
    "--record.episodes",
    "3",
    "--record.max-frames",
    "24",
    "--vision.encoder-filters",
    "2",
    "2",
    "4",
    "4",
    "--vision.decoder-filters",
    "4",
    "4",
    "2",
    "--vision.latent-size",
    "4",
    "--memory.lstm-size",
    "8",
    "--memory.steps",
    "2",
    "--dream.max-steps",
    "20",
    "--evaluate.tracks",
    "1",
    "--evaluate.baseline-tracks",
    "1",
    "--evaluate.baselines",
    "straight",
]


def verb(name, folder, *flags):
    importlib.import_module(f"WorldModels.{name}").main(
        ["carracing", "--scale", "smoke", "--results", str(folder), *TINY, *flags]
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run after all six verbs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    for name in (
        "record",
        "train_vision",
        "encode",
        "train_memory",
        "train_controller",
        "evaluate",
    ):
        flags = ["--controller.generations", "1"] if name == "train_controller" else []
        verb(name, folder, *flags)
    return folder


def test_episodes_and_v_have_the_whole_picture(whole):
    from WorldModels.assembly.models import load_vision
    from WorldModels.episodes.episode import Episode, list_episodes

    paths = list_episodes(whole / "0/episodes")
    assert len(paths) == 3 and {Episode.load(path).observations.shape[1:] for path in paths} == {
        (96, 96, 3)
    }
    vision = load_vision(whole / "0/vision.keras")
    assert (
        vision.observation_shape == (96, 96, 3)
        and len(vision.encoder.convolutions) == len(vision.decoder.convolutions) == 5
    )
    with Image.open(
        whole / "0/vision_epochs/000.png"
    ) as picture:  # frames over reconstructions, twice, then samples, eight in a row
        assert picture.width > 8 * 2 * 96 and picture.height > 6 * 2 * 96


def test_videos_show_it_beside_what_v_makes_of_it(whole):
    with av.open(str(whole / "0/reconstructed.mp4")) as film:
        frame = next(film.decode(video=0)).to_ndarray(format="rgb24")
    assert frame.shape[0] >= 4 * 96 and frame.shape[1] >= 2 * 4 * 96
    left, right = frame[-4 * 96 :, : 4 * 96], frame[-4 * 96 :, -4 * 96 :]
    assert (
        left.std() > 10 and np.abs(left.astype(int) - right).mean() > 1
    )  # a picture, and a barely trained network's reconstruction of it
    assert (whole / "0/real.mp4").stat().st_size > 0 and (whole / "0/evaluation.json").exists()


def test_dreams_are_of_its_size(whole):
    from WorldModels.assembly.worlds import dream_world
    from WorldModels.experiment.presets import preset

    dream = dream_world(whole / "0", preset("carracing", "smoke"))(render_mode="rgb_array")
    dream.reset(seed=0)
    dream.step(np.zeros(3, np.float32))
    picture = dream.render()
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8


@pytest.mark.parametrize("world", ["latent", "dream"])
def test_it_is_played(whole, monkeypatch, world):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    play.main(["carracing", "--results", str(whole), "--world", world, "--frames", "2"])


def test_a_driver_is_evolved_in_its_dream_and_filmed(whole):
    flags = [
        "--controller.world",
        "dream",
        "--force",
        "--evaluate.dreams",
        "2",
        "--dream.generations",
        "1",
    ]
    verb("train_controller", whole, *flags)
    verb("evaluate", whole, *flags)
    with av.open(str(whole / "0/dream.mp4")) as film:
        assert film.streams.video[0].width == 6 * 96


def test_a_run_of_another_size_is_refused(whole, capsys):
    with pytest.raises(SystemExit) as ended:
        verb("train_vision", whole, "--env.frame-size", "64")
    error = capsys.readouterr().err
    assert (
        ended.value.code == 2
        and "--env.frame-size: 64" in error
        and "96" in error
        and error.count("\n") == 1
    )
