"""A person's session in a world: what each key does, and what happens at each tick of the clock."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from PIL import Image

from WorldModels.playing.hands import ARROWS, Hands

FPS = 30  # ticks per second
CLIP_SECONDS = 10  # the last seconds, which `g` saves
MESSAGE_SECONDS = 6
CLIP_EVERY = 2  # a clip keeps every second step
CLIP_WIDTH = 320  # most pixels across a clip's picture; wider ones shrink to 1/2, 1/3 ...
TEMPERATURE_STEP = 0.05
Pictures = dict[str, np.ndarray]  # name -> (H, W, 3) uint8, shown side by side


class Session:
    """A world that a person plays in, one step per tick.

    Args:
        world: the environment.
        hands: the person's policy.
        look: (observation, info) -> the pictures to show.
        driver: the trained controller; None if there is none.
        no_driver: a line that says why there is no controller.
        temperature: the dream's, which the person may change; None if the world is not a dream.
        first_seed: the first episode's; each further one adds 1.
        save: writes a clip, a list of pictures at FPS / CLIP_EVERY per second; returns its file.

    Attributes:
        steps, return_: of the current episode.
        paused: whether the person has paused it.
        ended: a line that says how the episode ended; empty while it runs.
        trained: whether the controller drives.
        message: a line for the person, shown for a while.
        over: whether the person has quit.
    """

    def __init__(
        self,
        world: gymnasium.Env,
        hands: Hands,
        look: Callable[[Any, dict], Pictures],
        *,
        driver: Any = None,
        no_driver: str = "",
        temperature: float | None = None,
        first_seed: int = 0,
        save: Callable[[list[Pictures]], Path] | None = None,
    ):
        self.world, self.hands, self.driver, self.no_driver = world, hands, driver, no_driver
        self.temperature, self.save_clip, self._look = temperature, save, look
        self.first_seed = self.seed = first_seed
        self.paused = self.trained = self.over = False
        self.clip: deque[Pictures] = deque(maxlen=CLIP_SECONDS * FPS // CLIP_EVERY)
        self.say("")
        self.restart()

    @property
    def episode(self) -> int:
        """Number of the current track, game or dream, from 1."""
        return self.seed - self.first_seed + 1

    def press(self, key: str) -> None:
        """Handle a key going down: an arrow, one of KEYS, or any other key, which does nothing."""
        if key in ARROWS:
            self.hands.held.add(key)
        elif key in KEYS:
            KEYS[key](self)

    def release(self, key: str) -> None:
        """Handle a key going up."""
        self.hands.held.discard(key)

    def release_all(self) -> None:
        """Forget the held keys: a window without the focus does not learn when a key goes up."""
        self.hands.held.clear()

    def tick(self) -> None:
        """Advance by one tick."""
        self._left -= 1
        if self._left <= 0:
            self.message = ""
        if not (self.paused or self.ended):
            self._step()

    def say(self, line: str, seconds: float = MESSAGE_SECONDS) -> None:
        """Show a line for a while."""
        self.message, self._left = line, int(seconds * FPS)

    def restart(self) -> None:
        """Restart the same track, game or dream."""
        self.observation, info = self.world.reset(seed=self.seed)
        for policy in filter(None, (self.hands, self.driver)):
            policy.reset(self.seed)
        self.steps, self.return_, self.ended = 0, 0.0, ""
        self._set_temperature()
        self._show(info)

    def another(self) -> None:
        """Start the next track, game or dream."""
        self.seed += 1
        self.restart()

    def hand_over(self) -> None:
        """Hand over from the person to the controller, or back."""
        if self.driver is None:
            return self.say(self.no_driver, 2 * MESSAGE_SECONDS)
        self.trained = not self.trained

    def pause(self) -> None:
        """Pause, or continue."""
        self.paused = not self.paused

    def step_once(self) -> None:
        """Take one step while paused."""
        if not self.paused:
            return self.say("pause first (space), then press . for one step")
        if not self.ended:
            self._step()

    def warmer(self) -> None:
        """Raise the temperature of a dream."""
        self._change_temperature(TEMPERATURE_STEP)

    def cooler(self) -> None:
        """Lower the temperature of a dream."""
        self._change_temperature(-TEMPERATURE_STEP)

    def save(self) -> None:
        """Save the last CLIP_SECONDS as a clip."""
        try:
            file = self.save_clip(list(self.clip))
        except OSError as error:
            return self.say(
                f"not saved: {error.filename or 'file'}: {error.strerror or error}",
                2 * MESSAGE_SECONDS,
            )
        self.say(
            f"saved {len(self.clip) * CLIP_EVERY / FPS:.1f} seconds: {file}", 2 * MESSAGE_SECONDS
        )

    def quit(self) -> None:
        """Quit."""
        self.over = True

    def _step(self) -> None:
        driver = self.driver if self.trained else self.hands
        self.observation, reward, terminated, truncated, info = self.world.step(
            driver.act(self.observation)
        )
        self.steps, self.return_ = self.steps + 1, self.return_ + float(reward)
        if terminated or truncated:
            out_of_time = truncated and not terminated
            how = "out of time" if out_of_time else "episode over"
            how = "lap finished" if info.get("lap_finished") else how
            self.ended = f"{how} after {self.steps} steps: r to restart, n for the next"
        self._show(info)

    def _show(self, info: dict) -> None:
        self.pictures = self._look(self.observation, info)
        if self.steps % CLIP_EVERY == 0:
            self.clip.append({name: _small(picture) for name, picture in self.pictures.items()})

    def _change_temperature(self, difference: float) -> None:
        if self.temperature is None:
            return self.say("only a dream has a temperature: start with --world dream")
        self.temperature = max(TEMPERATURE_STEP, round(self.temperature + difference, 4))
        self._set_temperature()

    def _set_temperature(self) -> None:
        if self.temperature is not None:
            self.world.unwrapped.temperature = self.temperature


def _small(picture: np.ndarray) -> np.ndarray:
    factor = -(-picture.shape[1] // CLIP_WIDTH)
    return np.asarray(Image.fromarray(picture).reduce(factor)) if factor > 1 else picture


KEYS = {
    "m": Session.hand_over,
    "space": Session.pause,
    ".": Session.step_once,
    "[": Session.cooler,
    "]": Session.warmer,
    "r": Session.restart,
    "n": Session.another,
    "g": Session.save,
    "escape": Session.quit,
}
