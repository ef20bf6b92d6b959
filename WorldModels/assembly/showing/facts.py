"""Reads what a run holds: its game, how far it has come, its scores and its history."""

from pathlib import Path

from WorldModels.assembly.evaluation.drivers import evaluated, report_file
from WorldModels.experiment.files import read_json
from WorldModels.experiment.games.game import Game
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import Run

FPS = 50  # frames a second, if the game does not say
# Verb -> the last file that it writes, and the name of its result.
MADE_BY = {
    "record": ("episodes", "episodes"),
    "train_vision": ("vision.keras", "V"),
    "encode": ("series", "series"),
    "train_memory": ("memory.keras", "M"),
    "train_controller": ("controller/best.npz", "C"),
    "evaluate": ("evaluation.json", "test scores"),
}


def game(run: Run) -> Game:
    """The game that a run plays."""
    return game_of(run.experiment.env.id)


def fps(run: Run) -> float:
    """Frames a second of a run's game."""
    return game(run).fps or FPS


def in_dream(run: Run) -> bool:
    """Whether the driver learns only in M's dream."""
    return run.experiment.controller.world == "dream"


def solved_line(run: Run) -> float | None:
    """The return at which the game counts as solved; None if the driver learns only in dreams."""
    return None if in_dream(run) else game(run).solved


def progress(run: Run) -> str:
    """How far a run has come: what it has, and the command that makes the first missing part."""
    made = [name for path, name in MADE_BY.values() if (run.path / path).exists()]
    missing = [verb for verb, (path, _) in MADE_BY.items() if not (run.path / path).exists()]
    following = f" Next: {run.command(missing[0])}" if missing else ""
    return f"{', '.join(made) or 'nothing yet'}.{following}"


def evaluation(run: Run) -> Path:
    """The evaluation.json of the driver that the run was opened with; it need not exist."""
    return report_file(run.path, run.experiment.controller.generation)


def drivers(run: Run) -> dict[str, dict]:
    """The first rule's scores of each driver that was tested: name -> see figures.scores.summary.

    Drivers that were evolved anew since are left out.
    """
    return {
        name: next(iter(report["scores"].values())) for name, report in evaluated(run.path).items()
    }


def tested(run: Run) -> dict:
    """The contents of the evaluation.json of the driver that the run was opened with.

    Raises:
        FileNotFoundError: there is no test yet; the message gives the command that makes one.
        ValueError: the file is damaged.
    """
    path = run.need(str(evaluation(run).relative_to(run.path)), "evaluate")
    found = read_json(path)
    if not isinstance(found, dict) or not {"scores", "baselines", "filmed"} <= set(found):
        raise ValueError(
            f"{path}: expected the scores of a test, received none; remove the file and test "
            f"again: {run.command('evaluate')}"
        )
    return found


def tested_in_dream(run: Run) -> dict:
    """The contents of evaluation.json for a driver that learned in a dream.

    Raises:
        FileNotFoundError: there is no test yet; the message gives the command that makes one.
        ValueError: the driver did not learn in a dream.
    """
    report = tested(run)
    if not report.get("curve"):
        raise ValueError(
            f"the driver of {run.folder} has not learned in a dream (--controller.world dream)."
        )
    return report


def horizon_errors(run: Run) -> dict:
    """How far M's dream strays from the truth, as measured in the test of a driver.

    Raises:
        FileNotFoundError: there is no test yet; the message gives the command that makes one.
        ValueError: the driver did not learn in a dream, or its held-out episodes were too short.
    """
    found = tested_in_dream(run)["dream_checks"]["horizon"]
    if not found:
        raise ValueError(
            f"the held-out episodes of {run.folder} are too short to tell how far a dream strays."
        )
    return found


def summaries(report: dict) -> dict[str, dict]:
    """The scores of a test by name: the driver under each rule of the game, then blind policies.

    Args:
        report: the contents of evaluation.json.
    """
    driver = {
        "driver" if rule == "return" else f"driver, {rule}": scores
        for rule, scores in report["scores"].items()
    }
    blind = {name: next(iter(scores.values())) for name, scores in report["baselines"].items()}
    return driver | blind


def returns(report: dict) -> dict[str, list[float]]:
    """The returns of each test game: the driver's and the random policy's.

    Args:
        report: the contents of evaluation.json.
    """
    found, random = summaries(report), next(iter(report["baselines"]))
    return {name: found[name]["tracks"] for name in (next(iter(found)), random)}


def generations(run: Run, dream: bool = False) -> list[dict[str, str]]:
    """The rows of generations.csv.

    Args:
        run: the open run.
        dream: for a driver that learned first in the dream and then in the game, return the rows
            of the dream.

    Raises:
        FileNotFoundError: there are none; the message gives the command that makes them.
    """
    path = run.need("controller/generations.csv", "train_controller")
    dreamt = read_rows(run.path / "controller/dream/generations.csv") if dream else []
    return dreamt or read_rows(path)


def kept_generations(run: Run) -> list[int]:
    """The generations whose mean was kept, earliest first.

    Raises:
        FileNotFoundError: there are none.
    """
    folder = run.need("controller/generations", "train_controller")
    return sorted(int(path.stem) for path in folder.glob("*.npz"))
