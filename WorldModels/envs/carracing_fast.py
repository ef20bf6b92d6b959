"""The 64x64 frame of CarRacing-v3 drawn directly, close to the official one; knows nothing of physics or rewards.

The official picture is 1000x800 pixels, shrunk to 96x96, cropped to its upper 84 rows and resized to 64x64 by area.
Here the same polygons are drawn on a canvas of (96 k) x (84 k) pixels, shrunk to 96x84, and resized alike.
"""

import math

import numpy as np
import pygame
from gymnasium.envs.box2d.car_dynamics import (
    HULL_POLY1,
    HULL_POLY2,
    HULL_POLY3,
    HULL_POLY4,
    SIZE,
    WHEEL_R,
    WHEEL_W,
    WHEELPOS,
)
from gymnasium.envs.box2d.car_racing import FPS, GRASS_DIM, PLAYFIELD, SCALE, ZOOM
from PIL import Image

FRAME_SIZE = 64
SUPERSAMPLING = 3
WIDTH, HEIGHT = 96 * SUPERSAMPLING, 84 * SUPERSAMPLING
SCALE_X, SCALE_Y = WIDTH / 1000, HEIGHT / 700  # canvas pixels per official pixel
CENTRE_X, CENTRE_Y = WIDTH / 2, 600 * SCALE_Y  # where the car is: official (500, 200) from below of 800
EXCESS = 0.5 * (1 / SCALE_X - 1)  # official pixels by which a filled polygon comes out too wide on this canvas, each side
MASKS = (0xFF, 0xFF00, 0xFF0000, 0)


def packed(color):
    """Colour of a canvas pixel that comes out as the official one, 2 darker for all but black: smoothscale rounds down."""
    r, g, b = (max(int(c) - LOSS, 0) for c in color)
    return r | g << 8 | b << 16


LOSS = 0 if SUPERSAMPLING in (2, 4) else 0
FULL_ZOOM = ZOOM * SCALE
GREY = np.array([packed((c, c, c)) for c in range(256)])
HULL = [np.array(p, float) * SIZE for p in (HULL_POLY1, HULL_POLY2, HULL_POLY3, HULL_POLY4)]


