"""The report of a test: what evaluation.json holds, the figures, and the table that is printed.
Plays nothing itself.
"""

from collections.abc import Iterable
from pathlib import Path

from WorldModels.assembly.evaluation.examiner import (
    BOUND,
    DRIVER,
    RENDERER,
    SEEDS,
    Examiner,
    has_laps,
)
from WorldModels.experiment.files import hash_files, read_rows
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.env import EnvSettings

LAP_RULES = {
    "lap rule 0.95": "095",
    "lap rule 1.0": "100",
}  # CarRacing-v3's own, and v0's, which the paper scores by
HISTORY = {
    "vision": "vision.csv",
    "memory": "memory.csv",
    "generations": "controller/generations.csv",
    "dream_generations": "controller/dream/generations.csv",
}
SOLVED = {
    "CarRacing-v3": 900,
    "TakeCover": 750,
}  # mean return over 100 games at which each counts as solved (Gym's)


def report_of(run: Run, examiner: Examiner, rows: dict[tuple, dict]) -> dict:
    """What evaluation.json holds, without the films.

    Args:
        run: the open run.
        examiner: who played.
        rows: (kind, driver, number) -> row, of all episodes.
    """
    from WorldModels.assembly.evaluation.gates import baseline_names

    experiment = run.experiment
    baselines = baseline_names(experiment.evaluate.baselines)
    report = {
        "controller": _driver(run, examiner.controllers[DRIVER]),
        "experiment": experiment.name,
        "scale": experiment.scale,
        "seed": experiment.seed,
        "iteration": run.iteration,
        "environment": {
            "id": experiment.env.id,
            "renderer": RENDERER,
            "max_steps": experiment.env.max_steps,
        },
        "first_seed": SEEDS["tracks"],
        "scores": _scores(experiment.env, _of(rows, "tracks", DRIVER)),
        "baselines": {
            name: _scores(experiment.env, _of(rows, "tracks", name)) for name in baselines
        },
    }
    return report | (_dream_report(run, examiner, rows, baselines) if examiner.dream else {})


def _dream_report(
    run: Run, examiner: Examiner, rows: dict[tuple, dict], baselines: list[str]
) -> dict:
    """What stands in it besides for a driver that was evolved in a dream."""
    from WorldModels.assembly.evaluation.curve import curve, evolved_in
    from WorldModels.assembly.evaluation.truth import foresight, horizon_errors
    from WorldModels.figures.scores import summary

    env, random = run.experiment.env, baselines[0]
    returns = {
        driver: _returns(env, found)[0]
        for driver in examiner.controllers
        if (found := _of(rows, "curve", driver))
    }
    lengths = {
        where: [int(row["steps"]) for row in _of(rows, kind, random)]
        for where, kind in (("real", "tracks"), ("dream", "dreams"))
    }
    dreams = {
        driver: [float(row["return"]) for row in _of(rows, "dreams", driver)]
        for driver in (DRIVER, *baselines)
    }
    return {
        "looks": {
            bound: _scores(env, found) for bound in BOUND if (found := _of(rows, "tracks", bound))
        },
        "dream": examiner.dream.how
        | {
            "first_seed": SEEDS["dreams"],
            "scores": {name: summary(r) for name, r in dreams.items()},
        },
        "curve": curve(evolved_in(run), returns),
        "dream_checks": {
            "foresight": foresight(run),
            "horizon": horizon_errors(run),
            "random_length": {"policy": random}
            | {where: summary(steps) for where, steps in lengths.items()},
        },
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
        "world": world_of(run),
        "sha256": hash_files([file]),
    }


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _of(rows: dict[tuple, dict], kind: str, driver: str) -> list[dict]:
    """A driver's rows in the order of their numbers."""
    return [rows[key] for key in sorted(key for key in rows if key[:2] == (kind, driver))]


def _scores(env: EnvSettings, rows: list[dict]) -> dict[str, dict]:
    from WorldModels.figures.scores import summary

    scores = {}
    for (name, suffix), returns in zip(_rules(env), _returns(env, rows), strict=True):
        laps = sum(int(row[f"lap{suffix}"]) for row in rows) / len(rows) if has_laps(env) else None
        scores[name] = summary(returns) | {"laps": laps, "tracks": returns}
    return scores


def _returns(env: EnvSettings, rows: Iterable[dict]) -> list[list[float]]:
    """Returns under each rule of the game."""
    return [[float(row[f"return{suffix}"]) for row in rows] for _, suffix in _rules(env)]


def _rules(env: EnvSettings) -> list[tuple[str, str]]:
    return (
        [(name, f"_{suffix}") for name, suffix in LAP_RULES.items()]
        if has_laps(env)
        else [("return", "")]
    )


