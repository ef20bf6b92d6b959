"""Frames -> MP4, GIF, PNG, one clip or two side by side with their names. Knows no environment and
no network.
"""

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from WorldModels.experiment.files import atomic

GIF_BYTES = 3_000_000  # a GIF that a README can show
LABEL_HEIGHT = 24  # pixels of the strip above the pictures
GAP = 8  # pixels between two pictures


def write_mp4(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write an H.264 video that every player and browser shows.

    Args:
        path: of the .mp4; complete or absent.
        frames: (H, W, 3) uint8 each, all of one size; an odd last row or column is cut off, as
            yuv420p asks for even sizes.
        fps: frames a second.

    Raises:
        ValueError: there are no frames.
    """
    first, frames = _some(frames, path)
    height, width = (n - n % 2 for n in first.shape[:2])
    with atomic(path) as temporary, av.open(str(temporary), "w") as film:
        # veryfast: half the time of the default, and no larger with pictures this flat
        stream = film.add_stream(
            "libx264", rate=round(fps), options={"preset": "veryfast", "crf": "20"}
        )
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for frame in frames:
            film.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(
                        np.ascontiguousarray(frame[:height, :width]), format="rgb24"
                    )
                )
            )
        film.mux(stream.encode())


def write_gif(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    fps: float,
    every: int = 2,
    most: int = GIF_BYTES,
) -> None:
    """Write a GIF that plays in real time and loops, with as many of the frames as `most` bytes
    allow.

    Every `every`-th frame is shown; where that is too large, as many fewer as it takes, down to 12.

    Args:
        path: of the .gif; complete or absent.
        frames: (H, W, 3) uint8 each, all of one size.
        fps: frames a second of the sequence as it is given.
        every: show each n-th of them.
        most: bytes.

    Raises:
        ValueError: there are no frames.
    """
    frames, fps = list(itertools.islice(_some(frames, path)[1], 0, None, every)), fps / every
    colours, every = palette(frames), 1
    with atomic(path) as temporary:
        while True:
            shown = [
                Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE)
                for frame in frames[::every]
            ]
            # the format counts in hundredths of a second
            shown[0].save(
                temporary,
                format="GIF",
                save_all=True,
                append_images=shown[1:],
                loop=0,
                optimize=False,
                duration=max(20, round(100 * every / fps) * 10),
            )
            if temporary.stat().st_size <= most or len(shown) <= 12:
                return
            every = max(every + 1, math.ceil(every * temporary.stat().st_size / most))


def palette(frames: list[np.ndarray], colours: int = 64) -> Image.Image:
    """A picture with the palette of a whole film: colours chosen frame by frame flicker, and
    unchanged pixels could not be skipped.

    Args:
        frames: (H, W, 3) uint8 each.
        colours: how many, at most 256.
    """
    # Shades within 8 of 256 are one, and count by the fourth root of their pixels: by their number
    # the grass and the walls would
    # take every entry, and the car and the fireballs none.
    sample = np.concatenate(frames[:: max(1, len(frames) // 16)]).reshape(-1, 3).astype(np.uint32)
    _, shade, counts = np.unique(
        (sample >> 3) @ np.array([1 << 10, 1 << 5, 1], np.uint32),
        return_inverse=True,
        return_counts=True,
    )
    means = (
        np.stack([np.bincount(shade, sample[:, channel]) for channel in range(3)], axis=-1)
        / counts[:, None]
    )
    pixels = np.rint(means).astype(np.uint8).repeat(np.ceil(counts**0.25).astype(int), axis=0)
    return Image.fromarray(pixels[None]).quantize(colours, method=Image.Quantize.MEDIANCUT)


def write_pngs(folder: str | os.PathLike, frames: Iterable[np.ndarray]) -> None:
    """Write each frame as NNNN.png, counted from 0000, into a folder that is complete or absent.

    Args:
        folder: takes the place of one that is there.
        frames: (H, W, 3) uint8 each.

    Raises:
        ValueError: there are no frames.
    """
    _, frames = _some(frames, folder)
    with atomic(folder) as temporary:
        temporary.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(temporary / f"{number:04}.png")


def side_by_side(clips: dict[str, Sequence[np.ndarray]], scale: int = 4) -> Iterator[np.ndarray]:
    """Frames of several clips next to each other, each pixel a square, with the clip's name above.

    Args:
        clips: name to frames (T, H, W, 3), uint8, or float in 0..1; the shortest clip ends the
            film.
        scale: pixels a pixel.

    Yields:
        (H', W', 3) uint8 frames of even height and width.
    """
    strip = None
    for frames in zip(*clips.values(), strict=False):
        pictures = [enlarge(as_uint8(frame), scale) for frame in frames]
        height, width = pictures[0].shape[:2]
        if strip is None:
            strip = _labels(list(clips), width)
        film = np.zeros((LABEL_HEIGHT + height + height % 2, strip.shape[1], 3), np.uint8)
        film[:LABEL_HEIGHT] = strip
        for number, picture in enumerate(pictures):
            left = number * (width + GAP)
            film[LABEL_HEIGHT : LABEL_HEIGHT + height, left : left + width] = picture
        yield film


def _labels(names: list[str], width: int) -> np.ndarray:
    total = len(names) * (width + GAP) - GAP
    picture = Image.new("RGB", (total + total % 2, LABEL_HEIGHT))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for number, name in enumerate(names):
        centre = (number * (width + GAP) + width // 2, LABEL_HEIGHT // 2)
        draw.text(centre, name, fill="white", font=font, anchor="mm")
    return np.asarray(picture)


def enlarge(frame: np.ndarray, scale: int) -> np.ndarray:
    """(H, W, 3) -> (H * scale, W * scale, 3): each pixel a square, nothing smoothed."""
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)


def as_uint8(frame: np.ndarray) -> np.ndarray:
    """A picture as uint8: float in 0..1 is scaled to 0..255 and rounded, uint8 is left as it is."""
    return (
        frame if frame.dtype == np.uint8 else np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)
    )


def _some(
    frames: Iterable[np.ndarray], path: str | os.PathLike
) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The first frame, and all of them."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{Path(path).name}: expected at least one frame, received none.")
    return first, itertools.chain([first], frames)
