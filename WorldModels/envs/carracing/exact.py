"""The official 96x96 picture of CarRacing-v3, bit for bit, drawn without the wasted work.

Every vertex comes from the official formulas, with the same float64 operations in the same order,
and every polygon that can be visible is drawn by the official calls. We skip polygons that are
entirely outside the picture, do not open the font file or make new surfaces at every step, and do
not flip the big picture: the smooth scaling shrinks first the width and then the height, and we
flip in between.
"""

import numpy as np
import pygame
from gymnasium.envs.box2d import car_racing
from gymnasium.envs.box2d.car_racing import PLAYFIELD, STATE_H, STATE_W, WINDOW_H, WINDOW_W
from pygame import gfxdraw

from WorldModels.envs.carracing.scene import (
    Scene,
    flat_pixels,
    new_surface,
    packed_pixels,
    unpacked,
    zoom_at,
)

BAR = WINDOW_H // 8  # rows of the status bar, black from row 700 on
TALLEST = 3.9  # an indicator of up to 4 units stays inside the bar
DIAGONAL = 820  # official pixels from the car to the farthest corner, rounded up


class ExactRenderer:
    """Draws what gymnasium's CarRacing draws for `state_pixels`: uint8 (96, 96, 3)."""

    def __init__(self):
        pygame.font.init()
        self.font = pygame.font.Font(pygame.font.get_default_font(), 42)
        self.score, self.text = None, None
        self.canvas = new_surface(WINDOW_W, WINDOW_H)  # upside down, as gymnasium draws it
        self.window = new_surface(WINDOW_W, WINDOW_H)  # upright, only for the status bar
        self.narrow = new_surface(STATE_W, WINDOW_H)
        self.frame = new_surface(STATE_W, STATE_H)

    def new_track(self, env):
        """Prepare to draw the track that `env` has just made."""
        self.scene = Scene(env)
        self.background = flat_pixels(env.bg_color, WINDOW_W, WINDOW_H - BAR)

    def draw(self, env):
        """The current frame, uint8 (96, 96, 3)."""
        speed = 0.02 * env.car.hull.linearVelocity.length
        if max(speed, *(0.01 * wheel.omega for wheel in env.car.wheels)) > TALLEST:
            # An indicator sticks out of the status bar.
            return car_racing.CarRacing._render(env, "state_pixels")
        self._draw_world(env)
        self._draw_bar(env)
        shrink = pygame.transform.smoothscale
        top = shrink(
            self.canvas.subsurface((0, BAR, WINDOW_W, WINDOW_H - BAR)), (STATE_W, WINDOW_H - BAR)
        )
        self.narrow.blit(pygame.transform.flip(top, False, True), (0, 0))
        bar = self.window.subsurface((0, WINDOW_H - BAR, WINDOW_W, BAR))
        self.narrow.blit(shrink(bar, (STATE_W, BAR)), (0, WINDOW_H - BAR))
        shrink(self.narrow, (STATE_W, STATE_H), self.frame)
        return unpacked(packed_pixels(self.frame))

    def _draw_world(self, env):
        hull = env.car.hull
        angle, zoom = -hull.angle, zoom_at(env.t)
        scroll = pygame.math.Vector2(
            (-hull.position[0] * zoom, -hull.position[1] * zoom)
        ).rotate_rad(angle)
        translation = (WINDOW_W / 2 + scroll[0], WINDOW_H / 4 + scroll[1])
        env.surf = self.canvas
        if (max(abs(hull.position[0]), abs(hull.position[1])) - PLAYFIELD) * zoom < -DIAGONAL:
            self.canvas.get_buffer().write(self.background, BAR * self.canvas.get_pitch())
        else:
            self.canvas.fill(0)
            corners = [
                (PLAYFIELD, PLAYFIELD),
                (PLAYFIELD, -PLAYFIELD),
                (-PLAYFIELD, -PLAYFIELD),
                (-PLAYFIELD, PLAYFIELD),
            ]
            env._draw_colored_polygon(
                self.canvas, corners, env.bg_color, zoom, translation, angle, clip=False
            )
        for polygon, color in zip(*self._visible(angle, zoom, translation), strict=True):
            gfxdraw.aapolygon(self.canvas, polygon, color)
            gfxdraw.filled_polygon(self.canvas, polygon, color)
        env.car.draw(self.canvas, zoom, translation, angle, False)

    def _visible(self, angle, zoom, translation):
        """Polygons that may touch the picture, and their colours, as lists.

        A polygon is a list of 4 pairs (x, y) of integers, in official pixels.
        """
        scene = self.scene
        # Pygame's own cosine and sine, with its special case of right angles
        cos, sin = pygame.math.Vector2(1, 0).rotate_rad(angle)
        x, y = scene.centres.T
        centre_x = (cos * x - sin * y) * zoom + (translation[0] - WINDOW_W / 2)
        centre_y = (sin * x + cos * y) * zoom + (translation[1] - WINDOW_H / 2)
        seen = scene.near(centre_x, centre_y, (WINDOW_W / 2 + 2, WINDOW_H / 2 + 2), (zoom, zoom))
        x, y = scene.vertices[seen].transpose(2, 0, 1)
        # Assigning to integers rounds towards zero, as pygame does
        points = np.empty((len(seen), 4, 2), np.int64)
        points[..., 0] = (cos * x - sin * y) * zoom + translation[0]
        points[..., 1] = (sin * x + cos * y) * zoom + translation[1]
        return points.tolist(), scene.colors[seen].astype(np.int64).tolist()

    def _draw_bar(self, env):
        env.surf = self.window
        env._render_indicators(WINDOW_W, WINDOW_H)
        score = f"{env.reward:04.0f}"
        if score != self.score:
            self.score, self.text = score, self.font.render(score, True, (255, 255, 255), (0, 0, 0))
        box = self.text.get_rect()
        box.center = (60, WINDOW_H - WINDOW_H * 2.5 / 40.0)
        self.window.blit(self.text, box)