def draw(run: Run, report: dict) -> None:
    """The learning curves of every stage whose history is there, and how the scores spread."""
    from WorldModels.figures import curves, dreams

    solved, folder = SOLVED.get(run.experiment.env.id), run.path / "figures"
    real = report["controller"]["world"] != "dream"
    make = {
        "vision": curves.vision_curves,
        "memory": curves.memory_curves,
        "generations": lambda rows: curves.generation_curves(
            rows, solved if real else None, not real
        ),
        "dream_generations": lambda rows: curves.generation_curves(rows, None, True),
    }
    history = {name: rows for name, file in HISTORY.items() if (rows := read_rows(run.path / file))}
    for name, rows in history.items():
        curves.save(make[name](rows), folder / f"{name}.png")
    (rule, scores), random = next(iter(report["scores"].items())), next(iter(report["baselines"]))
    noun = "track" if has_laps(run.experiment.env) else "game"
    spread = {
        f"driver, {rule}": scores["tracks"],
        f"random ({random})": report["baselines"][random][rule]["tracks"],
    }
    curves.save(curves.score_histogram(spread, noun), folder / "scores.png")
    if report.get("curve"):
        rows, level = (
            history.get("dream_generations", history.get("generations", [])),
            report["baselines"][random][rule]["mean"],
        )
        curves.save(
            dreams.dream_curve(rows, report["curve"], level, solved), folder / "dream_curve.png"
        )
    if horizon := report.get("dream_checks", {}).get("horizon"):
        decoded = "numbers" if run.experiment.env.observation == "vector" else "pixels (0..1)"
        curves.save(dreams.horizon_curves(horizon, decoded), folder / "horizon.png")


def show(run: Run, report: dict) -> None:
    """Print the table, how true the dream is, and where everything lies; the videos last."""
    from WorldModels.figures.iterations import comparison
    from WorldModels.figures.scores import table

    driver, n = report["controller"], next(iter(report["scores"].values()))["n"]
    trained = "steps of dreams" if driver["world"] == "dream" else "training steps"
    steps = f", {driver['training_steps']:,} {trained}" if driver["training_steps"] else ""
    noun = "tracks" if has_laps(run.experiment.env) else "games"
    run.say(
        f"{driver['file']}: generation {driver['generation']}{steps}; {n} test {noun} from seed {report['first_seed']} on, "
        f"official {report['environment']['id']}\n"
    )
    run.say(table(_lines(report)))
    if beside := comparison(run.folder, run.iteration):
        run.say(f"\n{beside}")
    if "dream_checks" in report:
        _show_checks(run, report["dream_checks"])
    run.say(
        f"\nEverything lies in {run.path}: evaluation.json (scores), evaluation/tracks.csv (each track), figures/ (curves)."
    )
    for each in report["filmed"]:
        rule = f" under {each['rule']}" if each["rule"] in LAP_RULES else ""
        run.say(
            f"Filmed: test {noun[:-1]} {each['track']}, {each['score']:.1f}{rule}; {each['why']}."
        )
    films = list(report["filmed"])
    if dream := report.get("filmed_dream"):
        run.say(
            f"Filmed: dream {dream['dream']}, {dream['score']:.1f} in {dream['steps']} steps; the return nearest the median."
        )
        films.append(dream)
    for file in [file for each in films for file in each["files"]]:
        run.say(f"  {run.path / file}")


def _lines(report: dict) -> dict[str, dict]:
    """The lines of the table: the driver, those who do not look, the driver with its eyes bound,
    and all of them in the dream.
    """
    lines = {
        ("driver" if name == "return" else name): scores
        for name, scores in report["scores"].items()
    }
    random = next(iter(report["baselines"]))
    for name, scores in report["baselines"].items():
        lines[f"random ({name})" if name == random else name] = next(iter(scores.values()))
    lines |= {
        f"driver on {bound}": next(iter(scores.values()))
        for bound, scores in report.get("looks", {}).items()
    }
    dream = report.get("dream", {"scores": {}})
    return lines | {
        f"dream: {'driver' if name == DRIVER else name}": scores
        for name, scores in dream["scores"].items()
    }


def _show_checks(run: Run, checks: dict) -> None:
    from WorldModels.assembly.evaluation.truth import CONSTANT, MODE, SAMPLED

    length = checks["random_length"]
    in_dream, in_game = (length[where]["mean"] for where in ("dream", "real"))
    run.say(
        f"\nHow true the dream is: {length['policy']} lasts {in_dream:.0f} steps in it and {in_game:.0f} in the game."
    )
    foreseen, horizon = checks["foresight"], checks["horizon"]
    if foreseen and foreseen["terminal_recall"] is not None:
        run.say(
            f"M foresees {100 * foreseen['terminal_recall']:.0f}% of the ends of held-out episodes at their very step, with "
            f"{foreseen['false_alarms']:.2f} false alarms an episode."
        )
    if horizon:
        run.say(
            f"Dreaming on from the true history with the true actions ({horizon['windows']} places), mean squared error:"
        )
        run.say(" ".join([f"{'steps':24}", *(f"{h:8}" for h in horizon["horizons"])]))
        for what, name in (
            (what, name) for what in ("latent", "frame") for name in (MODE, SAMPLED, CONSTANT)
        ):
            run.say(
                " ".join(
                    [f"{f'{what}, {name}':24}", *(f"{error:8.5f}" for error in horizon[what][name])]
                )
            )
