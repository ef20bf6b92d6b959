"""A person at the keys: posted key events, an invisible window, and their effect on the world."""

import os

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from PIL import Image

from WorldModels.experiment.games.game import Game
from WorldModels.experiment.games.registry import game_of
from WorldModels.play import loop, save_gif
from WorldModels.playing.hands import Hands
from WorldModels.playing.session import CLIP_EVERY, CLIP_SECONDS, FPS, Session

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
pygame = pytest.importorskip("pygame")
PANEL = 156  # pixels at the bottom, below the picture
CODES = {
    "left": pygame.K_LEFT,
    "right": pygame.K_RIGHT,
    "up": pygame.K_UP,
    "down": pygame.K_DOWN,
    "space": pygame.K_SPACE,
    "escape": pygame.K_ESCAPE,
}
COLOURS = np.array([[(200, 0, 0), (0, 200, 0)], [(0, 0, 200), (200, 200, 0)]], np.uint8)


class Road(gymnasium.Env):
    """A world whose reward is the gas; it ends after 40 steps and keeps its actions."""

    observation_space, action_space = Box(-1, 1, (2,), np.float32), Box(-1, 1, (3,), np.float32)
    temperature = 1.0

    def reset(self, *, seed=None, options=None):
        self.seeds = [*getattr(self, "seeds", []), seed]
        self.actions = []
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.actions.append(action)
        return (
            np.zeros(2, np.float32),
            (float(action[1]) + 1) / 2,
            len(self.actions) == 40,
            False,
            {},
        )

    def render(self):
        picture = COLOURS.copy()
        picture[0, 0] = 29 * len(self.actions) % 256
        return picture


class Robot:
    """Brakes, which the person in these tests never does."""

    name = "robot"

    def reset(self, seed):
        self.seed = seed

    def act(self, observation):
        return np.array((0.25, -1, 0.5), np.float32)


@pytest.fixture
def play(tmp_path, monkeypatch):
    """A session in a window: keys are posted as the system would, then frames are shown."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    from WorldModels.playing.window import Window

    class Player:
        def __init__(self, **kwargs):
            self.world = Road()
            kwargs = {
                "driver": Robot(),
                "temperature": 1.0,
                "save": lambda clip: save_gif(tmp_path / "play", clip),
                **kwargs,
            }
            self.session = Session(
                self.world,
                Hands(game_of("CarRacing-v3"), 3),
                lambda *_: {"road": self.world.render()},
                **kwargs,
            )
            self.window = Window("a road", self.session.pictures)

        def post(self, key, down=True):
            typed = key if len(key) == 1 else ""
            pygame.event.post(
                pygame.event.Event(
                    pygame.KEYDOWN if down else pygame.KEYUP,
                    key=CODES.get(key, ord(key[0])),
                    unicode=typed,
                )
            )

        def frames(self, number=1):
            for _ in range(number):
                loop(self.session, self.window, frames=1)

        def press(self, key, frames=1):
            self.post(key)
            self.post(key, down=False)
            self.frames(frames)

    yield Player
    pygame.display.quit()


def test_a_held_key_drives_until_it_is_let_go(play):
    player = play()
    player.frames(3)
    assert player.session.return_ == 0 and player.session.steps == 3
    player.post("up")
    player.frames(4)
    player.post("up", down=False)
    player.frames(2)
    assert player.session.return_ == 4 and player.session.steps == 9


def test_the_arrows_do_what_the_game_says():
    gas = Game("Truck-v0", actions=(), keys={"up": (0, 2.0)}, rest=(-1.0, 0.0))
    unknown = game_of("Lander-v9")
    for game, held, action in (
        (gas, {"up"}, [1, 0]),
        (gas, {"left"}, [-1, 0]),
        (unknown, {"right", "down"}, [1, -1]),
        (unknown, {"left", "right", "up"}, [0, 1]),
    ):
        hands = Hands(game, 2)
        hands.held.update(held)
        assert hands.act().tolist() == action and hands.act().dtype == np.float32


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
    assert (
        player.session.steps == 1 and "pause" in player.session.message
    )  # only the regular step of the clock
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
    assert (
        not player.session.trained and [action[2] for action in player.world.actions[3:]] == [0] * 2
    )


def test_m_without_a_controller_says_what_is_missing(play, capsys):
    player = play(
        driver=None,
        no_driver="memory.keras is missing; make it first: python -m WorldModels.train_memory",
    )
    player.press("m")
    assert not player.session.trained and "train_memory" in player.session.message
    assert "train_memory" in capsys.readouterr().out  # where it can be copied


def test_brackets_change_the_temperature_of_a_dream(play):
    player = play(temperature=1.15)
    assert player.world.temperature == 1.15
    for key in "]]":
        player.press(key)
    assert player.world.temperature == player.session.temperature == 1.25
    player.press("r")
    assert player.world.temperature == 1.25
    for key in "[" * 40:
        player.press(key)
    assert player.world.temperature == player.session.temperature == 0.05
    pygame.event.post(
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_9, unicode="]")
    )  # AltGr and 9 on a German keyboard
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
    assert (
        player.world.seeds == [70, 70, 71]
        and player.session.driver.seed == 71
        and player.session.episode == 2
    )


def test_an_episode_that_has_ended_stands_still_until_it_is_restarted(play):
    player = play()
    player.frames(50)
    assert player.session.steps == 40 and "40 steps" in player.session.ended
    for key in ("space", ".", "space"):
        player.press(key)
    assert player.session.steps == 40
    player.press("r", frames=2)
    assert player.session.steps == 2 and not player.session.ended


def test_g_saves_the_last_ten_seconds(play, tmp_path):
    player = play()
    player.frames(8)
    for key in "gg":
        player.press(key)
    first, second = sorted((tmp_path / "play").iterdir())
    assert str(second) in player.session.message and [first.name, second.name] == [
        "000.gif",
        "001.gif",
    ]
    with Image.open(first) as gif:
        assert gif.n_frames == 1 + 8 // CLIP_EVERY  # the first picture, then every second one
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
    player.post("escape") if how == "escape" else pygame.event.post(pygame.event.Event(pygame.QUIT))
    loop(player.session, player.window)
    assert player.session.over


def test_a_picture_is_enlarged_in_squares_and_never_smoothed(play):
    player = play()
    player.press("space")
    pixels = pygame.surfarray.array3d(player.window.surface).transpose(1, 0, 2)
    area = player.window.surface.get_height() - PANEL
    for colour in [*COLOURS.reshape(-1, 3)[1:], (0, 0, 0)]:
        found = np.argwhere((pixels[:area] == colour).all(axis=-1))
        height, width = np.ptp(found, axis=0) + 1
        assert height == width == np.sqrt(len(found)) >= 50, colour
    assert (
        len(np.unique(pixels[:area].reshape(-1, 3), axis=0)) == 5
    )  # five colours: the four of the picture and the background


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
        return pygame.surfarray.array3d(player.window.surface)[:, -PANEL:].copy()

    seen = [panel()]
    for key in ("m", "]", ".", "space"):
        player.press(key)
        assert all((panel() != before).any() for before in seen), key
        seen.append(panel())


def test_no_screen_is_one_line(monkeypatch):
    from WorldModels.playing.window import need_screen

    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.setattr(
        pygame.display, "get_driver", lambda: "offscreen"
    )  # what SDL picks if there is no screen
    with pytest.raises(ValueError, match="SDL_VIDEODRIVER=dummy"):
        need_screen()
