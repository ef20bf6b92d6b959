"""Opens a run to be shown, and reads what it holds: its settings, progress, scores and history.

    run = opened("results/carracing")
    print(progress(run), summaries(tested(run)))

What V, M and the driver make of it is in vision.py, memory.py and driver.py. All of these only read
the run, and equal runs give equal results.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import pairs
from WorldModels.experiment.files import read_json, read_rows
from WorldModels.experiment.games.game import Game
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.presets import launch_script, preset
from WorldModels.experiment.run import Run
from WorldModels.experiment.stored import stored_experiment, typed

FPS = 50  # frames a second where the game does not say
# Verb -> the last file that it writes, and what people call its result.
MADE_BY = {
    "record": ("episodes", "episodes"),
    "train_vision": ("vision.keras", "V"),
    "encode": ("series", "series"),
    "train_memory": ("memory.keras", "M"),
    "train_controller": ("controller/best.npz", "C"),
    "evaluate": ("evaluation.json", "test scores"),
}


def opened(
    results: str | Path, iteration: int = -1, generation: int = -1, vectors: bool = False
) -> Run:
    """Open a run read-only, with the settings stored in it.

    Args:
        results: its folder.
        iteration: -1: the latest.
        generation: the generation whose mean drives; -1: the best.
        vectors: also accept a run whose observations are vectors.

    Raises:
        FileNotFoundError: there is no run in the folder; the message has the command that makes
            one.
        ValueError: there is no such iteration, or the observations are vectors.
    """
    experiment = stored_experiment(results)
    flags = [*typed(experiment), "--results", str(results)]
    flags += ["--iteration", str(iteration)] if iteration >= 0 else []
    _check_iteration(Path(results), iteration)
    if experiment.env.observation == "vector" and not vectors:
        raise ValueError(
            f"{results}: expected a run whose observations are frames, received one of vectors; "
            "python -m WorldModels.report shows such a run."
        )
    controller = replace(experiment.controller, generation=generation)
    changes = {"results": str(results), "iteration": iteration, "controller": controller}
    return Run(replace(experiment, **changes), "pictures", flags, reads_only=True)


def _check_iteration(folder: Path, iteration: int) -> None:
    found = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    if iteration >= 0 and iteration not in found:
        raise ValueError(
            f"--iteration: expected one of {', '.join(map(str, found)) or 'none yet'}, "
            f"received {iteration}."
        )


def opened_as(run: Run, vectors: bool = False) -> Run:
    """Open the run that a verb was given, with the settings stored in it.

    Of what was typed, --iteration and --controller.generation hold.

    Args:
        run: as it was typed.
        vectors: see `opened`.

    Raises:
        FileNotFoundError: there is no run; the message has the command that makes one.
        ValueError: it is a run of another experiment; or see `opened`.
    """
    asked, folder = run.experiment, run.folder
    if not (folder / "config.json").exists():
        flags = [] if asked.scale == "laptop" else ["--scale", asked.scale]
        flags += ["--results", str(folder)] if asked.results else []
        command = launch_script(asked.name, *flags)
        raise FileNotFoundError(f"{folder} has no results yet; make them first: {command}")
    stored = opened(folder, asked.iteration, asked.controller.generation, vectors)
    if stored.experiment.name != asked.name:
        raise ValueError(
            f"{folder}: expected a run of {asked.name}, received one of {stored.experiment.name}; "
            "name another folder with --results."
        )
    return stored


def game(run: Run) -> Game:
    """The facts of the game that a run plays."""
    return game_of(run.experiment.env.id)


def fps(run: Run) -> float:
    """Frames a second of a run's game."""
    return game(run).fps or FPS


def in_dream(run: Run) -> bool:
    """Whether the driver learns in M's dream alone."""
    return run.experiment.controller.world == "dream"


def solved_line(run: Run) -> float | None:
    """The return at which the game counts as solved; None where the curve is of dreams."""
    return None if in_dream(run) else game(run).solved


def progress(run: Run) -> str:
    """How far a run has come: what is made, and the command that makes the first missing part."""
    made = [name for path, name in MADE_BY.values() if (run.path / path).exists()]
    missing = [verb for verb, (path, _) in MADE_BY.items() if not (run.path / path).exists()]
    following = f" Next: {run.command(missing[0])}" if missing else ""
    return f"{', '.join(made) or 'nothing yet'}.{following}"


def tested(run: Run) -> dict:
    """The contents of evaluation.json.

    Raises:
        FileNotFoundError: there was no test yet; the message has the command that makes one.
        ValueError: the file is damaged.
    """
    path = run.need("evaluation.json", "evaluate")
    found = read_json(path)
    if not isinstance(found, dict) or not {"scores", "baselines", "filmed"} <= set(found):
        raise ValueError(
            f"{path}: expected the scores of a test, received none; remove it, and test again: "
            f"{run.command('evaluate')}"
        )
    return found


def tested_in_dream(run: Run) -> dict:
    """The contents of evaluation.json for a driver that learned in a dream.

    Raises:
        FileNotFoundError: there was no test yet; the message has the command that makes one.
        ValueError: the driver did not learn in a dream.
    """
    report = tested(run)
    if not report.get("curve"):
        raise ValueError(
            f"the driver of {run.folder} has not learned in a dream (--controller.world dream)."
        )
    return report


def horizon_errors(run: Run) -> dict:
    """The errors of dreaming on, as the test of a driver that learned in a dream measured them.

    Raises:
        FileNotFoundError: there was no test yet; the message has the command that makes one.
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
    """The returns of a test, game by game: the driver's and the random policy's.

    Args:
        report: the contents of evaluation.json.
    """
    found, random = summaries(report), next(iter(report["baselines"]))
    return {name: found[name]["tracks"] for name in (next(iter(found)), random)}


def generations(run: Run, dream: bool = False) -> list[dict[str, str]]:
    """The rows of generations.csv.

    Args:
        run: the open run.
        dream: of a driver that learned first in the dream and then in the game, give the rows of
            the dream.

    Raises:
        FileNotFoundError: there are none; the message has the command that makes them.
    """
    path = run.need("controller/generations.csv", "train_controller")
    dreamt = read_rows(run.path / "controller/dream/generations.csv") if dream else []
    return dreamt or read_rows(path)


def kept_generations(run: Run) -> list[int]:
    """The generations whose mean was kept, the earliest first.

    Raises:
        FileNotFoundError: there are none.
    """
    folder = run.need("controller/generations", "train_controller")
    return sorted(int(path.stem) for path in folder.glob("*.npz"))


def held_out_episodes(run: Run) -> list[Path]:
    """Paths of the episodes that V was not trained on; where none was held out, of all.

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.frames import held_out

    paths = list_episodes(run.need("episodes", "record"))
    training, validation = held_out(paths, run.experiment.vision.validation_share)
    return validation or training


def beside_published(run: Run) -> Iterator[tuple[str, str, Any, Any]]:
    """Every setting of a run: noun, name, the run's value, the published one (scale paper)."""
    published = preset(run.experiment.name, "paper")
    for name, _, ours, theirs in pairs(run.experiment, published):
        if "." in name:
            yield (*name.split("."), ours, theirs)
