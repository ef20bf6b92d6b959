"""A ball of 2x2 bright pixels that bounces on a dark ground: a thousandth of what V sees."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box

GROUND, BALL, SIDE, SIZE, FASTEST = 40, 240, 2, 64, 3.0


class Ball(gymnasium.Env):
    """Actions push it; it is never faster than FASTEST pixels a step."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = Box(0, 255, (SIZE, SIZE, 3), np.uint8)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(0, SIZE - SIDE, 2)
        self.speed = self.np_random.normal(0, 2, 2)
        return self.render(), {}

    def step(self, action):
        self.speed += 0.3 * np.asarray(action, np.float64)
        self.speed *= min(1.0, FASTEST / np.linalg.norm(self.speed))
        self.place += self.speed
        outside = (self.place < 0) | (self.place > SIZE - SIDE)
        self.speed[outside] *= -1
        self.place = np.clip(self.place, 0, SIZE - SIDE)
        return self.render(), 0.0, False, False, {}

    def render(self):
        frame = np.full((SIZE, SIZE, 3), GROUND, np.uint8)
        across, down = self.place.astype(int)
        frame[down : down + SIDE, across : across + SIDE] = BALL
        return frame


gymnasium.register("SmallBall-v0", Ball)


def places(frames):
    """Where the ball is in frames (n, 64, 64, 3): the pixels (n, 2) of its upper left corner."""
    seen = frames[..., 0] == BALL
    return np.stack([seen.any(axis).argmax(1) for axis in (1, 2)], axis=1).astype(float)


def regression_error(z, where, new_z, new_where, ridge=1e-6):
    """Mean error in pixels, across and down, of places (n, 2) predicted from z (n, Z).

    A ridge regression on z and its products in pairs, all standardized, fit on the first two and
    tested on the others.
    """
    first, second = np.triu_indices(z.shape[1])
    terms, new_terms = (
        np.concatenate([x, x[:, first] * x[:, second]], axis=1).astype(np.float64)
        for x in (z, new_z)
    )
    middle, spread = terms.mean(0), terms.std(0) + 1e-9
    terms, new_terms = (terms - middle) / spread, (new_terms - middle) / spread
    square = terms.T @ terms + ridge * len(terms) * np.eye(terms.shape[1])
    weights = np.linalg.solve(square, terms.T @ (where - where.mean(0)))
    return np.abs(new_terms @ weights + where.mean(0) - new_where).mean()
