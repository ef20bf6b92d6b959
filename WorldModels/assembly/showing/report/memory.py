"""The section of a report on M: what it learned, and its dreams."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from WorldModels.assembly.showing import driver, memory, vision
from WorldModels.assembly.showing.facts import fps, horizon_errors
from WorldModels.assembly.showing.report.parts import Part, of_frames, picture
from WorldModels.experiment.files import read_json
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import Run

HORIZONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)  # seconds of dreaming
DREAM_SECONDS = (0.0, 0.2, 0.4, 0.8, 1.2, 1.6, 2.2, 3.0)  # moments of a dream
TEMPERATURES = (0.1, 0.5, 1.0, 1.3)


@of_frames
def imagined(run: Run) -> Part:
    """A recorded game, V's reconstruction of it, and what M imagines from some moment on."""
    from WorldModels.figures.filmstrips import imagined_strip

    episode, steps = _recorded(run), _steps(run, HORIZONS)
    start = len(episode) // 3
    real = episode.observations[start:]
    dreamt = memory.imagined(run, episode, start, steps[-1])
    return picture(
        imagined_strip(real, vision.rebuilt(run, real), dreamt, steps, fps(run)),
        "Real, reconstructed, imagined: from 0.0 s on, M is given only the actions.",
        wide=True,
    )


@of_frames
def temperatures(run: Run) -> Part:
    """The driver's dreams from the same start at several temperatures."""
    from WorldModels.figures.filmstrips import dream_filmstrips

    steps = _steps(run, DREAM_SECONDS)
    dreamt = {
        temperature: memory.dream(run, temperature, max_steps=steps[-1] + 1).frames
        for temperature in TEMPERATURES
    }
    return picture(
        dream_filmstrips(dreamt, steps, fps(run)),
        "The driver's dreams from the same start, at low to high temperature.",
        wide=True,
    )


@of_frames
def dreamt_twice(run: Run) -> Part:
    """One start dreamt twice with different noise."""
    from WorldModels.figures.filmstrips import dreamt_twice

    steps = _steps(run, DREAM_SECONDS)
    first = memory.dream(run, 1.0, max_steps=steps[-1] + 1)
    second = memory.dream(run, 1.0, seed=1, max_steps=steps[-1] + 1, start=first.z[0])
    return picture(
        dreamt_twice(first.frames, second.frames, steps, fps(run)),
        "The same start dreamt twice, with different noise.",
        wide=True,
    )


@of_frames
def foreseen(run: Run) -> Part:
    """M's prediction of the next frame, one step ahead."""
    from WorldModels.figures.predictions import next_frames

    episode = _recorded(run)
    rebuilt, guesses = vision.rebuilt(run, episode.observations), memory.foreseen(run, episode)
    some = np.unique(np.linspace(len(episode) // 8, len(episode) * 5 // 8, 8, dtype=int))
    return picture(
        next_frames(rebuilt[:-1][some], rebuilt[1:][some], guesses[some]),
        "M's prediction one step ahead, in a recorded game.",
        wide=True,
    )


def learning(run: Run) -> Part:
    """M's loss and the baselines' by training step."""
    from WorldModels.figures.curves import memory_curves

    return picture(
        memory_curves(read_rows(run.need("memory.csv", "train_memory"))),
        "M's training: the negative log likelihood of the next z, in nats per dimension.",
    )


def horizon(run: Run) -> Part | None:
    """The error of a dream by number of steps; None for a driver that learned only in the game."""
    from WorldModels.figures.dreams import horizon_curves

    if run.experiment.controller.world == "real":
        return None
    return picture(
        horizon_curves(horizon_errors(run)),
        "How far M's dream strays from what really happened.",
    )


def tempered(run: Run) -> Part | None:
    """Returns in dream and game by temperature; None for a driver that learned only in the game."""
    from WorldModels.figures.temperatures import temperature_figure

    if run.experiment.controller.world == "real":
        return None
    found = read_json(run.need("temperatures/temperatures.json", "temperatures"))
    return picture(
        temperature_figure(found["evolved"]),
        "A driver for each temperature: its return in the dream and in the game.",
    )


@functools.cache
def _recorded(run: Run) -> Any:
    return driver.recorded(run)


def _steps(run: Run, seconds: Sequence[float]) -> list[int]:
    return [round(second * fps(run)) for second in seconds]
