"""What our two renderers of CarRacing share: the track as arrays, the zoom, and surfaces."""

import numpy as np
import pygame
from gymnasium.envs.box2d.car_racing import GRASS_DIM, SCALE, ZOOM

# Official pixels per unit of length, after the zoom-in of the first second.
FULL_ZOOM = ZOOM * SCALE


def grass_squares():
    """Corners of gymnasium's 400 lighter squares of grass: lists of 4 pairs, in units of length."""
    return [
        [
            (GRASS_DIM * x + GRASS_DIM, GRASS_DIM * y + 0),
            (GRASS_DIM * x + 0, GRASS_DIM * y + 0),
            (GRASS_DIM * x + 0, GRASS_DIM * y + GRASS_DIM),
            (GRASS_DIM * x + GRASS_DIM, GRASS_DIM * y + GRASS_DIM),
        ]
        for x in range(-20, 20, 2)
        for y in range(-20, 20, 2)
    ]


def zoom_at(t):
    """Official pixels per unit of length at time t in s, by gymnasium's formula."""
    return 0.1 * SCALE * max(1 - t, 0) + FULL_ZOOM * min(t, 1)


def new_surface(width, height):
    """A black surface whose pixels are stored as red, green, blue and one unused byte."""
    return pygame.Surface((width, height), 0, 32, (0xFF, 0xFF00, 0xFF0000, 0))


def flat_pixels(color, width, height):
    """Bytes of a surface of one colour, to be written over a surface's buffer.

    Surface.fill does the same but bypasses the processor's cache, so whatever is drawn next waits
    for memory: that costs 70 us for a frame of 288x252 pixels and 0.5 ms for one of 1000x700.
    """
    red, green, blue = (int(channel) for channel in color)
    return bytes((red, green, blue, 0)) * (width * height)


def packed_pixels(surface):
    """A copy of a surface's pixels: uint32 (H, W), red in the lowest byte."""
    return np.frombuffer(surface.get_buffer().raw, np.uint32).reshape(
        surface.get_height(), surface.get_width()
    )


def unpacked(pixels):
    """Packed pixels, uint32 (H, W), as a new frame: uint8 (H, W, 3)."""
    channels = pixels.view(np.uint8).reshape(*pixels.shape, 4)
    frame = np.empty((*pixels.shape, 3), np.uint8)
    for channel in range(3):  # three times as fast as one copy of [..., :3]
        frame[..., channel] = channels[..., channel]
    return frame


class Scene:
    """Grass, road tiles and borders of one track: N quadrilaterals.

    Attributes:
        vertices: (N, 4, 2) float64 in units of length.
        centres, radii: (N, 2) and (N,), of circles that enclose the polygons.
        colors: (N, 3) float64 in 0..255. A touched tile writes its new colour into its row, so the
            rows are always up to date.
        is_border: (N,) bool, the red and white borders in bends.
        num_grass: how many of the first rows are grass.
    """

    def __init__(self, env):
        grass = grass_squares()
        self.num_grass = len(grass)
        self.vertices = np.array(grass + [polygon for polygon, _ in env.road_poly], np.float64)
        self.centres = self.vertices.mean(axis=1)
        self.radii = np.linalg.norm(self.vertices - self.centres[:, None], axis=-1).max(axis=1)
        self.colors = np.empty((len(self.vertices), 3))
        self.colors[: self.num_grass] = env.grass_color
        self.is_border = np.zeros(len(self.vertices), bool)
        tiles = iter(env.road)
        for i, (polygon, color) in enumerate(env.road_poly):
            row = self.num_grass + i
            self.colors[row] = color
            self.is_border[row] = isinstance(color, tuple)
            if not self.is_border[row]:
                next(tiles).color = self.colors[row]
                env.road_poly[i] = (polygon, self.colors[row])

    def near(self, x, y, half_sides, scale):
        """Indices, in drawing order, of the polygons that may touch a rectangle.

        Args:
            x: (N,) pixels from the rectangle's middle to the polygons' centres, to the right.
            y: (N,) the same, downwards.
            half_sides: half the rectangle's width and height, in pixels.
            scale: pixels per unit of length along x and along y.
        """
        inside_x = np.abs(x) < half_sides[0] + self.radii * scale[0]
        return np.flatnonzero(inside_x & (np.abs(y) < half_sides[1] + self.radii * scale[1]))
