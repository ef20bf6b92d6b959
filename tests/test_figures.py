"""Curves are drawn from what the CSVs hold, and films can be read back: size, rate, frames."""

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from WorldModels.figures import curves, videos


def text_of(figure) -> str:
    """Every word in a figure."""
    import matplotlib.text

    return " | ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def rows(**columns) -> list[dict[str, str]]:
    """Rows as a CSV gives them; None is an empty cell."""
    table = zip(*columns.values(), strict=True)
    return [{k: "" if v is None else str(v) for k, v in zip(columns, values, strict=True)} for values in table]


VISION = rows(epoch=[0, 1], reconstruction=[60, 30], kl=[17, 16], val_reconstruction=[29, 23], val_kl=[16, 16])
MEMORY = rows(step=[50, 100], nll=[1.3, 1.0], val_nll=[1.2, 0.98], copy_previous_nll=[1.27] * 2, static_nll=[1.36] * 2)
GENERATIONS = rows(generation=[1, 2, 3], mean=[-50, 0, 50], min=[-80, -60, -50], max=[0, 90, 300], sigma=[0.1, 0.09, 0.08],
                   validation=[None, 20, None], frames=[1000, 5000, 12000])  # fmt: skip


@pytest.mark.parametrize(
    "draw, history, words",
    [
        (curves.vision_curves, VISION, ["epochs done", "squared error", "KL divergence", "training", "held out"]),
        (curves.memory_curves, MEMORY, ["nats a latent", "training steps done", "held out", "copy previous z", "static Gaussian"]),
        (curves.generation_curves, GENERATIONS, ["generation", "training steps", "sigma", "900", "population", "validation", "10k"]),
    ],
)
@pytest.mark.parametrize("count", [1, None])
def test_curves_name_what_they_show(tmp_path, draw, history, words, count):
    figure = draw(history[:count])
    curves.save(figure, tmp_path / "curve.png")
    picture = Image.open(tmp_path / "curve.png")
    assert picture.width >= 900 and picture.height >= 500
    found = text_of(figure)
    if count is None:
        assert not [word for word in words if word not in found], found


def test_a_curve_holds_the_numbers_of_its_column():
    axes = curves.generation_curves(GENERATIONS).axes[0]
    (mean,) = [line for line in axes.lines if line.get_label() == "population, mean"]
    assert mean.get_xdata().tolist() == [1, 2, 3] and mean.get_ydata().tolist() == [-50, 0, 50]
    (validation,) = [line for line in axes.lines if "validation" in line.get_label()]
    assert validation.get_xdata().tolist() == [2] and validation.get_ydata().tolist() == [20]


def test_a_history_without_held_out_numbers_is_drawn_all_the_same():
    assert "training" in text_of(curves.vision_curves(rows(epoch=[0], reconstruction=[3], kl=[1])))


@pytest.mark.parametrize("draw", [curves.vision_curves, curves.memory_curves, curves.generation_curves])
def test_no_rows_no_curve(draw):
    with pytest.raises(ValueError, match="at least one row, received none"):
        draw([])


def test_the_histogram_counts_every_track(tmp_path):
    figure = curves.score_histogram({"driver": [900.0, 850, 120], "random": [-30.0]})
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 4
    curves.save(figure, tmp_path / "scores.png")


def moving(count: int, height: int = 16, width: int = 20) -> np.ndarray:
    """A red bar that walks over green."""
    frames = np.full((count, height, width, 3), (60, 200, 60), np.uint8)
    for t, frame in enumerate(frames):
        frame[:, t % width] = (220, 20, 20)
    return frames


@pytest.mark.parametrize("size", [(16, 20), (17, 21)])
def test_an_mp4_has_the_frames_the_rate_and_even_sides(tmp_path, size):
    videos.write_mp4(tmp_path / "a.mp4", moving(30, *size), fps=50)
    read = iio.imread(tmp_path / "a.mp4", plugin="pyav")
    facts = iio.immeta(tmp_path / "a.mp4", plugin="pyav")
    assert read.shape == (30, 16, 20, 3) and facts["fps"] == 50 and facts["video_format"] == "yuv420p" and facts["codec"] == "h264"
    assert np.abs(read.astype(int) - moving(30, *size)[:, :16, :20]).mean() < 25


def test_a_gif_plays_in_real_time_in_its_own_colours(tmp_path):
    videos.write_gif(tmp_path / "a.gif", moving(40), fps=50)
    gif = Image.open(tmp_path / "a.gif")
    assert gif.n_frames == 20 and gif.info["duration"] == 40 and gif.info["loop"] == 0
    gif.seek(3)
    assert np.abs(np.asarray(gif.convert("RGB")).astype(int) - moving(40)[6]).max() < 8


def test_a_gif_that_is_too_large_shows_fewer_frames_over_the_same_time(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
    videos.write_gif(tmp_path / "a.gif", noise, fps=50, most=30_000)
    gif = Image.open(tmp_path / "a.gif")
    assert (tmp_path / "a.gif").stat().st_size <= 30_000
    assert gif.n_frames * gif.info["duration"] == pytest.approx(2000, rel=0.1)


def test_side_by_side_enlarges_without_smoothing_and_labels(tmp_path):
    real, rebuilt = moving(3), moving(3).astype(np.float32) / 255
    film = list(videos.side_by_side({"real": real, "reconstructed": rebuilt}, scale=4))
    assert len(film) == 3 and film[0].dtype == np.uint8 and not any(n % 2 for n in film[0].shape[:2])
    left = film[2][videos.LABEL_HEIGHT :, : 4 * 20]
    assert (left[::4, ::4] == real[2]).all() and (left[1::4, 3::4] == real[2]).all()
    assert (film[2][videos.LABEL_HEIGHT :, 4 * 20 + videos.GAP :] == left).all()
    assert film[0][: videos.LABEL_HEIGHT].max() > 200  # words


def test_every_frame_becomes_a_png(tmp_path):
    videos.write_pngs(tmp_path / "frames", moving(3))
    assert [p.name for p in sorted((tmp_path / "frames").iterdir())] == ["0000.png", "0001.png", "0002.png"]
    assert (np.asarray(Image.open(tmp_path / "frames" / "0002.png")) == moving(3)[2]).all()


@pytest.mark.parametrize("write", [videos.write_mp4, videos.write_gif])
def test_a_film_that_fails_halfway_leaves_nothing(tmp_path, write):
    def broken():
        yield from moving(3)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write(tmp_path / "film.x.mp4", broken(), 50)
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / "film.mp4", [], 50)
    assert not list(tmp_path.iterdir())
