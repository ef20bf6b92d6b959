"""Estimates how long each stage takes, from its work and the paces of a trial."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from WorldModels.assembly.evaluation import drivers
from WorldModels.assembly.speed.paces import BLIND, DRIVEN, Trial
from WorldModels.assembly.speed.work import Work
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import stage_facts
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import JUDGE, stage_settings

FIGURES, DREAM_FIGURES = 4, 3  # that evaluate draws; and for a driver evolved in a dream


@dataclass(frozen=True)
class Cost:
    """Seconds of a stage.

    Attributes:
        fixed: whenever it runs, however little is left of it.
        least, most: of all its work: a range where nobody knows its amount.
    """

    fixed: float
    least: float
    most: float

    def rest(self, left: float) -> tuple[float, float]:
        """The least and the most seconds that a share of its work takes; 0 if none is left."""
        if not left:
            return 0.0, 0.0
        return self.fixed + left * self.least, self.fixed + left * self.most


def costs(work: Work, trial: Trial, iteration: int = 0) -> dict[str, list[tuple[str, Cost]]]:
    """The cost of each stage of an iteration, in parts that begin one after the other.

    Args:
        work: of the run.
        trial: what was measured.
        iteration: its number.

    Returns:
        Stage -> (part, cost): a part is the stage's name, or DREAMS.
    """
    return {
        "episodes": [("episodes", _record(work, trial, iteration))],
        "vision": [("vision", _vision(work, trial, iteration))],
        "series": [("series", _series(work, trial, iteration))],
        "memory": _memories(work, trial, iteration),
        "controller": _controller(work, trial, iteration),
        "evaluation": [("evaluation", _evaluation(work, trial))],
    }


def _record(work: Work, trial: Trial, iteration: int) -> Cost:
    recordings = work.recordings(trial, iteration)
    played = sum(trial.played(name, *games) for name, games in recordings.items())
    summed = trial.pace("sum").seconds(work.recorded(trial, iteration).frames)
    return _exact(_start(trial, "workers"), played + summed)


def _vision(work: Work, trial: Trial, iteration: int) -> Cost:
    (steps, epochs), (_, held_out) = work.vision(trial, iteration), work.parts(trial, iteration)
    once = "keras", "vision", "vision epoch", "vision scored", "figures", "vision export"
    read = trial.pace("read").seconds(work.encoded(trial, iteration).frames)
    seen = min(held_out.frames, work.experiment.vision.max_validation_frames)
    epoch = trial.pace("vision epoch").each + seen * trial.pace("vision scored").each
    return _exact(_start(trial, *once) + read, steps * trial.pace("vision").each + epochs * epoch)


def _series(work: Work, trial: Trial, iteration: int) -> Cost:
    frames = work.encoded(trial, iteration).frames
    return _exact(_start(trial, "keras", "series"), frames * trial.pace("series").each)


def _memory(work: Work, trial: Trial, iteration: int) -> Cost:
    (steps, epochs), (_, held_out) = work.memory(trial, iteration), work.parts(trial, iteration)
    once = "keras", "memory", "memory scored", "baselines", "memory export"
    epoch = held_out.episodes * trial.pace("memory scored").each
    return _exact(_start(trial, *once), steps * trial.pace("memory").each + epochs * epoch)


def _memories(work: Work, trial: Trial, iteration: int) -> list[tuple[str, Cost]]:
    """The driver's M, and the judge if one is trained: as many steps, on half of the episodes."""
    cost = _memory(work, trial, iteration)
    return [("memory", cost), *[(JUDGE, cost)] * work.experiment.needs_judge]


DREAMS = "dreams"  # the part of the controller's search that happens in the dream


def _controller(work: Work, trial: Trial, iteration: int) -> list[tuple[str, Cost]]:
    world = work.experiment.controller.world
    parts = [(DREAMS, _dreams(work, trial))] if world != "real" else []
    return [*parts, ("controller", _search(work, trial, iteration))] if world != "dream" else parts


def _dreams(work: Work, trial: Trial) -> Cost:
    generations, dreams = work.dreams()
    (games, steps), tasks = work.gates(trial)
    gates = trial.played(BLIND, games, steps)
    lockstep, lanes = trial.pace("dreamt"), trial.pace("dream")
    own = generations * trial.pace("generation").each + work.calibration() * lanes.each
    spans = []
    for length in work.dream_steps(trial):
        shared = tasks * lockstep.seconds(length) / max(trial.processes, 1)
        spans.append(shared + dreams * length * lanes.each + own)
    return Cost(_start(trial, "keras", "workers") + gates + lanes.once, *spans)


