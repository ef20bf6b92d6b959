"""Sliders in a notebook: for one number of z, for a moment of an episode, for a temperature.

An editor that runs the notebook shows them if ipywidgets is installed. Everywhere else the notebook
shows the picture for the first values.
"""

import functools
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from WorldModels.assembly.showing import memory, page, vision
from WorldModels.experiment.run import Run

# Environment variables that JupyterLab, VS Code and Colab set for a notebook.
EDITORS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")
VALUES = tuple(np.arange(-30, 31, 5) / 10)  # of a swept dimension of z, in standard deviations
TEMPERATURES = (0.1, 0.5, 1.0, 1.15, 1.3)  # the paper's, table 2 in section 4
WIDTH = {"width": "560px", "max_width": "100%"}


def live() -> bool:
    """Whether this notebook runs where sliders can be moved."""
    in_editor = any(name in os.environ for name in EDITORS)
    return in_editor and importlib.util.find_spec("ipywidgets") is not None


def touch(
    draw: Callable[..., Any], choices: Mapping[str, Sequence], first: Mapping[str, Any]
) -> None:
    """Put a picture into the notebook, with a slider for each choice if sliders can be moved.

    Args:
        draw: takes a value of each choice by name, and returns a figure, a picture (H, W, 3) uint8
            or the bytes of a PNG.
        choices: name -> its values; spaces in a name become underscores for `draw`.
        first: name -> the value to show first.
    """
    if not live():
        return page.figure(_drawn(draw, first))
    box = sliders(draw, choices, first)
    page.display(box.children[-1].value, box._repr_mimebundle_())


def sliders(
    draw: Callable[..., Any], choices: Mapping[str, Sequence], first: Mapping[str, Any]
) -> Any:
    """An ipywidgets.VBox of sliders above the picture that they change; see `touch`."""
    import ipywidgets

    layout = {"max_width": "100%", "object_fit": "contain"}
    image = ipywidgets.Image(value=page.png(_drawn(draw, first)), format="png", layout=layout)
    rows = [_slider(name, list(values), first[name]) for name, values in choices.items()]

    def moved(change: dict) -> None:
        image.value = page.png(_drawn(draw, {row.description: row.value for row in rows}))

    for row in rows:
        row.observe(moved, "value")
    return ipywidgets.VBox([*rows, image])


def _slider(name: str, values: list, first: Any) -> Any:
    import ipywidgets

    return ipywidgets.SelectionSlider(
        options=values,
        value=first,
        description=name,
        layout=WIDTH,
        style={"description_width": "120px"},
    )


def _drawn(draw: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    return draw(**{name.replace(" ", "_"): value for name, value in values.items()})


def sweep(run: Run, frame: np.ndarray, dimension: int = 0, value: float = 2.0) -> None:
    """Change one number of a frame's z and see what V draws.

    Args:
        run: the open run.
        frame: (H, W, 3) uint8.
        dimension: the number of z to show first.
        value: its value to show first, in standard deviations of the prior.
    """
    mean = vision.posterior(run, frame[None])[0][0]

    @functools.cache
    def draw(dimension: int, value: float) -> np.ndarray:
        z = np.stack([mean, mean])
        z[1, dimension] = value
        rebuilt, changed = vision.decoded(run, z)
        now, then = (f"V, z[{dimension}] = {number:.1f}" for number in (mean[dimension], value))
        return _beside({"frame": frame, now: rebuilt, then: changed})

    choices = {"dimension": range(len(mean)), "value": VALUES}
    touch(draw, choices, {"dimension": int(dimension), "value": value})


def scrub(clips: Mapping[str, np.ndarray], step: int = 0) -> None:
    """Go through clips moment by moment.

    Args:
        clips: name -> frames (T, H, W, 3), uint8 or float in 0..1; cut to the shortest.
        step: the step to show first.
    """
    length = min(map(len, clips.values()))
    touch(
        lambda step: _beside({name: frames[step] for name, frames in clips.items()}),
        {"step": range(length)},
        {"step": min(step, length - 1)},
    )


def warm(
    run: Run,
    fps: float,
    temperatures: Sequence[float] = TEMPERATURES,
    first: float = 1.0,
    max_steps: int = 150,
) -> None:
    """Change the temperature of a dream, with the same start and the same noise each time.

    Args:
        run: the open run.
        fps: frames a second of the game.
        temperatures: the ones to choose from.
        first: the temperature to show first.
        max_steps: the limit of a dream.
    """
    from WorldModels.figures.films import running_reward

    @functools.cache
    def draw(temperature: float) -> bytes:
        found = memory.dream(run, temperature, max_steps=max_steps)
        clip = {f"dream, temperature {temperature:g}": found.frames}
        return page.animated(running_reward(clip, found.rewards, scale=4), fps)

    touch(draw, {"temperature": temperatures}, {"temperature": first})


def _beside(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    from WorldModels.figures.videos import side_by_side

    return next(side_by_side({name: [picture] for name, picture in pictures.items()}, scale=4))
