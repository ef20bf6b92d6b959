"""Writes films as MP4, GIF or PNGs: one clip, or several side by side with their names."""

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from WorldModels.experiment.files import atomic
from WorldModels.figures.frames import as_uint8, enlarge

GIF_BYTES = 3_000_000  # a GIF that a README can show
FEWEST = 12  # frames that a GIF keeps, however large
LABEL_HEIGHT = 24  # pixels of the strip above the pictures
GAP = 8  # pixels between two pictures


def write_mp4(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write an H.264 video that every player and browser can play.

    Args:
        path: of the .mp4; complete or absent.
        frames: (H, W, 3) uint8 each, all of one size; an odd last row or column is cut off, as
            yuv420p needs even sizes.
        fps: frames a second.

    Raises:
        ValueError: there are no frames.
    """
    first, frames = _checked(frames, path)
    height, width = (n - n % 2 for n in first.shape[:2])
    # veryfast: half the time of the default, and no larger with pictures this flat
    options = {"preset": "veryfast", "crf": "20"}
    with atomic(path) as temporary, av.open(str(temporary), "w") as film:
        stream = film.add_stream("libx264", rate=round(fps), options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for frame in frames:
            whole = np.ascontiguousarray(frame[:height, :width])
            film.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
        film.mux(stream.encode())


def write_gif(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    fps: float,
    every: int = 2,
    most: int = GIF_BYTES,
) -> None:
    """Write a GIF that plays in real time and loops.

    Args:
        path: of the .gif; complete or absent.
        frames: (H, W, 3) uint8 each, all of one size.
        fps: frames a second of `frames`.
        every: show only every n-th frame; if the file is too large, fewer still, down to FEWEST.
        most: largest size of the file in bytes, unless FEWEST frames need more.

    Raises:
        ValueError: there are no frames.
    """
    frames = list(itertools.islice(_checked(frames, path)[1], 0, None, every))
    fps, colours, step = fps / every, palette(frames), 1
    with atomic(path) as temporary:
        while True:
            shown = frames[::step]
            _save_gif(temporary, shown, colours, step / fps)
            size = temporary.stat().st_size
            if size <= most or len(shown) <= FEWEST:
                return
            step = max(step + 1, math.ceil(step * size / most))


def _save_gif(path: Path, frames: list[np.ndarray], colours: Image.Image, seconds: float) -> None:
    """Write frames, each shown for `seconds`; the format counts in hundredths."""
    first, *rest = (
        Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE)
        for frame in frames
    )
    first.save(
        path,
        format="GIF",
        save_all=True,
        append_images=rest,
        loop=0,
        optimize=False,
        duration=max(20, round(100 * seconds) * 10),
    )


def palette(frames: list[np.ndarray], colours: int = 64) -> Image.Image:
    """A picture with one palette for an entire film.

    If each frame had its own, colours would flicker, and unchanged pixels could not be skipped.

    Args:
        frames: (H, W, 3) uint8 each.
        colours: how many, at most 256.
    """
    # Shades within 8 of 256 are merged and weighted by the fourth root of their pixel count: by the
    # count itself, grass and walls would take every entry, and the car and the fireballs none.
    sample = np.concatenate(frames[:: max(1, len(frames) // 16)]).reshape(-1, 3).astype(np.uint32)
    codes = (sample >> 3) @ np.array([1 << 10, 1 << 5, 1], np.uint32)
    _, shade, counts = np.unique(codes, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(shade, sample[:, channel]) for channel in range(3)], axis=-1)
    means = np.rint(sums / counts[:, None]).astype(np.uint8)
    pixels = means.repeat(np.ceil(counts**0.25).astype(int), axis=0)
    return Image.fromarray(pixels[None]).quantize(colours, method=Image.Quantize.MEDIANCUT)


def write_pngs(folder: str | os.PathLike, frames: Iterable[np.ndarray]) -> None:
    """Write each frame as NNNN.png, counted from 0000, into a folder that is complete or absent.

    Args:
        folder: replaced if it exists.
        frames: (H, W, 3) uint8 each.

    Raises:
        ValueError: there are no frames.
    """
    _, frames = _checked(frames, folder)
    with atomic(folder) as temporary:
        temporary.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(temporary / f"{number:04}.png")


def side_by_side(clips: dict[str, Sequence[np.ndarray]], scale: int = 4) -> Iterator[np.ndarray]:
    """Frames of several clips next to each other, each pixel a square, with the clip's name above.

    Args:
        clips: name to frames (T, H, W, 3), uint8, or float in 0..1; the shortest clip ends the
            film.
        scale: each pixel becomes scale x scale.

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


def _checked(
    frames: Iterable[np.ndarray], path: str | os.PathLike
) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The first frame, and an iterator over all of them."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{Path(path).name}: expected at least one frame, received none.")
    return first, itertools.chain([first], frames)
