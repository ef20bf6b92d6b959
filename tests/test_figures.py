"""Curves show the numbers of the CSVs, and films can be read back: size, rate, frames."""

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from WorldModels.figures import (
    curves,
    films,
    latents,
    learning,
    predictions,
    style,
    videos,
    weights,
)


def text_of(figure) -> str:
    """All text in a figure."""
    import matplotlib.text

    return " | ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def rows(**columns) -> list[dict[str, str]]:
    """Rows as read from a CSV; None is an empty cell."""
    table = zip(*columns.values(), strict=True)
    return [
        {k: "" if v is None else str(v) for k, v in zip(columns, values, strict=True)}
        for values in table
    ]


VISION = rows(
    epoch=[0, 1], reconstruction=[60, 30], kl=[17, 16], val_reconstruction=[29, 23], val_kl=[16, 16]
)
MEMORY = rows(
    step=[50, 100],
    nll=[1.3, 1.0],
    val_nll=[1.2, 0.98],
    copy_previous_nll=[1.27] * 2,
    static_nll=[1.36] * 2,
)
GENERATIONS = rows(
    generation=[1, 2, 3],
    mean=[-50, 0, 50],
    min=[-80, -60, -50],
    max=[0, 90, 300],
    sigma=[0.1, 0.09, 0.08],
    validation=[None, 20, None],
    frames=[1000, 5000, 12000],
)


def generation_curves(history):
    """The curves of a game that counts as solved at 900."""
    return curves.generation_curves(history, 900, noun="track")


