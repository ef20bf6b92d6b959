"""A person at the keys: posted key events, a window that nobody sees, and what happens in the world."""

import os
import shlex
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from conftest import ROOT, run_verb_process
from gymnasium.spaces import Box
from PIL import Image

from WorldModels.envs.wrappers import DriveAction
from WorldModels.experiment.command import parse
from WorldModels.experiment.results import Run
from WorldModels.play import PlaySettings, go_on, open_session, save_gif
from WorldModels.playing.hands import Hands
from WorldModels.playing.session import CLIP_EVERY, CLIP_SECONDS, FPS, Session

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
pygame = pytest.importorskip("pygame")
CODES = {"left": pygame.K_LEFT, "right": pygame.K_RIGHT, "up": pygame.K_UP, "down": pygame.K_DOWN, "space": pygame.K_SPACE,
         "escape": pygame.K_ESCAPE}  # fmt: skip
COLOURS = np.array([[(200, 0, 0), (0, 200, 0)], [(0, 0, 200), (200, 200, 0)]], np.uint8)


class Road(gymnasium.Env):
    """Rewards every step with the gas that is given; ends after 40 steps; keeps what it was asked to do."""

    observation_space, action_space = Box(-1, 1, (2,), np.float32), Box(-1, 1, (3,), np.float32)
    temperature = 1.0

    def reset(self, *, seed=None, options=None):
        self.seeds = [*getattr(self, "seeds", []), seed]
        self.actions = []
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.actions.append(action)
        return np.zeros(2, np.float32), (float(action[1]) + 1) / 2, len(self.actions) == 40, False, {}

    def render(self):
        picture = COLOURS.copy()
        picture[0, 0] = 29 * len(self.actions) % 256
        return picture


class Robot:
    """Brakes, which no person of these tests does."""

    name = "robot"

    def reset(self, seed):
        self.seed = seed

    def act(self, observation):
        return np.array((0.25, -1, 0.5), np.float32)


