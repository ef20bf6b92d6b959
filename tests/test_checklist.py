"""Every item of the checklist has a function that draws it and shows the numbers it was given."""

import imageio.v3 as iio
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from WorldModels.figures import latents
from WorldModels.figures.checklist import CHECKLIST, function_of
from WorldModels.figures.frames import as_uint8, enlarge

N, SIZE = 6, 8
DRAW = np.random.default_rng(0)
FRAMES = DRAW.integers(0, 256, (N, SIZE, SIZE, 3), np.uint8)
OTHERS = DRAW.integers(0, 256, (N, SIZE, SIZE, 3), np.uint8)
THIRD = DRAW.random((N, SIZE, SIZE, 3), np.float32)
ROWS = [
    {
        "generation": str(g),
        "frames": str(1000 * g),
        "elapsed_seconds": str(60 * g),
        "mean": str(10 * g),
        "min": str(g),
        "max": str(20 * g),
        "std": "2",
        "sigma": "0.1",
        "validation": str(15 * g),
        "validation_sd": "3",
    }
    for g in (1, 2, 3)
]
LOSSES = [
    {"epoch": "0", "step": "7", "reconstruction": "31", "kl": "16", "nll": "1.25", "val_nll": "1.5"}
]
SCORE = {
    "mean": 123.4,
    "interval": [100.0, 150.0],
    "sd": 9.0,
    "median": 120.0,
    "iqm": 121.0,
    "n": 5,
}
ERRORS = {
    name: {"mode": [1.0, 2.5], "sampled": [2.0, 3.5], "last frame kept": [3.0, 9.5]}
    for name in ("latent", "frame")
}


def numbers_of(figure: Figure) -> np.ndarray:
    """Every number from which a figure draws its curves, bars, dots, bands and pictures."""
    found = []
    for axes in figure.axes:
        found += [line.get_ydata() for line in axes.lines] + [
            line.get_xdata() for line in axes.lines
        ]
        found += [image.get_array() for image in axes.images]
        found += [[patch.get_height()] for patch in axes.patches if hasattr(patch, "get_height")]
        found += [dots.get_offsets() for dots in axes.collections]
        found += [path.vertices for bands in axes.collections for path in bands.get_paths()]
    return np.concatenate([np.ravel(np.ma.filled(x, np.nan)).astype(float) for x in found])


def shows(*numbers):
    """Checks that a figure is drawn from these numbers."""

    def check(figure):
        there = numbers_of(figure)
        for number in np.concatenate([np.ravel(x) for x in numbers]):
            assert np.isclose(there, number, atol=1e-6).any(), number

    return check


def contains(picture: np.ndarray, frame: np.ndarray) -> bool:
    """Whether a small picture is somewhere in a larger one, pixel for pixel."""
    height, width = frame.shape[:2]
    room = picture[: max(0, len(picture) - height + 1), : max(0, picture.shape[1] - width + 1)]
    corners = np.argwhere((room == frame[0, 0]).all(axis=-1))
    return any((picture[y : y + height, x : x + width] == frame).all() for y, x in corners)


def pictures(*wanted):
    """Checks that a figure shows these frames, pixel for pixel."""

    def check(figure):
        images = [
            as_uint8(np.asarray(image.get_array())) for axes in figure.axes for image in axes.images
        ]
        for frame in (frame for frames in wanted for frame in frames):
            frame = as_uint8(frame)
            assert any(contains(image, frame) for image in images if image.ndim == 3)

    return check


def film(*clips, scale=1):
    """Checks that frame t of a film shows frame t of each clip."""

    def check(frames):
        frames = list(frames)
        assert len(frames) == min(map(len, clips)) and len({frame.shape for frame in frames}) == 1
        for t, frame in enumerate(frames):
            assert all(contains(frame, enlarge(as_uint8(clip[t]), scale)) for clip in clips)

    return check


def text_of(figure: Figure) -> str:
    import matplotlib.text

    return " | ".join(found.get_text() for found in figure.findobj(matplotlib.text.Text))


