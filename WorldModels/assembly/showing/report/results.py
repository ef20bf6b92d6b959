"""The section of a report on results: scores in test games, and films."""

import numpy as np

from WorldModels.assembly.showing import memory
from WorldModels.assembly.showing.facts import (
    drivers,
    evaluation,
    fps,
    game,
    generations,
    returns,
    summaries,
    tested,
    tested_in_dream,
)
from WorldModels.assembly.showing.page import animated
from WorldModels.assembly.showing.report.parts import Part, of_frames, picture
from WorldModels.experiment.damage import check_own
from WorldModels.experiment.run import Run

FILM_BYTES = 900_000
SECONDS = 6  # length of a dream that is made now


def scores(run: Run) -> Part:
    """A table of test returns: the driver beside blind policies."""
    from WorldModels.figures.scores import cells

    found = summaries(tested(run))
    columns, rows = cells(found)
    return Part(
        "table",
        caption="Returns over test games, with the 95% bootstrap interval of the mean. "
        "The other policies are blind: they act without looking.",
        columns=("policy", *columns),
        rows=rows,
        marked=frozenset(i for i, name in enumerate(found) if name.startswith("driver")),
        wide=True,
    )


def side_by_side(run: Run) -> Part | None:
    """A table of all drivers of the search that were tested; None if it is only one."""
    from WorldModels.figures.scores import cells

    found = drivers(run)
    if len(found) < 2:
        return None
    columns, rows = cells(found)
    return Part(
        "table",
        caption="The drivers of this search that were tested, each with evaluate "
        "--controller.generation K; best: the mean with the highest validation score.",
        columns=("driver", *columns),
        rows=rows,
        marked=frozenset(i for i, name in enumerate(found) if name == "best"),
        wide=True,
    )


def histogram(run: Run) -> Part:
    """A histogram of the same returns."""
    from WorldModels.figures.curves import score_histogram

    noun = game(run).noun
    figure = score_histogram(returns(tested(run)), noun)
    return picture(figure, f"The same returns, {noun} by {noun}.")


def learned_in_a_dream(run: Run) -> Part | None:
    """Returns in dream and game by generation; None for a driver that learned only in the game."""
    from WorldModels.figures.dreams import dream_curve

    if run.experiment.controller.world == "real":
        return None
    found, rows = tested_in_dream(run), generations(run, dream=True)
    _, random = returns(found).values()
    return picture(
        dream_curve(rows, found["curve"], float(np.mean(random)), game(run).solved),
        "Returns in the dream, and those of some generations in the real game, which played no "
        "part in the search.",
    )


def real_film(run: Run) -> Part:
    """The test game that evaluate filmed."""
    caption = "The test game whose score is nearest the median, as people see it."
    return _film(run, "real.mp4", caption)


@of_frames
def rebuilt_film(run: Run) -> Part:
    """The same game as V sees it and as V reconstructs it."""
    caption = "The same game as V sees it, and as V reconstructs it."
    return _film(run, "reconstructed.mp4", caption)


@of_frames
def dream_film(run: Run) -> Part:
    """A dream of the driver: the one that evaluate filmed, or else one made now."""
    from WorldModels.figures.films import running_reward

    if evaluation(run).with_name("dream.mp4").exists():
        caption = (
            "The driver in M's dream, in which no game runs: the test dream whose score is nearest "
            "the median."
        )
        return _film(run, "dream.mp4", caption)
    found = memory.dream(run, 1.0, max_steps=round(SECONDS * fps(run)))
    frames = running_reward({"dream": found.frames}, found.rewards)
    film = animated(frames, fps(run), most=FILM_BYTES)
    return Part("picture", film, "The driver in M's dream, in which no game runs.")


def _film(run: Run, name: str, caption: str) -> Part:
    tested(run)  # if there was no test, report that rather than the film as missing
    file = run.need(str(evaluation(run).with_name(name).relative_to(run.path)), "evaluate")
    check_own(file)
    return Part("film", file.read_bytes(), caption)
