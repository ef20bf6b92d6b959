"""Doom's Take Cover as the paper plays it: dodge fireballs and stay alive.

It is ViZDoom's scenario take_cover at skill 4, one tic (1/35 s) per step without frame skip;
observation and action are as in hardmaru/WorldModelsExperiments, doomrnn/. The engine is a separate
process: see engine.py.
"""

import os

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from WorldModels.envs.takecover.engine import start
from WorldModels.experiment.errors import ForeignError

SCREEN_WIDTH, SCREEN_HEIGHT = 160, 120  # pixels
VIEW_ROWS = 100  # rows above the status bar: 400 of the original's 480
FRAME_SIZE = 64  # pixels
ACTION_THRESHOLD = 1 / 3
LEFT, RIGHT, STAY = (1, 0), (0, 1), (0, 0)  # the scenario's two buttons
INSTALL = 'pip install "WorldModels[doom]", or bash launch_scripts/setup.bash --doom'


class EngineDiedError(ForeignError):
    """ViZDoom's engine died during the game."""


class TakeCover(gymnasium.Env):
    """Monsters throw fireballs at a player who can only sidestep, until the player dies.

    Observation: uint8 (frame_size, frame_size, 3), the view above the status bar, area-resized.
    ViZDoom gives no picture of a dead player, so at the end the last one is repeated.
    Action: float32 (1,) in -1..1: below -1/3 left, above 1/3 right, otherwise stay.
    Reward: 1 for every step, including the fatal one, so that the return is the number of tics
    survived.
    `reset(seed=)` determines the whole game. `render()`: uint8 (480, 640, 3), the enlarged screen
    with its status bar.

    Args:
        frame_size: pixels.
        render_mode: "rgb_array", or None.

    Raises:
        ValueError: frame_size or render_mode is invalid.
        ImportError: vizdoom is not installed.
        ForeignError: the engine did not start, or, as EngineDiedError, died during the game.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 35, "death_is_final": True}

    def __init__(self, *, frame_size: int = FRAME_SIZE, render_mode: str | None = "rgb_array"):
        if frame_size < 1:
            raise ValueError(f"frame_size: expected 1 pixel or more, received {frame_size!r}.")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: expected rgb_array or None, received {render_mode!r}.")
        self.render_mode, self.frame_size = render_mode, frame_size
        self.observation_space = spaces.Box(0, 255, (frame_size, frame_size, 3), np.uint8)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.screen = None
        self.game = _start_game()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._running()
        self._ask(self.game.set_seed, int(self.np_random.integers(2**32)))
        self._ask(self.game.new_episode)
        self.screen = None
        self._look()
        return self._frame(), {}

    def step(self, action):
        self._running()
        if self.screen is None or self.game.is_episode_finished():
            raise gymnasium.error.ResetNeeded(
                "TakeCover: expected reset() before the first step and after the last one."
            )
        self._ask(self.game.make_action, buttons(action), 1)
        terminated = bool(self.game.is_episode_finished())
        if not terminated:
            self._look()
        return self._frame(), 1.0, terminated, False, {}

    def render(self):
        if self.screen is None:
            raise gymnasium.error.ResetNeeded("TakeCover: expected reset() before render().")
        return self.screen.repeat(4, axis=0).repeat(4, axis=1)

    def close(self):
        if self.game is not None:
            self.game.close()
        self.game = None

    def _look(self):
        state = self._ask(self.game.get_state)
        self.screen = state.screen_buffer.copy()

    def _frame(self):
        image = Image.fromarray(self.screen[:VIEW_ROWS])
        return np.array(image.resize((self.frame_size, self.frame_size), Image.Resampling.BOX))

    def _running(self):
        if self.game is None:
            raise RuntimeError(
                "TakeCover: expected an open environment, received a closed one; make a new one."
            )

    def _ask(self, function, *arguments):
        """Call the engine; if it has died, raise a one-line error."""
        try:
            return function(*arguments)
        except Exception as error:
            self.close()
            reason = " ".join(str(error).split())
            raise EngineDiedError(
                f"TakeCover: ViZDoom's engine died ({type(error).__name__}: {reason}); make a new "
                "environment."
            ) from error


def buttons(action) -> tuple[int, int]:
    """The scenario's buttons (left, right) that an action (1,) in -1..1 presses.

    As in hardmaru/WorldModelsExperiments, doomrnn/.
    """
    number = float(np.ravel(action)[0])
    return LEFT if number < -ACTION_THRESHOLD else RIGHT if number > ACTION_THRESHOLD else STAY


def _start_game():
    try:
        import vizdoom
    except ImportError as error:
        raise ImportError(
            f"TakeCover needs the package vizdoom, which is missing ({error}): {INSTALL}."
        ) from error
    game = vizdoom.DoomGame()
    game.load_config(os.path.join(vizdoom.scenarios_path, "take_cover.cfg"))
    game.set_doom_skill(4)
    game.set_screen_resolution(vizdoom.ScreenResolution.RES_160X120)
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_render_hud(True)
    game.set_window_visible(False)
    game.set_sound_enabled(False)
    try:
        start(game, os.path.join(os.path.dirname(vizdoom.__file__), "vizdoom"))
    except RuntimeError as error:
        raise ForeignError(f"TakeCover: {error}.") from error
    return game


def make(*, frame_size: int = FRAME_SIZE) -> gymnasium.Env:
    """Take Cover as V sees it, in frames of any size.

    Args:
        frame_size: pixels.

    Raises:
        ValueError: frame_size is below 1.
        ImportError: vizdoom is not installed.
    """
    return TakeCover(frame_size=frame_size)