Z = DRAW.normal(size=(40, 5)) * (2, 1, 1, 1, 0.001)
SUMMARY = latents.latent_summary(Z, np.zeros_like(Z))
STEPS = [0, 2, 5]
CASES = {
    "reconstructions:reconstruction_grid": ((FRAMES, THIRD, 4), pictures(FRAMES, THIRD)),
    "reconstructions:prior_samples": ((FRAMES[:4], 2), pictures(FRAMES[:4])),
    "reconstructions:latent_traversal": (
        (FRAMES.reshape(2, 3, SIZE, SIZE, 3), (-1, 0, 1), (4, 7)),
        pictures(FRAMES),
    ),
    "latents:latent_statistics": (
        (Z, np.zeros_like(Z)),
        shows(SUMMARY["mean"], SUMMARY["kl"], SUMMARY["mean"] + SUMMARY["sd"]),
    ),
    "latents:latent_map": ((Z, np.arange(40), "step"), shows(latents.principal_components(Z)[0])),
    "films:epochs_film": ((FRAMES.repeat(20, axis=2),), film(FRAMES.repeat(20, axis=2))),
    "comparison:reconstructions": (
        (FRAMES, {"vae": THIRD, "vae_gan": OTHERS / 255}),
        pictures(FRAMES),
    ),
    "vectors:reconstruction_chart": ((Z, Z + 1), shows(Z, Z + 1)),
    "predictions:next_frames": ((FRAMES, OTHERS, THIRD), pictures(FRAMES, OTHERS, THIRD)),
    "predictions:next_errors": (
        ([3.0, 7.5], [4.0, 8.5], [1.0, 1.5]),
        shows([3, 7.5, 4, 8.5, 1, 1.5]),
    ),
    "predictions:overlays": ((FRAMES, OTHERS, THIRD), pictures(OTHERS)),
    "predictions:mixture_toy": ((Z[:, 0], Z[:, 1], Z[:, 2], Z[:, 3]), shows(Z[:, :4])),
    "filmstrips:imagined_strip": (
        (FRAMES, OTHERS, THIRD, STEPS, 50),
        pictures(FRAMES[STEPS], OTHERS[STEPS], THIRD[STEPS]),
    ),
    "filmstrips:dream_filmstrips": (
        ({0.5: FRAMES, 1.3: OTHERS[:3]}, STEPS, 50),
        pictures(FRAMES[STEPS], OTHERS[[0, 2]]),
    ),
    "filmstrips:dreamt_twice": (
        (FRAMES, OTHERS, STEPS, 50),
        pictures(FRAMES[STEPS], OTHERS[STEPS]),
    ),
    "dreams:horizon_curves": (({"horizons": [1, 10], **ERRORS},), shows([1, 2.5, 2, 3.5, 3, 9.5])),
    "videos:side_by_side": (({"real": FRAMES, "V": THIRD}, 5), film(FRAMES, THIRD, scale=5)),
    "films:running_reward": (({"real": FRAMES}, [1.0] * 5, 30), film(FRAMES, scale=30)),
    "films:dashboard": (
        (FRAMES, OTHERS, THIRD, [1.0] * 5, {"error": range(6)}, 10),
        film(FRAMES, OTHERS, THIRD, scale=10),
    ),
    "films:three_views": (
        (OTHERS.repeat(16, 1).repeat(16, 2), FRAMES, THIRD, (), 128),
        film(OTHERS, FRAMES, THIRD, scale=16),
    ),
    "weights:controller_weights": (
        (Z[:3].T, {"z": 2, "h": 3}, ["steer", "gas", "brake"]),
        shows(Z[:3]),
    ),
    "learning:learning_curve": (
        ({"run": ROWS}, "frames", "", 900),
        shows([1000, 2000, 3000, 10, 20, 30, 1, 60, 12, 15, 30, 45, 900]),
    ),
    "learning:evaluation_band": (
        (ROWS, "carracing", 900),
        shows([15, 30, 45, 12, 48, 900.46, 900]),
    ),
    "curves:generation_curves": ((ROWS, 900), shows([10, 20, 30, 1, 60, 15, 30, 45, 0.1, 900])),
    "curves:vision_curves": ((LOSSES,), shows([31, 16])),
    "curves:memory_curves": ((LOSSES,), shows([1.25, 1.5, 7])),
    "losses:loss_curves": (([], LOSSES), shows([1.25, 1.5, 7, 31, 16])),
    "curves:score_histogram": (({"driver": [5.0, 5.0, 5.0]},), shows([3])),
    "dreams:dream_curve": (
        (ROWS, [{"generation": 2, "real": SCORE}], 50.0),
        shows([15, 30, 45, 12, 123.4, 50]),
    ),
    "temperatures:temperature_figure": (
        ([{"temperature": 1.0, "dream": SCORE, "real": SCORE | {"mean": 107.5}}],),
        shows([123.4, 107.5]),
    ),
}
IN_FILES = {
    "videos:write_gif",
    "videos:write_mp4",
    "videos:write_pngs",
    "style:save",
    "scores:table",
}
WINDOW = "WorldModels.playing.window:Window.show"


