"""The 64x64 frame of CarRacing-v3 drawn directly, close to the official one.

The official picture is 1000x800 pixels, shrunk to 96x96, cropped to its upper 84 rows and resized
to 64x64 by area. Here the same polygons are drawn on a canvas of three times 96x84 pixels, which is
then shrunk in the same way. A polygon covers every pixel that it touches, so on this coarse canvas
it comes out too wide by EXCESS on each side, and is drawn narrower by that much. The factor is
odd on purpose: smooth scaling then darkens flat colours by 2 levels, as in the official picture.
"""

import math

import numpy as np
import pygame
from gymnasium.envs.box2d import car_dynamics
from gymnasium.envs.box2d.car_racing import PLAYFIELD, STATE_W, WINDOW_H, WINDOW_W

from WorldModels.envs.carracing.scene import (
    FULL_ZOOM,
    Scene,
    flat_pixels,
    new_surface,
    packed_pixels,
    unpacked,
    zoom_at,
)

FRAME_SIZE = 64
ROWS = 84  # rows of the official 96 above its status bar
WIDTH, HEIGHT = 3 * STATE_W, 3 * ROWS
# Canvas pixels per official pixel
SCALE_X, SCALE_Y = WIDTH / WINDOW_W, HEIGHT / (WINDOW_H * ROWS / 96)
# Where the car is on the canvas: official pixel (500, 600) of 1000x800
CENTRE_X, CENTRE_Y = WIDTH / 2, 600 * SCALE_Y
FARTHEST = math.hypot(WINDOW_W / 2, 600)  # official pixels from the car to the farthest corner
EXCESS = 0.5 * (1 / math.sqrt(SCALE_X * SCALE_Y) - 1)  # official pixels
# Measured: the union of neighbouring tiles, each rounded outward, is wider than each of them.
ROAD_EXCESS = 1.5 * EXCESS
CHANNELS = np.array([1, 1 << 8, 1 << 16])  # weights of red, green, blue in a pixel of the canvas

HULL = [
    np.array(polygon) * car_dynamics.SIZE
    for polygon in (
        car_dynamics.HULL_POLY1,
        car_dynamics.HULL_POLY2,
        car_dynamics.HULL_POLY3,
        car_dynamics.HULL_POLY4,
    )
]
WHEELS = [(x * car_dynamics.SIZE, y * car_dynamics.SIZE) for x, y in car_dynamics.WHEELPOS]
WHEEL_HALF_WIDTH, WHEEL_RADIUS = (
    car_dynamics.WHEEL_W * car_dynamics.SIZE,
    car_dynamics.WHEEL_R * car_dynamics.SIZE,
)
FIELD = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * PLAYFIELD
RED, WHITE = 204, 77 * 0x010101  # the car's body, and the stripes of its wheels

# For each of the 64 rows, the first and last of the 84 that PIL's BOX filter averages into it: the
# one or two whose middle is inside it.
FIRST_ROW = (2 * ROWS * np.arange(FRAME_SIZE) + FRAME_SIZE) // (2 * FRAME_SIZE)
LAST_ROW = (2 * ROWS * np.arange(1, FRAME_SIZE + 1) - FRAME_SIZE) // (2 * FRAME_SIZE)


