"""CarRacing-v3 with its picture drawn several times faster.

Tracks, physics, rewards and terminations are gymnasium's own code, called unchanged; only the
picture is ours. There are three renderers: `official` (gymnasium's), `exact` (the same picture bit
for bit) and `fast` (the 64x64 frame of the 84 rows above the status bar, drawn directly).
"""

import os

import numpy as np

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import gymnasium  # noqa: E402
from gymnasium import spaces  # noqa: E402
from gymnasium.envs.box2d import car_racing  # noqa: E402
from gymnasium.utils import EzPickle  # noqa: E402

from WorldModels.envs.carracing.exact import ExactRenderer  # noqa: E402
from WorldModels.envs.carracing.fast import FRAME_SIZE, FastRenderer  # noqa: E402
from WorldModels.envs.wrappers import CropFrame, DriveAction, ResizeFrame  # noqa: E402
from WorldModels.interfaces import REWARD_SCALE  # noqa: E402

RENDERERS = {"fast": FastRenderer, "exact": ExactRenderer, "official": None}
LAP_RULES = {"0.95": 0.95, "1.0": 1.0}  # the rules of v3 and of v0
TRACK_REWARD = 1000.0  # for all tiles together (gymnasium's FrictionDetector)
ROAD_ROWS = 84  # rows of CarRacing's 96 above its status bar


class CarRacing(car_racing.CarRacing):
    """CarRacing-v3 with a choice of renderer and lap rule, and a start anywhere on the track.

    Observation: uint8, (64, 64, 3) with `fast` (rows 0..83 of the official frame, area-resized),
    else (96, 96, 3).
    Action: float32 (3,): steer in -1..1, gas in 0..1, brake in 0..1, as in gymnasium.
    info: `lap_095` (the 0.95 rule has fired, even when it is not the rule in force), `on_road` (a
    wheel is on a tile), `tile_count` (tiles visited), gymnasium's `lap_finished` at the end, and
    from reset `reward_scale`, what a tile is worth.

    Args:
        renderer: "fast", "exact" or "official".
        lap_complete: 1.0 ends the episode when every tile is visited (the rule of v0); 0.95 also
            when tile 0 is visited for the first time after 95% of the tiles (gymnasium's rule for
            v3). A car that starts on the line visits tile 0 at once, so both rules agree for it.
        random_start: the car starts on a random tile, drawn after the track (a seed gives the same
            track with and without it), and the zoom-in of the first second is skipped.

    Raises:
        ValueError: the renderer or the lap rule is unknown.
    """

    def __init__(self, *, renderer="fast", lap_complete=0.95, random_start=False):
        if renderer not in RENDERERS:
            raise ValueError(
                f"renderer: expected one of {', '.join(RENDERERS)}, received {renderer!r}."
            )
        if lap_complete not in LAP_RULES.values():
            raise ValueError(
                "lap_complete: expected 0.95 (rule of v3) or 1.0 (rule of v0), "
                f"received {lap_complete!r}."
            )
        self.lap_complete, self.random_start = lap_complete, random_start
        # gymnasium's contact listener always applies the 0.95 rule; new_lap below decides whether
        # it counts.
        super().__init__(render_mode="rgb_array", lap_complete_percent=0.95)
        EzPickle.__init__(
            self, renderer=renderer, lap_complete=lap_complete, random_start=random_start
        )
        self.renderer = RENDERERS[renderer]() if RENDERERS[renderer] else None
        if renderer == "fast":
            self.observation_space = spaces.Box(0, 255, (FRAME_SIZE, FRAME_SIZE, 3), np.uint8)

    @property
    def new_lap(self):
        """Whether the 0.95 rule ends this episode.

        gymnasium sets it on contact with a tile and reads it in step.
        """
        return self.lap_095 and self.lap_complete < 1.0

    @new_lap.setter
    def new_lap(self, value):
        self.lap_095 = value

    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed, options=options)
        return observation, self._facts() | {REWARD_SCALE: TRACK_REWARD / len(self.track)}

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated, info | self._facts()

    def _facts(self):
        return {
            "lap_095": self.lap_095 or self.tile_visited_count == len(self.track),
            "on_road": any(wheel.tiles for wheel in self.car.wheels),
            "tile_count": self.tile_visited_count,
        }

    def _create_track(self):
        if not super()._create_track():
            return False
        if self.random_start:
            start = int(self.np_random.integers(len(self.track)))
            # reset() puts the car on the first tile of the list
            self.track = self.track[start:] + self.track[:start]
            self.t = 1.0
        if self.renderer:
            self.renderer.new_track(self)
        return True

    def _render(self, mode):
        if mode == "state_pixels" and self.renderer:
            return self.renderer.draw(self)
        return super()._render(mode)


def make(
    *,
    renderer: str = "fast",
    lap_complete: float | str = 0.95,
    frame_size: int = 64,
    random_start: bool = False,
) -> gymnasium.Env:
    """CarRacing as V sees it: frames of 64 pixels (the 84 rows above the status bar) or 96 (all).

    Args:
        renderer: see CarRacing; with 96 pixels "fast" means "exact".
        lap_complete: 0.95 or 1.0, see CarRacing.
        frame_size: 64 or 96 pixels.
        random_start: start anywhere on the track.

    Raises:
        ValueError: a value is unknown.
    """
    if frame_size not in (64, 96):
        raise ValueError(
            "frame_size: expected 64 (cropped) or 96 (uncropped) for CarRacing, "
            f"received {frame_size!r}."
        )
    if frame_size == 96 and renderer == "fast":
        renderer = "exact"
    rule = LAP_RULES.get(str(lap_complete), lap_complete)
    env = CarRacing(renderer=renderer, lap_complete=rule, random_start=random_start)
    if frame_size == 64 and renderer != "fast":
        env = ResizeFrame(CropFrame(env, ROAD_ROWS), frame_size)
    return DriveAction(env)