def outward(polygons):
    """Displacement of each vertex (N, 4, 2) that moves every edge of a quadrilateral outward by one unit."""
    edge = np.roll(polygons, -1, axis=1) - polygons
    normal = np.stack([edge[..., 1], -edge[..., 0]], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    area = np.sum(polygons[..., 0] * np.roll(polygons[..., 1], -1, 1) - polygons[..., 1] * np.roll(polygons[..., 0], -1, 1), 1)
    normal *= np.sign(area)[:, None, None]
    before = np.roll(normal, 1, axis=1)
    return (normal + before) / np.maximum(1 + np.sum(normal * before, -1, keepdims=True), 0.3)


class FastRenderer:
    def __init__(self):
        self.canvas = pygame.Surface((WIDTH, HEIGHT), 0, 32, MASKS)
        self.small = pygame.Surface((96, 84), 0, 32, MASKS)

    def new_track(self, env):
        grass = [
            [(x + GRASS_DIM, y), (x, y), (x, y + GRASS_DIM), (x + GRASS_DIM, y + GRASS_DIM)]
            for x in np.arange(-20, 20, 2) * GRASS_DIM
            for y in np.arange(-20, 20, 2) * GRASS_DIM
        ]
        tiles = env.road_poly
        self.vertices = np.array(grass + [p for p, _ in tiles], float)
        self.outward = outward(self.vertices)
        self.centres = self.vertices.mean(1)
        self.radii = np.linalg.norm(self.vertices - self.centres[:, None], axis=-1).max(1)
        self.num_grass = len(grass)
        self.colors = np.zeros((len(self.vertices), 3))
        self.colors[: len(grass)] = env.grass_color
        for row, (polygon, color) in zip(self.colors[len(grass):], tiles, strict=True):
            row[:] = color
        # tiles write their colour in place when touched: let them write into our rows
        rows = iter(range(len(tiles)))
        new = []
        tile = iter(env.road)
        for i, (polygon, color) in enumerate(tiles):
            if isinstance(color, np.ndarray):
                t = next(tile)
                t.color = self.colors[len(grass) + i]
                new.append((polygon, t.color))
            else:
                new.append((polygon, color))
        env.road_poly = new
        self.full = self.vertices - self.outward * EXCESS / FULL_ZOOM
        self.background = packed(env.bg_color)

    def draw(self, env):
        hull = env.car.hull
        zoom = 0.1 * SCALE * max(1 - env.t, 0) + FULL_ZOOM * min(env.t, 1)
        x, y = hull.position
        angle = -hull.angle
        c, s = math.cos(angle), math.sin(angle)
        to_canvas = np.array([[c * zoom * SCALE_X, -s * zoom * SCALE_Y], [-s * zoom * SCALE_X, -c * zoom * SCALE_Y]])
        offset = np.array([CENTRE_X, CENTRE_Y]) - np.array([x, y]) @ to_canvas
        canvas = self.canvas
        if max(abs(x), abs(y)) * zoom < PLAYFIELD * zoom - 800:
            canvas.fill(self.background)
        else:
            canvas.fill(0)
            field = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * PLAYFIELD
            pygame.draw.polygon(canvas, self.background, (field @ to_canvas + offset).tolist())
        px, py = (self.centres @ to_canvas + offset).T
        margin = self.radii * (zoom * SCALE_X)
        seen = np.flatnonzero((px > -margin) & (px < WIDTH + margin) & (py > -margin) & (py < HEIGHT + margin))
        if zoom == FULL_ZOOM:
            vertices = self.full[seen]
        else:
            vertices = self.vertices[seen] - self.outward[seen] * (EXCESS / zoom)
        points = (vertices.reshape(-1, 2) @ to_canvas + offset).reshape(-1, 4, 2).tolist()
        colors = self.colors[seen].astype(np.int64) @ np.array([1, 256, 65536])
        draw = pygame.draw.polygon
        for color, polygon in zip(colors.tolist(), points, strict=True):
            draw(canvas, color, polygon)
        self._draw_car(env.car, zoom)
        pygame.transform.smoothscale(canvas, (96, 84), self.small)
        im = Image.frombuffer("RGBX", (96, 84), self.small.get_buffer().raw, "raw", "RGBX", 0, 1)
        return np.asarray(im.resize((64, 64), Image.BOX))[..., :3].copy()

    def _draw_car(self, car, zoom):
        zx, zy = zoom * SCALE_X, zoom * SCALE_Y
        base = car.hull.angle

        def put(points, color):
            pygame.draw.polygon(self.canvas, color, [(CENTRE_X + px * zx, CENTRE_Y - py * zy) for px, py in points])

        e = EXCESS / zoom
        for (wx, wy), wheel in zip(WHEELPOS, car.wheels, strict=True):
            a = wheel.angle - base
            c, s = math.cos(a), math.sin(a)
            wx, wy = wx * SIZE, wy * SIZE
            w, r = WHEEL_W * SIZE - e, WHEEL_R * SIZE - e

            def quad(lo, hi):
                return [(wx + c * px - s * py, wy + s * px + c * py) for px, py in ((-w, lo), (w, lo), (w, hi), (-w, hi))]

            put(quad(r, -r), 0)
            a1, a2 = wheel.phase, wheel.phase + 1.2
            s1, s2, c1, c2 = math.sin(a1), math.sin(a2), math.cos(a1), math.cos(a2)
            if s1 > 0 and s2 > 0:
                continue
            if s1 > 0:
                c1 = math.copysign(1, c1)
            if s2 > 0:
                c2 = math.copysign(1, c2)
            put(quad(r * c1, r * c2), packed((77, 77, 77)))
        for p in HULL:
            put(p, packed((204, 0, 0)))