class FastRenderer:
    """Draws the frame V sees, uint8 (64, 64, 3).

    On average it differs from the official frame by at most 0.5 of 255.
    """

    def __init__(self):
        self.canvas = new_surface(WIDTH, HEIGHT)
        self.small = new_surface(STATE_W, ROWS)
        self.hull_zoom, self.hull = None, None

    def new_track(self, env):
        """Prepare to draw the track that `env` has just made."""
        self.scene = Scene(env)
        self.inward = road_inward(self.scene)
        self.vertices = self.scene.vertices + self.inward * (ROAD_EXCESS / FULL_ZOOM)
        self.background = flat_pixels(env.bg_color, WIDTH, HEIGHT)

    def draw(self, env):
        """The current frame, uint8 (64, 64, 3)."""
        zoom = zoom_at(env.t)
        self._draw_world(env, zoom)
        self._draw_car(env.car, zoom)
        pygame.transform.smoothscale(self.canvas, (STATE_W, ROWS), self.small)
        return unpacked(resized(packed_pixels(self.small)))

    def _draw_world(self, env, zoom):
        hull, scene, canvas, draw = env.car.hull, self.scene, self.canvas, pygame.draw.polygon
        x, y = hull.position
        cos, sin = math.cos(hull.angle) * zoom, math.sin(hull.angle) * zoom
        to_canvas = np.array([[cos * SCALE_X, sin * SCALE_Y], [sin * SCALE_X, -cos * SCALE_Y]])
        origin = np.array([CENTRE_X, CENTRE_Y]) - (x, y) @ to_canvas
        if max(abs(x), abs(y)) < PLAYFIELD - FARTHEST / zoom:
            canvas.get_buffer().write(self.background, 0)
        else:
            canvas.fill(0)
            draw(canvas, int(env.bg_color @ CHANNELS), (FIELD @ to_canvas + origin).tolist())
        x, y = (scene.centres @ to_canvas + (origin - (WIDTH / 2, HEIGHT / 2))).T
        seen = scene.near(x, y, (WIDTH / 2, HEIGHT / 2), (zoom * SCALE_X, zoom * SCALE_Y))
        vertices = (
            self.vertices[seen]
            if env.t >= 1
            else scene.vertices[seen] + self.inward[seen] * (ROAD_EXCESS / zoom)
        )
        points = (vertices.reshape(-1, 2) @ to_canvas + origin).reshape(-1, 4, 2).tolist()
        colors = (scene.colors[seen].astype(np.int64) @ CHANNELS).tolist()
        for color, polygon in zip(colors, points, strict=True):
            draw(canvas, color, polygon)

    def _draw_car(self, car, zoom):
        if zoom != self.hull_zoom:
            self.hull_zoom, self.hull = zoom, hull_points(zoom)
        half_width = max(WHEEL_HALF_WIDTH - EXCESS / zoom, 0.0)
        radius = max(WHEEL_RADIUS - EXCESS / zoom, 0.0)
        draw, zoom_x, zoom_y = pygame.draw.polygon, zoom * SCALE_X, zoom * SCALE_Y
        for (x, y), wheel in zip(WHEELS, car.wheels, strict=True):
            x, y = CENTRE_X + x * zoom_x, CENTRE_Y - y * zoom_y
            angle = wheel.angle - car.hull.angle
            cos, sin = math.cos(angle), math.sin(angle)
            across = (cos * half_width * zoom_x, -sin * half_width * zoom_y)
            along = (-sin * radius * zoom_x, -cos * radius * zoom_y)
            draw(self.canvas, 0, quadrilateral(x, y, across, along, 1.0, -1.0))
            stripe = stripe_ends(wheel.phase)
            if stripe:
                draw(self.canvas, WHITE, quadrilateral(x, y, across, along, *stripe))
        for polygon in self.hull:
            draw(self.canvas, RED, polygon)


def quadrilateral(x, y, across, along, front, back):
    """The four corners around (x, y): +-across from the points along * front and along * back."""
    front_x, front_y = x + along[0] * front, y + along[1] * front
    back_x, back_y = x + along[0] * back, y + along[1] * back
    return (
        (front_x - across[0], front_y - across[1]),
        (front_x + across[0], front_y + across[1]),
        (back_x + across[0], back_y + across[1]),
        (back_x - across[0], back_y - across[1]),
    )


def stripe_ends(phase):
    """Where the white stripe of a wheel turned by `phase` rad begins and ends, in wheel radii.

    None while the stripe is on the underside.
    """
    sin_1, sin_2 = math.sin(phase), math.sin(phase + 1.2)
    if sin_1 > 0 and sin_2 > 0:
        return None
    first, last = math.cos(phase), math.cos(phase + 1.2)
    if sin_1 > 0:
        first = math.copysign(1, first)
    if sin_2 > 0:
        last = math.copysign(1, last)
    return first, last


def hull_points(zoom):
    """The car's body on the canvas, where it never moves: four lists of (x, y)."""
    excess = EXCESS / zoom
    narrower = [
        polygon - np.clip(polygon - polygon.mean(axis=0), -excess, excess) for polygon in HULL
    ]
    return [
        (polygon * (zoom * SCALE_X, -zoom * SCALE_Y) + (CENTRE_X, CENTRE_Y)).tolist()
        for polygon in narrower
    ]


def road_inward(scene):
    """Unit vectors (N, 4, 2) along which corners move inward, across the road.

    They are zero for grass, and where a border meets the road. Tiles and borders list
    their corners as left, right, right, left; those of a border begin on the road's side.
    """
    inward = np.zeros_like(scene.vertices)
    road = scene.vertices[scene.num_grass :]
    for left, right in ((0, 1), (3, 2)):
        across = road[:, right] - road[:, left]
        # A border on a straight piece (its side is sign(0)) has no width.
        across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
        inward[scene.num_grass :, left] = across
        inward[scene.num_grass :, right] = -across
    inward[scene.is_border, 0] = inward[scene.is_border, 3] = 0.0
    return inward


def resized(packed):
    """Packed pixels (84, 96) as PIL's BOX filter would resize them to (64, 64), up to rounding."""
    thirds = mean_color(packed[FIRST_ROW], packed[LAST_ROW]).reshape(FRAME_SIZE, FRAME_SIZE // 2, 3)
    result = np.empty((FRAME_SIZE, FRAME_SIZE // 2, 2), np.uint32)
    result[..., 0] = mean_color(thirds[..., 0], thirds[..., 1])
    result[..., 1] = thirds[..., 2]
    return result.reshape(FRAME_SIZE, FRAME_SIZE)


def mean_color(a, b):
    """Mean of packed pixels, each channel rounded up, without carries between channels."""
    return (a | b) - (((a ^ b) >> 1) & 0x7F7F7F7F)
