"""Puts together the result of a test: the contents of evaluation.json except for the films."""

from collections.abc import Iterable
from pathlib import Path

from WorldModels.assembly.evaluation.examiner import BLINDFOLDS, DRIVER, Examiner
from WorldModels.assembly.evaluation.tasks import SEEDS, Key
from WorldModels.experiment.files import hash_files
from WorldModels.experiment.games.game import Game
from WorldModels.experiment.run import Run


def report_of(run: Run, examiner: Examiner, rows: dict[Key, dict]) -> dict:
    """The contents of evaluation.json except for the films.

    Args:
        run: the open run.
        examiner: the one that played.
        rows: episode -> row, for all episodes of the test.
    """
    from WorldModels.assembly.evaluation.baselines import baseline_names

    experiment, game = run.experiment, examiner.game
    baselines = baseline_names(experiment.evaluate.baselines)
    about = {"id": experiment.env.id, "max_steps": experiment.env.max_steps}
    report = {
        "controller": _driver(run, examiner.controllers[DRIVER]),
        "experiment": experiment.name,
        "scale": experiment.scale,
        "seed": experiment.seed,
        "iteration": run.iteration,
        "environment": about | dict(game.as_scored),
        "seeds": experiment.evaluate.seeds,
        "first_seed": SEEDS[examiner.tested],
        "scores": _scores(game, _of(rows, examiner.tested, DRIVER)),
        "baselines": {name: _scores(game, _of(rows, examiner.tested, name)) for name in baselines},
    }
    return report | (_dream_report(run, examiner, rows, baselines) if examiner.dream else {})


def _dream_report(
    run: Run, examiner: Examiner, rows: dict[Key, dict], baselines: list[str]
) -> dict:
    """What a dream adds to the report."""
    from WorldModels.assembly.evaluation.curve import curve, evolved_in
    from WorldModels.figures.scores import summary

    game = examiner.game
    tested = examiner.tested
    blindfolded = {name: found for name in BLINDFOLDS if (found := _of(rows, tested, name))}
    dreams = {
        driver: summary(_column(_of(rows, "dreams", driver), "return"))
        for driver in (DRIVER, *baselines)
    }
    first_rule = next(iter(game.rules.values()))
    returns = {
        driver: _column(found, f"return{first_rule}")
        for driver in examiner.controllers
        if (found := _of(rows, "curve", driver))
    }
    return {
        "looks": {name: _scores(game, found) for name, found in blindfolded.items()},
        "dream": examiner.dream.how | {"first_seed": SEEDS["dreams"], "scores": dreams},
        "curve": curve(evolved_in(run.path, run.experiment), returns),
        "dream_checks": _dream_checks(run, rows, baselines[0], tested),
    }


def _dream_checks(run: Run, rows: dict[Key, dict], random: str, tested: str) -> dict:
    """How true the dream is: what M predicts, and how long a random policy lasts in each world."""
    from WorldModels.assembly.evaluation.truth import foresight_of, held_out_series, horizon_errors
    from WorldModels.figures.scores import summary

    lengths = {
        where: summary([int(row["steps"]) for row in _of(rows, kind, random)])
        for where, kind in (("real", tested), ("dream", "dreams"))
    }
    series = held_out_series(run.path, run.experiment)
    return {
        "foresight": foresight_of(run.path, run.experiment),
        "horizon": horizon_errors(run.path, series, run.rng),
        "random_length": {"policy": random} | lengths,
    }


def _driver(run: Run, file: Path) -> dict:
    from WorldModels.assembly.evaluation.curve import world_of
    from WorldModels.control.controller import Controller

    shape, _, facts = Controller.load(file)
    return {
        "file": str(file.relative_to(run.path)),
        "generation": _whole(facts.get("generation")),
        "training_steps": _whole(facts.get("frames")),
        "validation": facts.get("validation"),
        "validation_rollouts": _whole(facts.get("validation_rollouts")),
        "features": shape.features,
        "latent": shape.latent,
        "num_hidden": shape.num_hidden,
        "num_parameters": shape.num_parameters,
        "world": world_of(run.path, run.experiment),
        "sha256": hash_files([file]),
    }


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _of(rows: dict[Key, dict], kind: str, driver: str) -> list[dict]:
    """A driver's rows in the order of their numbers."""
    return [rows[key] for key in sorted(key for key in rows if key[:2] == (kind, driver))]


def _column(rows: Iterable[dict], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def _scores(game: Game, rows: list[dict]) -> dict[str, dict]:
    """Rule -> the scores under it, with the share of laps finished (None: a game without laps)."""
    from WorldModels.figures.scores import summary

    scores = {}
    for rule, suffix in game.rules.items():
        returns = _column(rows, f"return{suffix}")
        laps = sum(int(row[f"lap{suffix}"]) for row in rows) / len(rows) if game.has_laps else None
        scores[rule] = summary(returns) | {"laps": laps, "tracks": returns}
    return scores
