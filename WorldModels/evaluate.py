"""The test: the driver on tracks that chose nothing, in the official environment -> evaluation.json, videos, curves.

    python -m WorldModels.evaluate carracing                               # the best driver on 100 test tracks
    python -m WorldModels.evaluate carracing --controller.generation 418   # the mean of a kept generation

One drive a track, under the lap rule "every tile", gives both scores: until the rule "95 % of the tiles" would end it,
both drives are one and the same. Each track's result is kept as it comes, so an interrupted test goes on where it stopped;
a track's result follows from its seed and the driver alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import append_row, hash_files, read_json, read_rows, write_json
from WorldModels.experiment.results import Run
from WorldModels.experiment.settings import EnvSettings

FIRST_SEED = 5_000_000  # of the test tracks; nothing else in the project draws from here on
RENDERER = "exact"  # the official picture bit for bit (tests/test_carracing.py), drawn faster; scores never come from `fast`
DRIVER, BASELINE = "controller", "cauchy"  # the second is the paper's random policy: see control/policies.py
LAP_RULES = {"lap rule 0.95": "095", "lap rule 1.0": "100"}  # CarRacing-v3's own, and v0's, which the paper scores by
HISTORY = {"vision": "vision.csv", "memory": "memory.csv", "generations": "controller/generations.csv"}


@dataclass(frozen=True)
class Examiner:
    """Makes, in a worker process, a function from (driver, track) to a row of tracks.csv; picklable.

    Attributes:
        folder: the iteration's folder with V and M.
        controller: the driver's file.
        env: settings of the environment; renderer and lap rule are replaced.
    """

    folder: Path
    controller: Path
    env: EnvSettings

    def __call__(self) -> Callable[[tuple[str, int]], dict]:
        from WorldModels.control.rollout import rollout

        worlds = {}

        def drive(task: tuple[str, int]) -> dict:
            driver, track = task
            if driver not in worlds:
                worlds[driver] = self.world(driver)
            seed = FIRST_SEED + track
            result = rollout(*worlds[driver], seed, self.env.max_steps)
            return {"driver": driver, "track": track, "seed": seed, "return_095": result.return_095, "return_100": result.return_,
                    "lap_095": int(result.lap_095), "lap_100": int(result.lap), "steps": result.length}  # fmt: skip

        return drive

    def world(self, driver: str, lap_complete: str = "1.0"):
        """The official world for a driver, and the driver: (Gymnasium environment, policy)."""
        from WorldModels.control.policies import POLICIES
        from WorldModels.worlds import driven

        world = self.bare(lap_complete, RENDERER)
        if driver == DRIVER:
            return driven(world, self.controller, self.folder)
        return world, POLICIES[driver](world.action_space.shape[0])

    def bare(self, lap_complete: str, renderer: str):
        """The world without V and M."""
        from WorldModels.worlds import real_world

        return real_world(self.folder, replace(self.env, renderer=renderer, lap_complete=lap_complete))()


def evaluate(run: Run) -> None:
    """Drive the test tracks, and write the scores, the videos and the curves; print the table."""
    from WorldModels.worlds import controller_file

    models = [run.need("vision.keras", "train_vision"), run.need("memory.keras", "train_memory")]
    examiner = Examiner(run.path, controller_file(run), run.experiment.env)
    env = run.experiment.env
    inputs = {"controller": hash_files([examiner.controller]), "vision, memory": hash_files(models),
              "environment": f"{env.id}, {env.max_steps} steps"}  # fmt: skip
    stage = run.stage("evaluation", inputs)
    report_file = run.path / "evaluation.json"
    if stage.complete and report_file.exists():
        run.say("evaluate: this driver's scores are there already.")
        return _show(run, read_json(report_file))
    stage.begin()
    rows = _drive(run, examiner)
    report = _report(run, examiner.controller, rows)
    _draw(run, report)
    report["filmed"] = _film(run, examiner, report)
    write_json(report_file, report)
    stage.finish()
    _show(run, report)


def _drive(run: Run, examiner: Examiner) -> list[dict]:
    """The rows of all tracks that the settings ask for; those that are not there yet are driven."""
    from tqdm import tqdm

    from WorldModels.control.executors import Executor, cores

    settings, file = run.experiment.evaluate, run.path / "evaluation" / "tracks.csv"
    wanted = [(DRIVER, i) for i in range(settings.tracks)] + [(BASELINE, i) for i in range(settings.baseline_tracks)]
    rows = {(row["driver"], int(row["track"])): row for row in read_rows(file)}
    missing = [task for task in wanted if task not in rows]
    if missing:
        workers = min(run.experiment.workers or cores(), len(missing))
        bar = tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="track", desc="evaluate", smoothing=0.05)
        with Executor(examiner, workers, say=run.say) as executor, bar:
            for task, row in executor.map_unordered((task, task) for task in missing):
                append_row(file, row)
                rows[task] = row
                bar.update()
    return [rows[task] for task in wanted]


def _report(run: Run, controller: Path, rows: list[dict]) -> dict:
    """What evaluation.json holds, without the film."""
    from WorldModels.control.controller import Controller

    shape, _, facts = Controller.load(controller)
    experiment = run.experiment
    return {
        "controller": {"file": str(controller.relative_to(run.path)), "generation": _whole(facts.get("generation")),
                       "training_steps": _whole(facts.get("frames")), "validation": facts.get("validation"),
                       "validation_rollouts": _whole(facts.get("validation_rollouts")), "features": shape.features,
                       "latent": shape.latent, "num_hidden": shape.num_hidden, "num_parameters": shape.num_parameters,
                       "sha256": hash_files([controller])},
        "experiment": experiment.name, "scale": experiment.scale, "seed": experiment.seed, "iteration": run.iteration,
        "environment": {"id": experiment.env.id, "renderer": RENDERER, "max_steps": experiment.env.max_steps},
        "first_seed": FIRST_SEED,
        "scores": _scores(run, [row for row in rows if row["driver"] == DRIVER]),
        "baseline": {"policy": BASELINE, "scores": _scores(run, [row for row in rows if row["driver"] == BASELINE])},
    }  # fmt: skip


def _scores(run: Run, rows: list[dict]) -> dict[str, dict]:
    from WorldModels.figures.scores import summary

    scores = {}
    for name, suffix in LAP_RULES.items() if run.experiment.env.id.startswith("CarRacing") else [("return", "100")]:
        returns = [float(row[f"return_{suffix}"]) for row in rows]
        laps = sum(int(row[f"lap_{suffix}"]) for row in rows) / len(rows) if name != "return" else None
        scores[name] = summary(returns) | {"laps": laps, "tracks": returns}
    return scores


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _film(run: Run, examiner: Examiner, report: dict) -> list[dict]:
    """Film the tracks that stand for all: the one nearest the median first, then from the worst to the best."""
    from WorldModels.figures.scores import nearest_quantiles

    rule = f"lap rule {run.experiment.env.lap_complete}"
    rule = rule if rule in report["scores"] else "return"
    scores, films = report["scores"][rule]["tracks"], []
    for track in nearest_quantiles(scores, run.experiment.evaluate.video_tracks):
        why = "from the lowest score to the highest" if films else "the score nearest the median"
        files = _film_track(run, examiner, track, f"evaluation/{track:03}-" if films else "", not films)
        films.append({"track": track, "seed": FIRST_SEED + track, "rule": rule, "score": scores[track], "why": why, "files": files})
    return films


def _film_track(run: Run, examiner: Examiner, track: int, prefix: str, first: bool) -> list[str]:
    """Drive a track once more: what a person sees, and what V makes of the frames that it sees; give the files' names."""
    from WorldModels.control.rollout import rollout
    from WorldModels.figures import videos
    from WorldModels.opened import open_reconstruction

    lap_complete = run.experiment.env.lap_complete
    world, policy = examiner.world(DRIVER, lap_complete)
    episode = rollout(world, policy, FIRST_SEED + track, examiner.env.max_steps, keep="episode").episode
    clips = {"real": episode.observations, "reconstructed": open_reconstruction(run.path)(episode.observations)}
    fps = world.metadata.get("render_fps", 50)
    names = [f"{prefix}{name}" for name in ("real.mp4", "reconstructed.mp4", "reconstructed.gif")]
    real, rebuilt, gif = (run.path / name for name in names)
    videos.write_mp4(real, _seen_by_a_person(examiner.bare(lap_complete, "fast"), episode), fps)
    videos.write_mp4(rebuilt, videos.side_by_side(clips), fps)
    videos.write_gif(gif, videos.side_by_side(clips, scale=3), fps)
    if run.experiment.evaluate.frames and first:
        names.append("evaluation/frames")
        videos.write_pngs(run.path / names[-1], videos.side_by_side(clips))
    return names


