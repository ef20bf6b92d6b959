"""Test a driver on test tracks -> evaluation/DRIVER: scores, videos; the best one's in 0/ too.

    python -m WorldModels.evaluate carracing                              # the best mean
    python -m WorldModels.evaluate carracing --controller.generation 418  # a kept generation's mean
    python -m WorldModels.evaluate carracing --evaluate.seeds final       # games never seen before

Games are played in the official environment. In CarRacing one drive per track, under the lap rule
"every tile", gives the scores of both lap rules: until the rule "95% of the tiles" would end it, a
drive is the same under either.

Test tracks played no part in training or choosing the driver. The report compares the driver with
blind policies (--evaluate.baselines). If it was evolved in a dream, the report adds all their
scores in dreams, real games of each kept generation, games of the blindfolded driver, and how
faithful the dream is. Each result is saved as it comes, so an interrupted test continues where it
stopped.
"""

from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.damage import check_series, checks
from WorldModels.experiment.files import hash_files, read_json, write_json
from WorldModels.experiment.lineage import require_own_memory, say_older_driver
from WorldModels.experiment.run import Run
from WorldModels.experiment.sums import WeightsSum


def evaluate(run: Run) -> None:
    """Score the driver in its evaluation.json, with videos and curves, and print the table."""
    from WorldModels.assembly.evaluation import drivers
    from WorldModels.assembly.evaluation.examination import examine
    from WorldModels.assembly.evaluation.plots import draw
    from WorldModels.assembly.evaluation.printout import show
    from WorldModels.assembly.evaluation.scorecard import report_of

    inputs, examiner = _inputs(run)
    wanted = _wanted(run, examiner)
    drivers.adopt_older(run.path)
    ours = run.experiment
    name = drivers.evaluation_name(ours.controller.generation, ours.evaluate.seeds)
    folder = drivers.folder_of(run.path, name)
    stage = run.stage("evaluation", inputs, drivers.stage_part(name))
    sound = stage.complete and stage.mend()
    report = read_json(folder / drivers.REPORT) if sound else None
    if report and _covers(report, examiner):
        drivers.copy_best(run.path, anew=False)
        run.say("evaluate: the scores of this driver are there already.")
        return show(run, report)
    stage.begin()
    how = {"workers": ours.workers, "say": run.say, "label": run.verb}
    rows = examine(examiner, wanted, folder, **how)
    report = report_of(run, examiner, rows)
    draw(run, report, (run.path if name == drivers.BEST else folder) / "figures")
    _film(run, examiner, report, folder)
    write_json(folder / drivers.REPORT, report)
    if name == drivers.BEST:
        drivers.copy_best(run.path)
    stage.finish()
    show(run, report)


def _inputs(run: Run):
    """What the test depends on, and the Examiner; what is damaged is refused."""
    from WorldModels.assembly.evaluation.examiner import DRIVER
    from WorldModels.assembly.opening import check_exports

    models = [run.need("vision.keras", "train_vision"), run.need("memory.keras", "train_memory")]
    require_own_memory(run)
    say_older_driver(run)
    check_exports(run.path)
    examiner, env = _examiner(run), run.experiment.env
    inputs = {
        "controller": hash_files([examiner.controllers[DRIVER]]),
        "vision, memory": WeightsSum(*models),
        "environment": f"{env.id}, {env.max_steps} steps",
    }
    if examiner.dream:
        how = sorted(examiner.dream.how.items())
        inputs["dream"] = ", ".join(f"{name} {value}" for name, value in how)
    return inputs, examiner


def _covers(report: dict, examiner) -> bool:
    """Whether the report is in the present format and covers all generations kept so far."""
    from WorldModels.assembly.evaluation.examiner import DRIVER

    covered = {DRIVER, *(str(point["generation"]) for point in report.get("curve", []))}
    return "baselines" in report and covered == set(examiner.controllers)


def _examiner(run: Run):
    """The Examiner; every refusal happens here."""
    from WorldModels.assembly.evaluation.curve import evolved_in, kept_means, world_of
    from WorldModels.assembly.evaluation.examiner import ANOTHER_GAMES, DRIVER, Examiner
    from WorldModels.assembly.evaluation.tasks import TESTED
    from WorldModels.assembly.worlds import controller_file, dream_world
    from WorldModels.control.controller import Controller
    from WorldModels.episodes.episode import list_episodes

    experiment, drivers = run.experiment, {DRIVER: controller_file(run)}
    env, tested = experiment.env, TESTED[experiment.evaluate.seeds]
    if world_of(run.path, experiment) == "real":
        return Examiner(run.path, env, drivers, tested=tested)
    features = Controller.load(drivers[DRIVER])[0].features
    dream = dream_world(run.path, experiment, features=features, max_steps=env.max_steps)
    dream(1)  # refuses an M that lacks what the dream needs, before anything is written
    if experiment.evaluate.curve_games:
        drivers |= kept_means(evolved_in(run.path, experiment))
    folder = run.path / "episodes"
    shown, check = list_episodes(folder)[:ANOTHER_GAMES], checks(folder)
    for path in shown:
        check(path)
    check_series(run.path)  # on which the dream is measured
    return Examiner(run.path, env, drivers, dream, tuple(shown), tested)


def _wanted(run: Run, examiner) -> list[tuple[str, str, int]]:
    """All episodes of the test: (kind, driver, number)."""
    from WorldModels.assembly.evaluation.baselines import baseline_names
    from WorldModels.assembly.evaluation.examiner import ANOTHER, BLINDFOLDS, DRIVER

    settings = run.experiment.evaluate
    baselines, tested = baseline_names(settings.baselines), examiner.tested
    plan = [(tested, DRIVER, settings.tracks)]
    if examiner.dream:
        generations = [driver for driver in examiner.controllers if driver != DRIVER]
        blindfolds = [name for name in BLINDFOLDS if name != ANOTHER or examiner.shown]
        plan += [("curve", generation, settings.curve_games) for generation in generations]
        plan += [(tested, name, settings.baseline_tracks) for name in blindfolds]
    plan += [(tested, policy, settings.baseline_tracks) for policy in baselines]
    if examiner.dream:
        plan += [("dreams", driver, settings.dreams) for driver in (DRIVER, *baselines)]
    return [(kind, driver, n) for kind, driver, count in plan for n in range(count)]


def _film(run: Run, examiner, report: dict, folder: Path) -> None:
    """Film games, and a dream if the driver was evolved in one; note the films in the report."""
    from WorldModels.assembly.evaluation.films import film_dream, film_games

    rule = run.experiment.env.rule
    report["filmed"] = film_games(run, examiner, report["scores"][rule]["tracks"], rule, folder)
    if examiner.dream:
        report["filmed_dream"] = film_dream(run, examiner, folder)


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("evaluate", evaluate, argv, __doc__)


if __name__ == "__main__":
    main()