@pytest.mark.parametrize(
    "draw, history, words",
    [
        (
            curves.vision_curves,
            VISION,
            ["epochs done", "squared error", "KL divergence", "training", "held out"],
        ),
        (
            curves.memory_curves,
            MEMORY,
            [
                "nats per latent",
                "training steps done",
                "held out",
                "previous latent",
                "static Gaussian",
            ],
        ),
        (
            generation_curves,
            GENERATIONS,
            [
                "generation",
                "training steps",
                "sigma",
                "900: counts as solved",
                "population",
                "on validation tracks",
                "10k",
            ],
        ),
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


def test_no_line_says_solved_where_nothing_is_known_of_the_game():
    history = [row | {"std": "5", "validation_sd": "3"} for row in GENERATIONS]
    for figure in (
        curves.generation_curves(history),
        learning.learning_curve({"run": history}, "frames"),
        learning.evaluation_band(history),
    ):
        assert "solved" not in text_of(figure) and "track" not in text_of(figure)


def test_a_test_game_is_called_as_the_game_calls_it():
    assert "Test laps" in text_of(curves.score_histogram({"driver": [3.0]}, "lap"))
    assert "on validation laps" in text_of(curves.generation_curves(GENERATIONS, noun="lap"))


def test_a_history_without_held_out_numbers_is_drawn_all_the_same():
    assert "training" in text_of(curves.vision_curves(rows(epoch=[0], reconstruction=[3], kl=[1])))


@pytest.mark.parametrize(
    "draw", [curves.vision_curves, curves.memory_curves, curves.generation_curves]
)
def test_no_rows_no_curve(draw):
    with pytest.raises(ValueError, match="at least one row, received none"):
        draw([])


def test_the_histogram_counts_every_track(tmp_path):
    figure = curves.score_histogram({"driver": [900.0, 850, 120], "random": [-30.0]})
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 4
    curves.save(figure, tmp_path / "scores.png")


def moving(count: int, height: int = 16, width: int = 20) -> np.ndarray:
    """A red bar that moves over green, one pixel a frame."""
    frames = np.full((count, height, width, 3), (60, 200, 60), np.uint8)
    for t, frame in enumerate(frames):
        frame[:, t % width] = (220, 20, 20)
    return frames


@pytest.mark.parametrize("size", [(16, 20), (17, 21)])
def test_an_mp4_has_the_frames_the_rate_and_even_sides(tmp_path, size):
    videos.write_mp4(tmp_path / "a.mp4", moving(30, *size), fps=50)
    read = iio.imread(tmp_path / "a.mp4", plugin="pyav")
    facts = iio.immeta(tmp_path / "a.mp4", plugin="pyav")
    assert (
        read.shape == (30, 16, 20, 3)
        and facts["fps"] == 50
        and facts["video_format"] == "yuv420p"
        and facts["codec"] == "h264"
    )
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
    assert (
        len(film) == 3 and film[0].dtype == np.uint8 and not any(n % 2 for n in film[0].shape[:2])
    )
    left = film[2][videos.LABEL_HEIGHT :, : 4 * 20]
    assert (left[::4, ::4] == real[2]).all() and (left[1::4, 3::4] == real[2]).all()
    assert (film[2][videos.LABEL_HEIGHT :, 4 * 20 + videos.GAP :] == left).all()
    assert film[0][: videos.LABEL_HEIGHT].max() > 200  # words


def test_every_frame_becomes_a_png(tmp_path):
    videos.write_pngs(tmp_path / "frames", moving(3))
    assert [p.name for p in sorted((tmp_path / "frames").iterdir())] == [
        "0000.png",
        "0001.png",
        "0002.png",
    ]
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


def test_a_latent_that_is_always_the_prior_costs_nothing_and_is_not_used():
    mean, log_var = np.zeros((50, 3)), np.zeros((50, 3))
    mean[:, 1] = np.linspace(-1, 1, 50)
    log_var[:, 2] = np.log(4)
    found = latents.latent_summary(mean, log_var)
    assert found["used"].tolist() == [False, True, False] and found["kl"][0] == 0
    assert found["kl"][2] == pytest.approx(0.5 * (4 - 1 - np.log(4)))
    assert found["sd"][1] == pytest.approx(mean[:, 1].std())


def test_the_map_lies_along_what_varies_most():
    points = np.zeros((100, 4))
    points[:, 2], points[:, 0] = 5 * np.cos(np.arange(100)), np.sin(np.arange(100))
    places, share = latents.principal_components(points)
    assert np.corrcoef(places[:, 0], points[:, 2])[0, 1] > 0.999 and share[0] == pytest.approx(
        25 / 26, abs=0.01
    )
    with pytest.raises(ValueError, match="two or more"):
        latents.principal_components(points[:1])


def test_an_overlay_is_grey_where_all_agree_and_yellow_where_the_new_was_foreseen():
    now, came = np.full((1, 2, 2, 3), 90, np.uint8), np.full((1, 2, 2, 3), 90, np.uint8)
    came[0, 0, 0] = 210
    shown = predictions.overlay(now, came, came)
    assert shown[0, 0, 0].tolist() == [210, 210, 90] and shown[0, 1, 1].tolist() == [90, 90, 90]
    assert predictions.overlay(now, came, now)[0, 0, 0].tolist() == [
        210,
        90,
        90,
    ]  # not predicted: red


def test_the_published_curve_ends_where_its_log_does():
    rows = learning.published("carracing")
    assert [rows[0][name] for name in ("generation", "mean")] == ["1", "-54.6"]
    assert [rows[-1][name] for name in ("generation", "evaluation")] == ["1800", "900.46"]
    with pytest.raises(ValueError, match="carracing, takecover"):
        learning.published("chess")


@pytest.mark.parametrize(
    "against, last", [("generation", 3), ("hours", 12 / 3600), ("frames", 12000)]
)
def test_learning_is_drawn_over_what_is_asked_for_beside_the_published_curve(against, last):
    history = [
        row | {"elapsed_seconds": str(4 * int(row["generation"])), "std": "5"}
        for row in GENERATIONS
    ]
    axes = learning.learning_curve({"run": history}, against, "carracing").axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["run, mean of the population"].get_xdata()[-1] == pytest.approx(last)
    assert ("published, mean of the population" in lines) == (against != "frames")
    with pytest.raises(ValueError, match="expected one of generation"):
        learning.learning_curve({"run": history}, "weeks")


def test_several_runs_have_a_band_from_the_least_to_the_highest():
    twice = [row | {"mean": str(2 * float(row["mean"]))} for row in GENERATIONS]
    axes = learning.learning_curve({"one": GENERATIONS, "two": twice}, "frames").axes[0]
    (mean,) = [line for line in axes.lines if line.get_label() == "mean of 2 runs"]
    assert mean.get_ydata()[-1] == pytest.approx(75) and axes.collections[0].get_paths()[
        0
    ].vertices[:, 1].max() == pytest.approx(100)


def test_the_heat_map_says_what_share_each_part_has():
    strong, weak = np.full((2, 1), 3.0), np.full((4, 1), 0.0)
    figure = weights.controller_weights(np.concatenate([strong, weak]), {"z": 2, "h": 4}, ["steer"])
    assert "steer z 100%, h 0%" in text_of(figure)
    with pytest.raises(ValueError, match=r"expected \(6 features, 2 actions\)"):
        weights.controller_weights(np.zeros((5, 2)), {"z": 2, "h": 4}, ["steer", "gas"])


def test_the_reward_so_far_stands_above_the_frame():
    wide = moving(3).repeat(10, axis=2)
    frames = list(films.running_reward({"real": wide}, [7.0, -3.0], scale=1))
    same = list(films.running_reward({"real": wide}, [7.0, 0.0], scale=1))
    strip = videos.LABEL_HEIGHT
    assert (frames[1][:strip] == same[1][:strip]).all() and (
        frames[2][:strip] != same[2][:strip]
    ).any()


def test_pictures_that_are_no_rows_of_frames_are_refused():
    with pytest.raises(ValueError, match="rows and columns of frames"):
        style.mosaic_figure(np.zeros((4, 8, 8, 3)))


def test_colours_that_share_a_panel_differ_in_grey_or_in_marker():
    looks = [tuple(style.line(number).values()) for number in range(8)]
    assert len({look[1:] for look in looks}) == len(looks)