def test_every_item_has_a_function_and_every_function_a_test():
    assert len(CHECKLIST) == 36
    assert set(CHECKLIST.values()) == set(CASES) | IN_FILES | {WINDOW}


@pytest.mark.parametrize("name", CASES)
def test_what_is_drawn_holds_what_was_given(tmp_path, name):
    given, check = CASES[name]
    drawn = function_of(name)(*given)
    check(drawn)
    if isinstance(drawn, Figure):
        function_of("style:save")(drawn, tmp_path / "figure.png")
        assert Image.open(tmp_path / "figure.png").width > 300
        assert not [
            axes
            for axes in drawn.axes
            if axes.lines and not (axes.get_ylabel() or axes.get_title())
        ]


def test_a_curve_as_svg_is_the_same_file_each_time(tmp_path):
    for number in range(2):
        function_of("style:save")(
            function_of("learning:learning_curve")({"run": ROWS}, "hours"),
            tmp_path / f"{number}.svg",
        )
    first, second = ((tmp_path / f"{number}.svg").read_text() for number in range(2))
    assert first == second and "<svg" in first


def test_films_in_files_hold_every_frame(tmp_path):
    large = FRAMES.repeat(8, axis=1).repeat(8, axis=2)
    function_of("videos:write_pngs")(tmp_path / "frames", large)
    function_of("videos:write_mp4")(tmp_path / "film.mp4", large, 10)
    function_of("videos:write_gif")(tmp_path / "film.gif", large, 10, every=1)
    assert all(
        (iio.imread(path) == frame).all()
        for path, frame in zip(sorted((tmp_path / "frames").iterdir()), large, strict=True)
    )
    assert iio.imread(tmp_path / "film.mp4", plugin="pyav").shape == large.shape
    assert iio.imread(tmp_path / "film.gif").shape == large.shape


def test_temperatures_stand_in_their_order():
    rows = [{"temperature": heat, "dream": SCORE, "real": SCORE} for heat in (1.3, 0.5, 1.0)]
    axes = function_of("temperatures:temperature_figure")(rows).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.5", "1", "1.3"]


def test_a_table_has_a_line_of_numbers_for_each_driver():
    lines = function_of("scores:table")(
        {"C": SCORE, "random": SCORE | {"mean": -7.25}}
    ).splitlines()
    assert len(lines) == 3 and "123.4" in lines[1] and "-7.2" in lines[2]


def test_the_window_shows_the_pictures_of_a_session(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    from test_play import COLOURS, Road

    from WorldModels.experiment.games.registry import game_of
    from WorldModels.playing.hands import Hands
    from WorldModels.playing.session import Session

    show = function_of(WINDOW)
    session = Session(Road(), Hands(game_of("CarRacing-v3"), 3), lambda *_: {"road": COLOURS})
    window = function_of(WINDOW.removesuffix(".show"))("a road", session.pictures)
    show(window, session)
    there = pygame.surfarray.array3d(window.surface).reshape(-1, 3)
    window.close()
    assert {tuple(colour) for colour in COLOURS.reshape(-1, 3).tolist()} <= {
        tuple(colour) for colour in np.unique(there, axis=0).tolist()
    }
