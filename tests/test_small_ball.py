"""V sees a ball of 2x2 pixels in a picture that is otherwise still, by its default settings."""

import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from WorldModels import train_vision
from WorldModels.episodes.episode import Episode

SIZE, GROUND, BALL = 64, 40, 240
# A quarter of the laptop's filters and z, for a tenth of its frames: as quick as a test must be.
SMALL = (
    *("--vision.encoder-filters", "8", "16", "16", "32", "--vision.decoder-filters", "32", "16"),
    *("8", "--vision.latent-size", "8", "--vision.epochs", "6", "--vision.batch-size", "50"),
    *("--vision.learning-rate", "0.003", "--vision.warmup-steps", "20"),
)


class SmallBall(gymnasium.Env):
    """The ball flies straight and bounces off the edges; the action does nothing."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = Box(0, 255, (SIZE, SIZE, 3), np.uint8)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(0, SIZE - 2, 2)
        angle = self.np_random.uniform(0, 2 * np.pi)
        self.speed = self.np_random.uniform(1, 3) * np.array([np.cos(angle), np.sin(angle)])
        return self.render(), {}

    def step(self, action):
        self.place = self.place + self.speed
        out = (self.place < 0) | (self.place > SIZE - 2)
        self.speed = np.where(out, -self.speed, self.speed)
        self.place = np.clip(self.place, 0, SIZE - 2)
        return self.render(), 1.0, False, False, {}

    def render(self):
        frame = np.full((SIZE, SIZE, 3), GROUND, np.uint8)
        row, column = np.round(self.place).astype(int)
        frame[row : row + 2, column : column + 2] = BALL
        return frame


gymnasium.register("SmallBall-v0", entry_point=SmallBall)


def seen(seed, steps=200):
    """The frames (steps + 1, 64, 64, 3) of an episode."""
    env = gymnasium.make("SmallBall-v0")
    first = env.reset(seed=seed)[0]
    return np.stack([first, *(env.step(np.zeros(1))[0] for _ in range(steps))])


def places(frames):
    """Row and column (n, 2) of the ball's upper left pixel."""
    bright = (frames[..., 0] == BALL).reshape(len(frames), -1)
    return np.stack(np.divmod(bright.argmax(1), SIZE), axis=1).astype(np.float64)


def inputs(vision, frames):
    """1, z and the products of its numbers in pairs."""
    z = np.concatenate([np.asarray(vision.encode(part)[0]) for part in np.array_split(frames, 8)])
    pairs = itertools.combinations_with_replacement(range(z.shape[1]), 2)
    return np.column_stack([np.ones(len(z)), z, *(z[:, i] * z[:, j] for i, j in pairs)])


def position_error(vision, known, held_out):
    """The mean distance between the ball and the place that a regression on z gives, in pixels."""
    weights = np.linalg.lstsq(inputs(vision, known), places(known), rcond=None)[0]
    missed = inputs(vision, held_out) @ weights - places(held_out)
    return float(np.linalg.norm(missed, axis=1).mean())


@pytest.mark.slow
def test_v_of_an_unknown_game_finds_the_ball(tmp_path, monkeypatch):
    import keras

    monkeypatch.setattr("WorldModels.export.files.unavailable", lambda: "not exported")
    episodes = [seen(number) for number in range(10)]
    for number, frames in enumerate(episodes):
        steps = len(frames) - 1
        episode = (frames, np.zeros((steps, 1)), np.ones(steps), False, True, number, "none")
        (tmp_path / "0/episodes").mkdir(parents=True, exist_ok=True)
        Episode(*episode).save(tmp_path / f"0/episodes/{number:06}.npz")
    words = ["carracing", "--results", str(tmp_path), "--env.id", "SmallBall-v0", *SMALL]
    train_vision.main(words)
    vision = keras.saving.load_model(tmp_path / "0/vision.keras", compile=False)
    held_out = np.concatenate([seen(100), seen(101)])
    assert position_error(vision, np.concatenate(episodes), held_out) <= 4
    rows = (tmp_path / "0/vision.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert float(last["val_latents_in_use"]) >= 2