@pytest.fixture
def play(tmp_path, monkeypatch):
    """A session in a window: keys are posted as the system posts them, then so many frames are shown."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    from WorldModels.playing.window import Window

    class Player:
        def __init__(self, **kwargs):
            self.world = Road()
            kwargs = {"driver": Robot(), "temperature": 1.0, "save": lambda clip: save_gif(tmp_path / "play", clip), **kwargs}
            self.session = Session(self.world, Hands("CarRacing-v3", 3), lambda *_: {"road": self.world.render()}, **kwargs)
            self.window = Window("a road", self.session.pictures)

        def post(self, key, down=True):
            typed = key if len(key) == 1 else ""
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN if down else pygame.KEYUP, key=CODES.get(key, ord(key[0])), unicode=typed))

        def frames(self, number=1):
            for _ in range(number):
                go_on(self.session, self.window, frames=1)

        def press(self, key, frames=1):
            self.post(key)
            self.post(key, down=False)
            self.frames(frames)

    player = Player
    yield player
    pygame.display.quit()


@pytest.mark.parametrize("held, steer_gas_brake", [((), (0, 0, 0)), (("left",), (-1, 0, 0)), (("right", "up"), (1, 1, 0)),
                                                  (("down",), (0, 0, 0.8)), (("left", "right", "up"), (0, 1, 0))])  # fmt: skip
def test_the_arrows_mean_to_the_car_what_they_show(held, steer_gas_brake):
    hands = Hands("CarRacing-v3", 3)
    hands.held.update(held)
    action = hands.act()
    assert Road.action_space.contains(action)
    np.testing.assert_allclose(DriveAction(Road()).action(action), steer_gas_brake, atol=1e-6)


@pytest.mark.parametrize("held, action", [((), 0), (("left",), -1), (("right", "up"), 1)])
def test_the_arrows_move_aside_in_take_cover(held, action):
    hands = Hands("TakeCover", 1)
    hands.held.update(held)
    assert hands.act().tolist() == [action] and hands.act().dtype == np.float32


def test_a_held_key_drives_until_it_is_let_go(play):
    player = play()
    player.frames(3)
    assert player.session.return_ == 0 and player.session.steps == 3
    player.post("up")
    player.frames(4)
    player.post("up", down=False)
    player.frames(2)
    assert player.session.return_ == 4 and player.session.steps == 9


def test_a_window_out_of_sight_holds_no_key(play):
    player = play()
    player.post("up")
    player.frames(1)
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    player.frames(3)
    assert player.session.return_ == 1


def test_space_pauses_and_a_full_stop_steps_once(play):
    player = play()
    player.press(".")
    assert player.session.steps == 1 and "pause" in player.session.message  # only the clock's own step
    player.press("space", frames=5)
    assert player.session.paused and player.session.steps == 1
    player.press(".", frames=5)
    assert player.session.steps == 2
    player.press("space", frames=5)
    assert not player.session.paused and player.session.steps == 7


def test_m_hands_over_to_the_controller_and_back(play):
    player = play()
    player.press("m", frames=3)
    assert player.session.trained and [action[2] for action in player.world.actions] == [0.5] * 3
    player.press("m", frames=2)
    assert not player.session.trained and [action[2] for action in player.world.actions[3:]] == [0] * 2


def test_m_without_a_controller_says_what_is_missing(play, capsys):
    player = play(driver=None, no_driver="memory.keras is missing; make it first: python -m WorldModels.train_memory")
    player.press("m")
    assert not player.session.trained and "train_memory" in player.session.message
    assert "train_memory" in capsys.readouterr().out  # where it can be copied


def test_brackets_change_the_temperature_of_a_dream(play):
    player = play(temperature=1.15)
    assert player.world.temperature == 1.15
    player.press("]")
    player.press("]")
    assert player.world.temperature == player.session.temperature == 1.25
    player.press("r")
    assert player.world.temperature == 1.25
    for _ in range(40):
        player.press("[")
    assert player.world.temperature == player.session.temperature == 0.05
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_9, unicode="]"))  # AltGr and 9 on a German keyboard
    player.frames()
    assert player.world.temperature == 0.1


def test_a_game_has_no_temperature(play):
    player = play(temperature=None)
    player.press("]")
    assert player.world.temperature == 1.0 and "dream" in player.session.message


def test_r_begins_the_same_episode_again_and_n_another(play):
    player = play(first_seed=70)
    player.post("up")
    player.frames(5)
    player.post("up", down=False)
    player.press("r", frames=0)
    player.window.hear(player.session)
    assert (player.session.steps, player.session.return_, player.session.episode) == (0, 0, 1)
    player.press("n", frames=0)
    player.window.hear(player.session)
    assert player.world.seeds == [70, 70, 71] and player.session.driver.seed == 71 and player.session.episode == 2


def test_an_episode_that_has_ended_stands_still_until_it_is_restarted(play):
    player = play()
    player.frames(50)
    assert player.session.steps == 40 and "40 steps" in player.session.ended
    player.press("space")
    player.press(".")
    assert player.session.steps == 40
    player.press("space")
    player.press("r", frames=2)
    assert player.session.steps == 2 and not player.session.ended


def test_g_saves_the_last_ten_seconds(play, tmp_path):
    player = play()
    player.frames(8)
    player.press("g")
    player.press("g")
    first, second = sorted((tmp_path / "play").iterdir())
    assert str(second) in player.session.message and [first.name, second.name] == ["000.gif", "001.gif"]
    with Image.open(first) as gif:
        assert gif.n_frames == 1 + 8 // CLIP_EVERY  # the first picture, and then every second
    for _ in range(12):
        player.press("r", frames=40)
    assert len(player.session.clip) == CLIP_SECONDS * FPS // CLIP_EVERY


def test_a_gif_that_cannot_be_written_is_told_and_the_game_goes_on(play, tmp_path):
    (tmp_path / "play").write_text("a file where the folder should be")
    player = play()
    player.press("g", frames=3)
    assert "not saved" in player.session.message and player.session.steps == 3


@pytest.mark.parametrize("how", ["escape", "window"])
def test_escape_or_closing_the_window_quits(play, how):
    player = play()
    if how == "escape":
        player.post("escape")
    else:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
    go_on(player.session, player.window)
    assert player.session.over


def test_a_picture_is_enlarged_in_squares_and_never_smoothed(play):
    player = play()
    player.press("space")
    pixels = pygame.surfarray.array3d(player.window.surface).transpose(1, 0, 2)
    area = player.window.surface.get_height() - 156
    for colour in [*COLOURS.reshape(-1, 3)[1:], (0, 0, 0)]:
        found = np.argwhere((pixels[:area] == colour).all(axis=-1))
        height, width = np.ptp(found, axis=0) + 1
        assert height == width == np.sqrt(len(found)) >= 50, colour
    known = {tuple(colour) for colour in COLOURS.reshape(-1, 3)[1:]} | {(0, 0, 0), (24, 26, 30)}
    assert {tuple(colour) for colour in np.unique(pixels[:area].reshape(-1, 3), axis=0)} == known


@pytest.mark.parametrize("size", [(200, 120), (1500, 1000)])
def test_a_window_of_another_size_is_drawn_too(play, size):
    player = play()
    pygame.display.set_mode(size)
    player.press("m", frames=3)
    assert player.window.surface.get_size() == size and player.session.steps == 3


def test_what_is_shown_changes_with_what_is_told(play):
    player = play()
    player.press("space")

    def panel():
        return pygame.surfarray.array3d(player.window.surface)[:, -156:].copy()

    seen = [panel()]
    for key in ("m", "]", ".", "space"):
        player.press(key)
        assert all((panel() != before).any() for before in seen), key
        seen.append(panel())


def test_no_screen_is_one_line(monkeypatch):
    from WorldModels.playing.window import need_screen

    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")  # what SDL takes where there is none
    with pytest.raises(ValueError, match="SDL_VIDEODRIVER=dummy"):
        need_screen()


def run_play(folder, *flags):
    return run_verb_process("play", folder, *flags, env={**os.environ, "SDL_VIDEODRIVER": "dummy"})


@pytest.mark.parametrize("flags, words", [("--world moon", ["moon", "latent"]), ("--temperature 0", ["--temperature", "0"]),
                                          ("--temperature -1", ["--temperature", "-1"]), ("--temperature nan", ["--temperature"]),
                                          ("--frames -1", ["--frames"]), ("--world dream --temperature 1", ["train_memory carracing"]),
                                          ("--world latent", ["train_vision carracing"])])  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path, flags, words):
    done = run_play(tmp_path / "run", *shlex.split(flags))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "--world dream" not in done.stderr.split("python -m")[-1], "train_memory knows no --world"
    assert not (tmp_path / "run").exists()


def test_the_real_game_can_be_played_before_anything_is_trained(tmp_path):
    done = run_play(tmp_path / "run", "--frames", "20")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run").exists()


def opened(folder, *flags):
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *flags]
    return open_session(Run(parse("play", argv, settings=PlaySettings), "play", argv, reads_only=True))


@pytest.mark.parametrize("world, shown", [("real", ["real"]), ("latent", ["frame", "reconstruction"]), ("dream", ["dream"])])
def test_every_world_is_played_beside_a_verb_that_has_the_folder(smoke_run, world, shown):
    held = Run(parse("record", ["carracing", "--scale", "smoke", "--results", str(smoke_run)]), "record")
    try:
        session = opened(smoke_run, "--world", world, "--temperature", "0.5")
        session.press("m")
        for _ in range(10):
            session.tick()
        assert session.trained and (session.steps == 10 or session.ended)
        assert list(session.pictures) == shown
        assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in session.pictures.values())
        assert session.world.unwrapped.temperature == 0.5 if world == "dream" else session.temperature is None
    finally:
        held.close()


def test_the_controller_drives_as_it_does_when_nobody_watches(smoke_run):
    from WorldModels.control.rollout import rollout
    from WorldModels.worlds import driven, real_world

    session = opened(smoke_run, "--world", "latent", "--env.max-steps", "60")
    session.press("m")
    while not session.ended:
        session.tick()
    bare = real_world("", parse("play", ["carracing", "--scale", "smoke"]).env)()
    alone = rollout(*driven(bare, smoke_run / "0/controller/best.npz", smoke_run / "0"), session.seed, 60)
    assert (session.return_, session.steps) == (pytest.approx(alone.return_, rel=1e-9), alone.length)


def test_the_window_opens_for_a_run_and_closes_by_itself(smoke_run):
    command = [sys.executable, "-m", "WorldModels", "play", "carracing", "--scale", "smoke", "--results", str(smoke_run), "--world=dream",
               "--frames", "15"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "SDL_VIDEODRIVER": "dummy"})
    assert done.returncode == 0, done.stderr
