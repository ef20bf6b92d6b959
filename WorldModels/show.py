"""Pictures and films of a run in a notebook's page, and the few facts about the run that they need.

    show.figure(reconstruction_grid(frames, gather.rebuilt(run, frames)))
    show.film(side_by_side({"real": frames, "reconstructed": rebuilt}), show.fps(run))

A film is an animated PNG: every page that shows a notebook's pictures shows it, and a browser plays it. Knows files and pictures, no
network.
"""

import base64
import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels import gather
from WorldModels.experiment.results import Run

FILM_BYTES = 260_000  # of a film: a notebook with four of them is still small
COLOURS = 256  # of a picture
ACTIONS = {"CarRacing-v3": ("steer", "gas", "brake"), "TakeCover": ("move",)}  # of the games, by id


def figure(drawn: Any) -> None:
    """Put a figure, or a picture (H, W, 3) uint8, into the page."""
    display(png(drawn))


def film(frames: Iterable[np.ndarray], fps: float = 50, every: int = 4, most: int = FILM_BYTES) -> None:
    """Put frames into the page as a film in real time; arguments as of figures.videos.write_gif."""
    display(animated(frames, fps, every, most))


def png(drawn: Any) -> bytes:
    """A figure, or a picture (H, W, 3) uint8, as a PNG of few colours; bytes are one already."""
    from PIL import Image

    from WorldModels.figures.style import DPI

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


def animated(frames: Iterable[np.ndarray], fps: float = 50, every: int = 4, most: int = FILM_BYTES) -> bytes:
    """A film as an animated PNG, of the frames and colours of the GIF that figures.videos.write_gif makes."""
    from PIL import Image, ImageSequence

    from WorldModels.figures.videos import write_gif

    with tempfile.TemporaryDirectory() as folder:
        path, written = Path(folder, "film.gif"), io.BytesIO()
        write_gif(path, frames, fps, every, most)
        with Image.open(path) as gif:
            palette, duration = gif.copy(), gif.info.get("duration", 0)
            shown = [frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for frame in ImageSequence.Iterator(gif)]
        shown[0].save(written, format="PNG", save_all=True, append_images=shown[1:], duration=duration, loop=0)
    return written.getvalue()


def display(picture: bytes, widget: dict | None = None) -> None:
    """Put a PNG into the page, and where there is one the widget that takes its place while the page can be touched."""
    from IPython.display import display as into_the_page

    bundle = {"text/plain": f"picture, {len(picture) / 1000:.0f} kB", "image/png": base64.b64encode(picture).decode()}
    into_the_page({**(widget or {}), **bundle}, raw=True)


def episode(run: Run, max_steps: int = 0) -> Any:
    """An Episode: a test game of the driver, or where there is no driver yet a recorded one; see `recorded`.

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
    """The longest recorded Episode that V was not trained on.

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.episode import Episode, list_episodes
    from WorldModels.episodes.frames import held_out

    training, validation = held_out(list_episodes(run.need("episodes", "record")), run.experiment.vision.validation_share)
    found = Episode.load(max(validation or training, key=lambda path: path.stat().st_size))
    print(f"recorded: {len(found)} steps of the policy {found.policy}, return {found.rewards.sum():.0f}")
    return found


def fps(run: Run) -> float:
    """Frames a second of a run's game."""
    from WorldModels.pictures import FPS

    return FPS.get(run.experiment.env.id, 50)


def solved(run: Run) -> float | None:
    """The return at which a run's game counts as solved, where there is one."""
    from WorldModels.evaluation.report import SOLVED

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
    return sorted(int(path.stem) for path in run.need("controller/generations", "train_controller").glob("*.npz"))


def summaries(report: dict) -> dict[str, dict]:
    """The scores of a test, a line for the driver under each rule of the game and one for each policy that does not look.

    Args:
        report: what evaluation.json holds.
    """
    driver = {"driver" if rule == "return" else f"driver, {rule}": scores for rule, scores in report["scores"].items()}
    return driver | {name: next(iter(scores.values())) for name, scores in report["baselines"].items()}


def returns(report: dict) -> dict[str, list[float]]:
    """The returns of a test: the driver's, and those of the random policy; arguments as of `summaries`."""
    found, random = summaries(report), next(iter(report["baselines"]))
    return {name: found[name]["tracks"] for name in (next(iter(found)), random)}


def dreamt(run: Run) -> dict:
    """What evaluation.json holds of a driver that has learned in a dream.

    Raises:
        FileNotFoundError: there is no test yet; the message has the command that makes it.
        ValueError: the driver has not learned in a dream.
    """
    from WorldModels.experiment.files import read_json

    report = read_json(run.need("evaluation.json", "evaluate"))
    if not report.get("curve"):
        raise ValueError(f"the driver of {run.folder} has not learned in a dream (--controller.world dream).")
    return report


def settings(run: Run) -> None:
    """Print every setting of a run that differs from the published experiment, noun by noun."""
    import dataclasses

    from WorldModels.experiment.presets import preset

    ours, paper = run.experiment, preset(run.experiment.name, "paper")
    print(f"{ours.name} at {ours.scale} scale, seed {ours.seed}. What differs from the published numbers:")
    for noun in dataclasses.fields(ours):
        mine, theirs = getattr(ours, noun.name), getattr(paper, noun.name)
        if dataclasses.is_dataclass(mine):
            changed = [f"{field.name} {getattr(mine, field.name)} ({getattr(theirs, field.name)})" for field in dataclasses.fields(mine)
                       if getattr(mine, field.name) != getattr(theirs, field.name)]  # fmt: skip
            if changed:
                print(f"  {noun.name:11} {', '.join(changed)}")
