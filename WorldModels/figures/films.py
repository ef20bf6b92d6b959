"""Films with words and curves: the reward so far, a dashboard, V's epochs, views of a game."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from WorldModels.figures.frames import as_uint8, enlarge
from WorldModels.figures.style import BLUE, GREEN, ORANGE, VERMILION
from WorldModels.figures.videos import GAP, LABEL_HEIGHT, side_by_side

PLOT_HEIGHT = 90  # pixels of a dashboard's curve
INK, PAPER = (235, 235, 235), "#181a1e"
PENS = (ORANGE, VERMILION, GREEN, BLUE)


def running_reward(
    clips: Mapping[str, Sequence[np.ndarray]], rewards: Sequence[float], scale: int = 4
) -> Iterator[np.ndarray]:
    """Clips of a game or a dream side by side, with the reward so far above.

    Args:
        clips: name to frames (T+1, H, W, 3); the shortest ends the film.
        rewards: (T,) received for each step.
        scale: each pixel becomes scale x scale.

    Yields:
        (H', W', 3) uint8 frames of even height and width.
    """
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(rewards, np.float64))])
    for step, film in enumerate(side_by_side(dict(clips), scale)):
        so_far = sums[min(step, len(sums) - 1)]
        words = _words(f"step {step}   reward so far {so_far:.1f}", film.shape[1])
        yield np.concatenate([words, film])


def dashboard(
    frames: np.ndarray,
    rebuilt: np.ndarray,
    predicted: np.ndarray,
    rewards: Sequence[float],
    losses: Mapping[str, Sequence[float]],
    scale: int = 3,
) -> Iterator[np.ndarray]:
    """A game beside V's reconstruction and M's prediction, over the losses and the reward so far.

    Args:
        frames: (T+1, H, W, 3) uint8.
        rebuilt: as many, V's reconstructions.
        predicted: as many, M's prediction of each from the step before; the first is a filler, as
            nothing predicts it.
        rewards: (T,).
        losses: name to (T+1,) numbers, a curve each.
        scale: each pixel becomes scale x scale.

    Yields:
        (H', W', 3) uint8 frames of even height and width.
    """
    clips = {"frame": frames, "V": rebuilt, "M predicted": predicted}
    curves = dict(losses) | {"reward so far": np.concatenate([[0.0], np.cumsum(rewards)])}
    for step, film in enumerate(running_reward(clips, rewards, scale)):
        plots = [
            _plot(name, np.asarray(values, float), step, film.shape[1], colour)
            for (name, values), colour in zip(curves.items(), PENS * 2, strict=False)
        ]
        yield np.concatenate([film, *plots])


def epochs_film(
    pictures: Sequence[np.ndarray], counted: str = "epochs of V"
) -> Iterator[np.ndarray]:
    """How V learned: a picture after each epoch, with the number of epochs above it.

    Args:
        pictures: (H, W, 3) uint8 each, all of one size.
        counted: what is counted.
    """
    for number, picture in enumerate(pictures, start=1):
        words = _words(f"{counted}: {number}", picture.shape[1])
        yield np.concatenate([words, as_uint8(picture)])


def three_views(
    rendered: Iterable[np.ndarray],
    seen: np.ndarray,
    decoded: np.ndarray,
    rewards: Sequence[float] = (),
    height: int = 320,
) -> Iterator[np.ndarray]:
    """A game as people see it, as V sees it, and as V reconstructs it.

    Args:
        rendered: (H, W, 3) uint8 each, as the environment renders it for people.
        seen: (T+1, h, w, 3), what V is given.
        decoded: as many, V's reconstructions.
        rewards: (T+1,) received up to the first frame, and for each step; if given, the first title
            shows the reward so far.
        height: pixels of each view, or a little less: what V sees is enlarged by an integer.

    Yields:
        (H', W', 3) uint8 frames of even height and width.
    """
    small, sums = np.shape(seen)[1:3], np.cumsum(np.asarray(rewards, np.float64))
    scale = max(1, height // small[0])
    for step, (view, *others) in enumerate(zip(rendered, seen, decoded, strict=False)):
        so_far = f", reward so far {sums[min(step, len(sums) - 1)]:.0f}" if len(sums) else ""
        names = f"the game{so_far}", f"what V sees, {small[1]}x{small[0]}", "V's reconstruction"
        large = [_as_high(view, scale * small[0])]
        large += [enlarge(as_uint8(frame), scale) for frame in others]
        yield _titled(names, large)


def _as_high(view: np.ndarray, height: int) -> np.ndarray:
    """A picture resized to a height, its proportions kept."""
    size = round(view.shape[1] * height / view.shape[0]), height
    return np.asarray(Image.fromarray(view).resize(size, Image.Resampling.BOX))


def _titled(names: Sequence[str], pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Three pictures side by side, each with its name above."""
    first, second, third = (
        np.concatenate([_words(name, picture.shape[1]), picture])
        for name, picture in zip(names, pictures, strict=True)
    )
    gap = np.zeros((first.shape[0], GAP, 3), np.uint8)
    return _even(np.concatenate([first, gap, second, gap, third], axis=1))


def _words(text: str, width: int) -> np.ndarray:
    """A black strip, `width` pixels wide, with centred text."""
    picture = Image.new("RGB", (width, LABEL_HEIGHT))
    middle, font = (width // 2, LABEL_HEIGHT // 2), ImageFont.load_default(14)
    ImageDraw.Draw(picture).text(middle, text, fill=INK, font=font, anchor="mm")
    return np.asarray(picture)


def _plot(name: str, values: np.ndarray, step: int, width: int, colour: str) -> np.ndarray:
    """A curve up to a step, with its name and its value there; the axes span the full curve."""
    picture = Image.new("RGB", (width, PLOT_HEIGHT), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    low, high = min(0.0, float(np.nanmin(values))), max(float(np.nanmax(values)), 1e-9)
    across = np.arange(step + 1) * (width - 1) / max(len(values) - 1, 1)
    share = (np.nan_to_num(values[: step + 1]) - low) / max(high - low, 1e-9)
    up = PLOT_HEIGHT - 4 - share * (PLOT_HEIGHT - 26)
    points = list(zip(across.tolist(), up.tolist(), strict=False))
    if len(points) > 1:
        draw.line(points, fill=colour, width=2)
    draw.text((6, 3), f"{name}: {values[min(step, len(values) - 1)]:.1f}", fill=INK, font=font)
    return np.asarray(picture)


def _even(frame: np.ndarray) -> np.ndarray:
    """The frame with one more black row or column where a side is odd."""
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)))
