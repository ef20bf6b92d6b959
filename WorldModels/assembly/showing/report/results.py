"""Of a run's report: how well the driver does in test games, and films of it. Knows which file lies
where, not how anything is drawn.
"""

import numpy as np

from WorldModels.assembly.showing import memory as gather_dreams
from WorldModels.assembly.showing import page as show
from WorldModels.assembly.showing import run as gather
from WorldModels.assembly.showing.report.page import Part, picture
from WorldModels.assembly.showing.report.vision import of_frames
from WorldModels.experiment.run import Run

FILM_BYTES = 900_000
SECONDS = 6  # of a dream that is made now


def scores(run: Run) -> Part:
    """The table of test returns, the driver beside policies that do not look."""
    from WorldModels.figures.scores import cells

    found = show.summaries(gather.tested(run))
    columns, rows = cells(found)
    driven = frozenset(i for i, name in enumerate(found) if name.startswith("driver"))
    return Part(
        "table",
        said="Returns over test games, with the interval in which the mean lies with 95 % probability (bootstrap). The "
        "other policies do not look.",
        columns=("policy", *columns),
        rows=rows,
        marked=driven,
        wide=True,
    )


def histogram(run: Run) -> Part:
    """The same returns, game by game."""
    from WorldModels.figures.curves import score_histogram

    return picture(
        score_histogram(show.returns(gather.tested(run)), "game"), "The same returns, game by game."
    )


def learned_in_a_dream(run: Run) -> Part | None:
    """Returns in the dream and in the game by generation; None where the driver has learned in the
    game alone.
    """
    from WorldModels.figures.dreams import dream_curve

    if run.experiment.controller.world == "real":
        return None
    found = show.dreamt(run)
    (_, random), rows = show.returns(found).values(), gather.generations(run, dream=True)
    return picture(
        dream_curve(rows, found["curve"], float(np.mean(random)), show.solved(run)),
        "Returns in the dream, and of drivers on the way in the real game, which chose nothing.",
    )


def real_film(run: Run) -> Part:
    """The test game that evaluate filmed."""
    return _film(
        run, "real.mp4", "The test game whose score is nearest the median, as people see it."
    )


@of_frames
def rebuilt_film(run: Run) -> Part:
    """The same game as V sees it and rebuilds it."""
    return _film(run, "reconstructed.mp4", "The same game as V sees it, and as V rebuilds it.")


@of_frames
def dream_film(run: Run) -> Part:
    """A dream of the driver: the one that evaluate filmed, else one made now."""
    from WorldModels.figures.films import running_reward

    if (run.path / "dream.mp4").exists():
        return _film(
            run,
            "dream.mp4",
            "A test dream of the driver: no game runs here. The one whose score is nearest the median.",
        )
    found = gather_dreams.dream(run, 1.0, max_steps=round(SECONDS * show.fps(run)))
    frames = running_reward({"dream": found.frames}, found.rewards)
    return Part(
        "picture",
        show.animated(frames, show.fps(run), most=FILM_BYTES),
        "The driver in M's dream, in which no game runs.",
    )


def _film(run: Run, name: str, said: str) -> Part:
    gather.tested(run)  # where there was no test at all, that is what is missing
    return Part("film", run.need(name, "evaluate").read_bytes(), said)