def _seen_by_a_person(world, episode) -> Iterator[np.ndarray]:
    """A drive repeated in the bare world, with the picture that the environment renders for people."""
    from tqdm import tqdm

    world.reset(seed=episode.seed)
    yield world.render()
    for action in tqdm(episode.actions, unit="frame", desc="film"):
        world.step(action)
        yield world.render()


def _draw(run: Run, report: dict) -> None:
    """The learning curves of every stage whose history is there, and how the scores spread."""
    from WorldModels.figures import curves

    solved = curves.SOLVED if run.experiment.env.id.startswith("CarRacing") else None
    draw = {"vision": curves.vision_curves, "memory": curves.memory_curves,
            "generations": lambda rows: curves.generation_curves(rows, solved)}  # fmt: skip
    for name, history in HISTORY.items():
        rows = read_rows(run.path / history)
        if rows:
            curves.save(draw[name](rows), run.path / "figures" / f"{name}.png")
    rule = next(iter(report["scores"]))
    spread = {f"driver, {rule}": report["scores"][rule]["tracks"], f"random ({BASELINE})": report["baseline"]["scores"][rule]["tracks"]}
    curves.save(curves.score_histogram(spread), run.path / "figures" / "scores.png")


def _show(run: Run, report: dict) -> None:
    """Print the table, and where everything lies; the videos last."""
    from WorldModels.figures.iterations import comparison
    from WorldModels.figures.scores import table

    baseline = report["baseline"]
    rows = report["scores"] | {f"random ({baseline['policy']})": next(iter(baseline["scores"].values()))}
    driver, n = report["controller"], next(iter(report["scores"].values()))["n"]
    steps = f", {driver['training_steps']:,} training steps" if driver["training_steps"] else ""
    run.say(f"{driver['file']}: generation {driver['generation']}{steps}; {n} test tracks from seed {report['first_seed']} on, "
            f"official {report['environment']['id']}\n")  # fmt: skip
    run.say(table(rows))
    if beside := comparison(run.folder, run.iteration):
        run.say(f"\n{beside}")
    run.say(f"\nEverything lies in {run.path}: evaluation.json (scores), evaluation/tracks.csv (each track), figures/ (curves).")
    for each in report["filmed"]:
        run.say(f"Filmed: test track {each['track']}, {each['score']:.1f} under {each['rule']}; {each['why']}.")
    for file in [file for each in report["filmed"] for file in each["files"]]:
        run.say(f"  {run.path / file}")


def main(argv: list[str] | None = None) -> None:
    run_verb("evaluate", evaluate, argv, __doc__)


if __name__ == "__main__":
    main()
