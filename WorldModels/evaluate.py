"""The test: the driver in games that chose nothing, in the official environment -> evaluation.json,
videos, curves.

    python -m WorldModels.evaluate carracing                               # the best driver on 100
    test tracks
    python -m WorldModels.evaluate carracing --controller.generation 418   # the mean of a kept
    generation

One drive a track of CarRacing, under the lap rule "every tile", gives both scores: until the rule
"95 % of the tiles" would
end it, both drives are one and the same. Beside the driver stand policies that do not look
(--evaluate.baselines), and where
it was evolved in a dream, its dreams and theirs, its real games generation by generation, its games
with its eyes bound, and
how true the dream is. Each result is kept as it comes, so an interrupted test goes on where it
stopped.
"""

from WorldModels.assembly.evaluation.examiner import (
    ANOTHER,
    BOUND,
    DRIVER,
    SHOWN_GAMES,
    Examiner,
    examined,
)
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import hash_files, read_json, write_json
from WorldModels.experiment.run import Run


def evaluate(run: Run) -> None:
    """Have the driver's scores in evaluation.json, with videos and curves; print the table."""
    from WorldModels.assembly.evaluation.scorecard import draw, report_of, show

    models = [run.need("vision.keras", "train_vision"), run.need("memory.keras", "train_memory")]
    examiner, env = _examiner(run), run.experiment.env
    inputs = {
        "controller": hash_files([examiner.controllers[DRIVER]]),
        "vision, memory": hash_files(models),
        "environment": f"{env.id}, {env.max_steps} steps",
    }
    if examiner.dream:
        inputs["dream"] = ", ".join(
            f"{name} {value}" for name, value in sorted(examiner.dream.how.items())
        )
    wanted = _wanted(run, examiner)
    stage, report_file = run.stage("evaluation", inputs), run.path / "evaluation.json"
    report = read_json(report_file) if stage.complete else None
    if report and _covers(report, examiner):
        run.say("evaluate: this driver's scores are there already.")
        return show(run, report)
    stage.begin()
    rows = examined(run, examiner, wanted, run.path / "evaluation")
    report = report_of(run, examiner, rows)
    draw(run, report)
    _film(run, examiner, report)
    write_json(report_file, report)
    stage.finish()
    show(run, report)


def _covers(report: dict, examiner: Examiner) -> bool:
    """Whether the report has all generations that are there by now, and the form that it has today."""
    shown = {DRIVER, *(str(point["generation"]) for point in report.get("curve", []))}
    return "baselines" in report and shown == set(examiner.controllers)


def _examiner(run: Run) -> Examiner:
    """Who plays; all that can be refused is refused here."""
    from WorldModels.assembly.evaluation.curve import evolved_in, kept_means, world_of
    from WorldModels.assembly.worlds import controller_file, dream_world
    from WorldModels.control.controller import Controller
    from WorldModels.episodes.episode import list_episodes

    experiment, drivers = run.experiment, {DRIVER: controller_file(run)}
    if world_of(run) == "real":
        return Examiner(run.path, experiment.env, drivers)
    shape = Controller.load(drivers[DRIVER])[0]
    dream = dream_world(
        run.path, experiment, features=shape.features, max_steps=experiment.env.max_steps
    )
    dream(
        1
    )  # opened once here, so that an M that lacks what the dream needs is refused before anything is written
    if experiment.evaluate.curve_games:
        drivers |= kept_means(evolved_in(run))
    return Examiner(
        run.path,
        experiment.env,
        drivers,
        dream,
        tuple(list_episodes(run.path / "episodes")[:SHOWN_GAMES]),
    )


def _wanted(run: Run, examiner: Examiner) -> list[tuple[str, str, int]]:
    """All episodes of the test: (kind, driver, number)."""
    from WorldModels.assembly.evaluation.gates import baseline_names

    settings = run.experiment.evaluate
    baselines = baseline_names(settings.baselines)
    plan = [("tracks", DRIVER, settings.tracks)]
    if examiner.dream:
        plan += [
            ("curve", driver, settings.curve_games)
            for driver in examiner.controllers
            if driver != DRIVER
        ]
        plan += [
            ("tracks", bound, settings.baseline_tracks)
            for bound in BOUND
            if bound != ANOTHER or examiner.shown
        ]
    plan += [("tracks", policy, settings.baseline_tracks) for policy in baselines]
    if examiner.dream:
        plan += [("dreams", driver, settings.dreams) for driver in (DRIVER, *baselines)]
    return [(kind, driver, n) for kind, driver, count in plan for n in range(count)]


def _film(run: Run, examiner: Examiner, report: dict) -> None:
    from WorldModels.assembly.evaluation.films import film_dream, film_games, frames_a_second

    rule = f"lap rule {run.experiment.env.lap_complete}"
    rule = rule if rule in report["scores"] else "return"
    report["filmed"] = film_games(run, examiner, report["scores"][rule]["tracks"], rule)
    if examiner.dream:
        game = examiner.bare(run.experiment.env.lap_complete, "fast")
        report["filmed_dream"] = film_dream(run, examiner, frames_a_second(game))
        game.close()


def main(argv: list[str] | None = None) -> None:
    run_verb("evaluate", evaluate, argv, __doc__)


if __name__ == "__main__":
    main()