def _search(work: Work, trial: Trial, iteration: int) -> Cost:
    search, s = work.search(iteration), work.experiment.controller
    tasks = search.episodes / max(search.generations, 1)
    driven = trial.played(DRIVEN, search.episodes, search.steps, tasks)
    validations = -(-search.generations // s.validation_every)
    episodes = validations * s.validation_rollouts
    driven += trial.played(DRIVEN, episodes, work.driven, s.validation_rollouts)
    own = search.generations * trial.pace("generation").each
    return _exact(_start(trial, "workers"), driven + own)


def _evaluation(work: Work, trial: Trial) -> Cost:
    s, dreamt = work.experiment.evaluate, work.tasks()
    played = sum(
        trial.played(name, *games) for name, some in work.games(trial).items() for games in some
    )
    length = sum(work.dream_steps(trial)) / 2
    lockstep, figures = trial.pace("dreamt").seconds(length), trial.pace("figures")
    played += dreamt * lockstep / max(trial.processes, 1)
    films = s.video_tracks * trial.pace("film").seconds(work.driven)
    drawn = figures.seconds(FIGURES + DREAM_FIGURES * bool(dreamt))
    fixed = _start(trial, "workers") + films + drawn
    if dreamt:
        fixed += _start(trial, "keras") + trial.pace("dream film").seconds(length)
    return _exact(fixed, played)


def _start(trial: Trial, *once: str) -> float:
    """Seconds of a verb before its work, with what some kinds of work take once."""
    return sum(trial.pace(name).once for name in ("start", *once))


def _exact(fixed: float, seconds: float) -> Cost:
    return Cost(fixed, seconds, seconds)


def left(path: Path, experiment: Experiment, stage: str, part: str = "") -> float:
    """The share of a stage's work that remains.

    Args:
        path: the iteration's folder.
        experiment: all settings.
        stage: its name.
        part: of its work, see `costs`.

    Returns:
        From 1 to 0; 0 only if the stage is complete at the present budget.
    """
    own = JUDGE if part == JUDGE else stage
    facts, (_, budgets) = stage_facts(path, own) or {}, stage_settings(experiment, own)
    if experiment.force or not facts:
        return 1.0
    done = facts["budgets"]
    if facts["complete"] and all(_covers(done.get(k, 0), v) for k, v in budgets.items()):
        return 0.0
    return 1 - min(0.99, DONE[part or stage](path, experiment))


def _covers(done: Any, wanted: Any) -> bool:
    """Whether a spent budget covers the wanted one; those that are not numbers must be equal."""
    try:
        return float(done) >= float(wanted)
    except ValueError:
        return done == wanted


def _recorded(path: Path, experiment: Experiment) -> float:
    return len(list((path / "episodes").glob("*.npz"))) / experiment.record.episodes


def _encoded(path: Path, experiment: Experiment) -> float:
    return len(list((path / "series").glob("*.npz"))) / experiment.record.episodes


def _trained_vision(path: Path, experiment: Experiment) -> float:
    return len(read_rows(path / "vision.csv")) / experiment.vision.epochs


def _trained_memory(path: Path, experiment: Experiment, file: str = "memory.csv") -> float:
    rows, s = read_rows(path / file), experiment.memory
    if s.epochs:
        return len(rows) / s.epochs
    return float(rows[-1]["step"]) / s.steps if rows else 0.0


def _dreamt(path: Path, experiment: Experiment) -> float:
    folder = "controller/dream" if experiment.controller.world == "mixed" else "controller"
    rows = read_rows(path / folder / "generations.csv")
    return int(rows[-1]["generation"]) / experiment.dream.generations if rows else 0.0


def _evolved(path: Path, experiment: Experiment) -> float:
    rows, s = read_rows(path / "controller" / "generations.csv"), experiment.controller
    if not rows:
        return 0.0
    by_steps = int(rows[-1]["frames"]) / s.steps if s.steps else 0.0
    return max(by_steps, int(rows[-1]["generation"]) / s.generations if s.generations else 0.0)


def _tested(path: Path, experiment: Experiment) -> float:
    """The share of the games of the driver and of the blind policies."""
    s = experiment.evaluate
    folder = drivers.folder_of(path, drivers.evaluation_name(experiment.controller.generation))
    games = s.tracks + len(s.baselines.split(",")) * s.baseline_tracks
    return len(read_rows(folder / "tracks.csv")) / games


# Stage, or part of one -> the share of its work that is done.
DONE = {
    "episodes": _recorded,
    "vision": _trained_vision,
    "series": _encoded,
    "memory": _trained_memory,
    JUDGE: partial(_trained_memory, file="judge.csv"),
    DREAMS: _dreamt,
    "controller": _evolved,
    "evaluation": _tested,
}
