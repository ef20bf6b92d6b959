"""Pictures and films of a run in a notebook's page, and the few facts about the run that they need.

    show.figure(reconstruction_grid(frames, gather.rebuilt(run, frames)))
    show.film(side_by_side({"real": frames, "reconstructed": rebuilt}), show.fps(run))

A film is an animated PNG: every page that shows a notebook's pictures shows it, and a browser plays
it. Knows files and pictures, no
network.
"""

import base64
import io
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from WorldModels.assembly.showing import run as gather
from WorldModels.experiment.run import Run

FILM_BYTES = 180_000  # of a film: a notebook with four of them is still small
FEWEST = 12  # frames of a film
COLOURS = 256  # of a picture
DPI = 100
FPS = {"CarRacing-v3": 50, "TakeCover": 35}  # frames a second of the games
DOZEN = 12  # recorded episodes to choose one from
ACTIONS = {"CarRacing-v3": ("steer", "gas", "brake"), "TakeCover": ("move",)}  # of the games, by id


def figure(drawn: Any) -> None:
    """Put a figure, or a picture (H, W, 3) uint8, into the page."""
    display(png(drawn))


def film(
    frames: Iterable[np.ndarray], fps: float = 50, every: int = 4, most: int = FILM_BYTES
) -> None:
    """Put frames into the page as a film in real time; arguments as of `animated`."""
    display(animated(frames, fps, every, most))


def png(drawn: Any) -> bytes:
    """A figure, or a picture (H, W, 3) uint8, as a PNG of few colours; bytes are one already."""
    from PIL import Image

    if isinstance(drawn, bytes):
        return drawn
    if isinstance(drawn, np.ndarray):
        picture = Image.fromarray(drawn)
    else:
        written = io.BytesIO()
        drawn.savefig(written, format="png", dpi=DPI, facecolor="white")
        picture = Image.open(written).convert("RGB")
    written = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(written, format="PNG", optimize=True)
    return written.getvalue()


def animated(
    frames: Iterable[np.ndarray], fps: float = 50, every: int = 4, most: int = FILM_BYTES
) -> bytes:
    """A film in real time as an animated PNG, with as many of its frames as `most` bytes allow.

    Args:
        frames: (H, W, 3) uint8 each, all of one size.
        fps: frames a second of the sequence as it is given.
        every: show each n-th of them; where that is too large fewer, down to FEWEST.
        most: bytes.

    Raises:
        ValueError: there are no frames.
    """
    from PIL import Image

    from WorldModels.figures.videos import palette

    frames = list(itertools.islice(frames, 0, None, every))
    if not frames:
        raise ValueError("film: expected at least one frame, received none.")
    colours, step = palette(frames, COLOURS), 1
    while True:
        shown = [
            Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE)
            for frame in frames[::step]
        ]
        written = io.BytesIO()
        shown[0].save(
            written,
            format="PNG",
            save_all=True,
            append_images=shown[1:],
            duration=round(1000 * every * step / fps),
            loop=0,
        )
        if written.tell() <= most or len(shown) <= FEWEST:
            return written.getvalue()
        step += 1


def display(picture: bytes, widget: dict | None = None) -> None:
    """Put a PNG into the page, and where there is one the widget that takes its place while the
    page can be touched.
    """
    from IPython.display import display as into_the_page

    bundle = {
        "text/plain": f"picture, {len(picture) / 1000:.0f} kB",
        "image/png": base64.b64encode(picture).decode(),
    }
    into_the_page({**(widget or {}), **bundle}, raw=True)


def episode(run: Run, max_steps: int = 0) -> Any:
    """An Episode: a test game of the driver, or where there is no driver yet a recorded one; see
    `recorded`.

    Args:
        run: the open run.
        max_steps: 0: as the run's settings say.
    """
    try:
        found = gather.drive(run, max_steps=max_steps)
    except FileNotFoundError:
        return recorded(run)
    print(f"driven by C: {len(found)} steps, return {found.rewards.sum():.0f}")
    return found


def recorded(run: Run) -> Any:
    """The recorded Episode with the highest return, among a dozen that V and M were not trained on.

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.episode import Episode, list_episodes
    from WorldModels.episodes.frames import held_out

    training, validation = held_out(
        list_episodes(run.need("episodes", "record")), run.experiment.vision.validation_share
    )
    found = max(
        map(Episode.load, (validation or training)[:DOZEN]), key=lambda each: each.rewards.sum()
    )
    print(
        f"recorded: {len(found)} steps of the policy {found.policy}, return {found.rewards.sum():.0f}"
    )
    return found


def fps(run: Run) -> float:
    """Frames a second of a run's game."""
    return FPS.get(run.experiment.env.id, 50)


def solved(run: Run) -> float | None:
    """The return at which a run's game counts as solved, where there is one."""
    from WorldModels.assembly.evaluation.scorecard import SOLVED

    return SOLVED.get(run.experiment.env.id)


def actions(run: Run) -> tuple[str, ...]:
    """The names of what a driver does, in the order of its actions."""
    names = ACTIONS.get(run.experiment.env.id)
    return names or tuple(f"action {i}" for i in range(gather.weights(run)[0].shape[1]))


def kept_generations(run: Run) -> list[int]:
    """The generations whose mean was kept, the youngest first.

    Raises:
        FileNotFoundError: there are none.
    """
    return sorted(
        int(path.stem)
        for path in run.need("controller/generations", "train_controller").glob("*.npz")
    )


def summaries(report: dict) -> dict[str, dict]:
    """The scores of a test, a line for the driver under each rule of the game and one for each
    policy that does not look.

    Args:
        report: what evaluation.json holds.
    """
    driver = {
        "driver" if rule == "return" else f"driver, {rule}": scores
        for rule, scores in report["scores"].items()
    }
    return driver | {
        name: next(iter(scores.values())) for name, scores in report["baselines"].items()
    }


def returns(report: dict) -> dict[str, list[float]]:
    """The returns of a test: the driver's, and those of the random policy; arguments as of
    `summaries`.
    """
    found, random = summaries(report), next(iter(report["baselines"]))
    return {name: found[name]["tracks"] for name in (next(iter(found)), random)}


def dreamt(run: Run) -> dict:
    """What evaluation.json holds of a driver that has learned in a dream.

    Raises:
        FileNotFoundError: there is no test yet; the message has the command that makes it.
        ValueError: the driver has not learned in a dream.
    """
    report = gather.tested(run)
    if not report.get("curve"):
        raise ValueError(
            f"the driver of {run.folder} has not learned in a dream (--controller.world dream)."
        )
    return report


def settings(run: Run) -> None:
    """Print every setting of a run that differs from the published experiment, noun by noun."""
    import textwrap

    from WorldModels.assembly.showing.report.provenance import beside_published

    print(
        f"{run.experiment.name} at {run.experiment.scale} scale, seed {run.experiment.seed}. What differs from the published numbers:"
    )
    for noun, rows in itertools.groupby(beside_published(run), key=lambda row: row[0]):
        changed = [f"{name} {mine} ({theirs})" for _, name, mine, theirs in rows if mine != theirs]
        if changed:
            print(
                textwrap.fill(
                    ", ".join(changed),
                    110,
                    initial_indent=f"{noun:11} ",
                    subsequent_indent=" " * 12,
                )
            )
