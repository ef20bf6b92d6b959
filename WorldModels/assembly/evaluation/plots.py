"""Draws the figures of a test: the learning curve of every stage, and the spread of scores."""

from pathlib import Path

from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import Run

HISTORY = {
    "vision": "vision.csv",
    "memory": "memory.csv",
    "generations": "controller/generations.csv",
    "dream_generations": "controller/dream/generations.csv",
}


def draw(run: Run, report: dict, folder: Path) -> None:
    """Draw the curves of every stage that has a history, and the scores.

    Args:
        run: the open run.
        report: see scorecard.report_of.
        folder: for the figures.
    """
    from WorldModels.figures import curves, dreams

    history = {name: rows for name, file in HISTORY.items() if (rows := read_rows(run.path / file))}
    solved = game_of(run.experiment.env.id).solved
    _draw_history(history, solved, report["controller"]["world"] == "dream", folder)
    _draw_scores(run, report, folder)
    if report.get("curve"):
        generations = history.get("dream_generations", history.get("generations", []))
        random = next(iter(report["baselines"].values()))
        level = next(iter(random.values()))["mean"]
        figure = dreams.dream_curve(generations, report["curve"], level, solved)
        curves.save(figure, folder / "dream_curve.png")
    if horizon := report.get("dream_checks", {}).get("horizon"):
        decoded = "numbers" if run.experiment.env.observation == "vector" else "pixels (0..1)"
        curves.save(dreams.horizon_curves(horizon, decoded), folder / "horizon.png")


def _draw_history(
    history: dict[str, list[dict]], solved: float | None, dreamt: bool, folder: Path
) -> None:
    """Draw the learning curves.

    Args:
        history: a key of HISTORY -> its rows.
        solved: the score at which the game counts as solved.
        dreamt: the driver was evolved only in the dream.
        folder: for the figures.
    """
    from WorldModels.figures import curves

    level = None if dreamt else solved
    figures = {
        "vision": curves.vision_curves,
        "memory": curves.memory_curves,
        "generations": lambda rows: curves.generation_curves(rows, level, dreamt),
        "dream_generations": lambda rows: curves.generation_curves(rows, None, True),
    }
    for name, rows in history.items():
        curves.save(figures[name](rows), folder / f"{name}.png")


def _draw_scores(run: Run, report: dict, folder: Path) -> None:
    from WorldModels.figures import curves

    rule, scores = next(iter(report["scores"].items()))
    random = next(iter(report["baselines"]))
    spread = {
        f"driver, {rule}": scores["tracks"],
        f"random ({random})": report["baselines"][random][rule]["tracks"],
    }
    noun = game_of(run.experiment.env.id).noun
    curves.save(curves.score_histogram(spread, noun), folder / "scores.png")
