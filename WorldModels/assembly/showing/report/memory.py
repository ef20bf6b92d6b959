"""Of a run's report: what M has learned, and its dreams. Knows which file lies where, not how
anything is drawn.
"""

import functools
from collections.abc import Sequence

import numpy as np

from WorldModels.assembly.showing import memory as gather_dreams
from WorldModels.assembly.showing import page as show
from WorldModels.assembly.showing import run as gather
from WorldModels.assembly.showing.report.page import Part, picture
from WorldModels.assembly.showing.report.vision import of_frames
from WorldModels.experiment.files import read_json, read_rows
from WorldModels.experiment.run import Run

HORIZONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)  # seconds of dreaming on
DREAM_SECONDS = (0.0, 0.2, 0.4, 0.8, 1.2, 1.6, 2.2, 3.0)  # moments of a dream
TEMPERATURES = (0.1, 0.5, 1.0, 1.3)


@of_frames
def imagined(run: Run) -> Part:
    """A recorded game, what V makes of it, and what M imagines from a moment on."""
    from WorldModels.figures.filmstrips import imagined_strip

    episode, steps = _recorded(run), _steps(run, HORIZONS)
    start = len(episode) // 3
    real, dreamt = (
        episode.observations[start:],
        gather_dreams.imagined(run, episode, start, steps[-1]),
    )
    return picture(
        imagined_strip(real, gather.rebuilt(run, real), dreamt, steps, show.fps(run)),
        "Real, reconstructed, imagined: from 0.0 s on M is given the actions alone.",
        wide=True,
    )


@of_frames
def temperatures(run: Run) -> Part:
    """The driver's dreams from one start at several temperatures."""
    from WorldModels.figures.filmstrips import dream_filmstrips

    steps = _steps(run, DREAM_SECONDS)
    dreamt = {
        heat: gather_dreams.dream(run, heat, max_steps=steps[-1] + 1).frames
        for heat in TEMPERATURES
    }
    return picture(
        dream_filmstrips(dreamt, steps, show.fps(run)),
        "The driver's dreams from one start, cold to hot.",
        wide=True,
    )


@of_frames
def dreamt_twice(run: Run) -> Part:
    """One start dreamt twice with other chances."""
    from WorldModels.figures.filmstrips import dreamt_twice

    steps = _steps(run, DREAM_SECONDS)
    first = gather_dreams.dream(run, 1.0, max_steps=steps[-1] + 1)
    second = gather_dreams.dream(run, 1.0, seed=1, max_steps=steps[-1] + 1, start=first.z[0])
    return picture(
        dreamt_twice(first.frames, second.frames, steps, show.fps(run)),
        "The same start dreamt twice, by other chances.",
        wide=True,
    )


@of_frames
def foreseen(run: Run) -> Part:
    """The next frame as M foresees it, one step ahead."""
    from WorldModels.figures.predictions import next_frames

    episode = _recorded(run)
    rebuilt, guesses = (
        gather.rebuilt(run, episode.observations),
        gather_dreams.foreseen(run, episode),
    )
    some = np.unique(np.linspace(len(episode) // 8, len(episode) * 5 // 8, 8, dtype=int))
    return picture(
        next_frames(rebuilt[:-1][some], rebuilt[1:][some], guesses[some]),
        "One step ahead, in a game that M was not trained on.",
        wide=True,
    )


def learning(run: Run) -> Part:
    """M's loss by training step, beside what one reaches without inputs."""
    from WorldModels.figures.curves import memory_curves

    return picture(
        memory_curves(read_rows(run.need("memory.csv", "train_memory"))),
        "M's training: how surprised it is by the next z, in natural units of information a latent dimension.",
    )


def horizon(run: Run) -> Part | None:
    """The error of dreaming on by the number of steps; None where no dream was tested."""
    from WorldModels.figures.dreams import horizon_curves

    if run.experiment.controller.world == "real":
        return None
    return picture(
        horizon_curves(show.dreamt(run)["dream_checks"]["horizon"]),
        "How far dreaming on strays from what came.",
    )


def tempered(run: Run) -> Part | None:
    """Returns in the dream and in the game by temperature; None where the driver has learned in the
    game alone.
    """
    from WorldModels.figures.temperatures import temperature_figure

    if run.experiment.controller.world == "real":
        return None
    found = read_json(run.need("temperatures/temperatures.json", "temperatures"))
    return picture(
        temperature_figure(found["evolved"]),
        "A driver evolved at each temperature: its return in the dream and in the game.",
    )


@functools.cache
def _recorded(run: Run):
    return show.recorded(run)


def _steps(run: Run, seconds: Sequence[float]) -> list[int]:
    return [round(second * show.fps(run)) for second in seconds]
