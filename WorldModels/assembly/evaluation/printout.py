"""Prints the result of evaluate: scores, how faithful the dream is, and where the files are."""

from WorldModels.assembly.evaluation.drivers import BEST, evaluated, evaluation_name, folder_of
from WorldModels.assembly.evaluation.examiner import DRIVER
from WorldModels.assembly.evaluation.tasks import TESTED
from WorldModels.experiment.games.game import Game
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.run import Run


def show(run: Run, report: dict) -> None:
    """Print the table, how faithful the dream is, and where everything is, with the films last.

    Args:
        run: the open run.
        report: the contents of evaluation.json.
    """
    from WorldModels.figures.iterations import comparison
    from WorldModels.figures.scores import table

    game = game_of(run.experiment.env.id)
    run.say(f"{_headline(report, game)}\n")
    run.say(table(_lines(report)))
    if beside := comparison(run.folder, run.iteration):
        run.say(f"\n{beside}")
    if beside := _drivers(run):
        run.say(f"\n{beside}")
    if "dream_checks" in report:
        _show_checks(run, report["dream_checks"])
    _show_place(run, game)
    _show_films(run, report, game)


def _drivers(run: Run) -> str:
    """A table of all drivers of this iteration that were tested; empty if it is only one."""
    from WorldModels.figures.scores import table

    reports = evaluated(run.path)
    rows = {}
    for name, report in reports.items():
        rule, scores = next(iter(report["scores"].items()))
        rows[name if rule == "return" else f"{name}, {rule}"] = scores
    return table(rows) if len(rows) > 1 else ""


def _show_place(run: Run, game: Game) -> None:
    ours = run.experiment
    name = evaluation_name(ours.controller.generation, ours.evaluate.seeds)
    folder = folder_of(run.path, name)
    place, rows = (folder, "") if name != BEST else (run.path, f"{folder.relative_to(run.path)}/")
    kind = TESTED[ours.evaluate.seeds]
    run.say(
        f"\nAll files are in {place}: evaluation.json (scores), {rows}{kind}.csv (each "
        f"{game.noun}), figures/ (curves)."
    )


def _headline(report: dict, game: Game) -> str:
    driver, n = report["controller"], next(iter(report["scores"].values()))["n"]
    trained = "steps of dreams" if driver["world"] == "dream" else "training steps"
    steps = f", {driver['training_steps']:,} {trained}" if driver["training_steps"] else ""
    seeds = report.get("seeds", "test")
    return (
        f"{driver['file']}: generation {driver['generation']}{steps}; {n} {seeds} {game.noun}s "
        f"from seed {report['first_seed']}, official {report['environment']['id']}"
    )


def _lines(report: dict) -> dict[str, dict]:
    """The lines of the table.

    They are the driver, the blind policies, the blindfolded driver, and, in the dream, the driver
    and the blind policies.
    """
    lines = {
        ("driver" if rule == "return" else rule): scores
        for rule, scores in report["scores"].items()
    }
    random = next(iter(report["baselines"]))
    for name, scores in report["baselines"].items():
        lines[f"random ({name})" if name == random else name] = next(iter(scores.values()))
    for blindfold, scores in report.get("looks", {}).items():
        lines[f"driver on {blindfold}"] = next(iter(scores.values()))
    for name, scores in report.get("dream", {"scores": {}})["scores"].items():
        lines[f"dream: {'driver' if name == DRIVER else name}"] = scores
    return lines


def _show_checks(run: Run, checks: dict) -> None:
    length, foreseen = checks["random_length"], checks["foresight"]
    in_dream, in_game = (length[where]["mean"] for where in ("dream", "real"))
    run.say(
        f"\nHow true the dream is: {length['policy']} lasts {in_dream:.0f} steps in it and "
        f"{in_game:.0f} in the game."
    )
    if foreseen and foreseen["terminal_recall"] is not None:
        run.say(
            f"M predicts {100 * foreseen['terminal_recall']:.0f}% of the ends of held-out episodes "
            f"at the exact step, with {foreseen['false_alarms']:.2f} false alarms per episode."
        )
    if checks["horizon"]:
        _show_horizon(run, checks["horizon"])


def _show_horizon(run: Run, horizon: dict) -> None:
    from WorldModels.assembly.evaluation.truth import CONSTANT, MODE, SAMPLED

    run.say(
        f"Mean squared error of dreams that continue true history, given the true actions "
        f"({horizon['windows']} windows):"
    )
    run.say(" ".join([f"{'steps':24}", *(f"{h:8}" for h in horizon["horizons"])]))
    for what in ("latent", "frame"):
        for name in (MODE, SAMPLED, CONSTANT):
            errors = (f"{error:8.5f}" for error in horizon[what][name])
            run.say(" ".join([f"{f'{what}, {name}':24}", *errors]))


def _show_films(run: Run, report: dict, game: Game) -> None:
    films = list(report["filmed"])
    for each in films:
        rule = f" under {each['rule']}" if game.has_laps else ""
        run.say(
            f"Filmed: test {game.noun} {each['track']}, {each['score']:.1f}{rule}; {each['why']}."
        )
    if dream := report.get("filmed_dream"):
        run.say(
            f"Filmed: dream {dream['dream']}, {dream['score']:.1f} in {dream['steps']} steps; the "
            "return nearest the median."
        )
        films.append(dream)
    for file in [file for each in films for file in each["files"]]:
        run.say(f"  {run.path / file}")
