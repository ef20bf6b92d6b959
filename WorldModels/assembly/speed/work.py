"""How much work each stage of a run is: from its settings, the facts of its game, its episodes.

The work of V and M is exact once the episodes are recorded, and that of a search by its budget of
steps. How long a game lasts that a trained driver plays is a fact of the game; how long a blind
policy's lasts is measured, or read from the episodes.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from WorldModels.assembly.evaluation.baselines import baseline_names
from WorldModels.assembly.evaluation.curve import MOST
from WorldModels.assembly.evaluation.examiner import BLINDFOLDS
from WorldModels.assembly.evaluation.tasks import (
    CALIBRATING_DREAMS,
    LANES,
    MOST_GAMES,
    TEMPERATURES,
)
from WorldModels.assembly.speed.paces import BLIND, BY_DRIVER, RECORDED, TESTED, Trial
from WorldModels.assembly.speed.recorded import Recorded, recorded_in
from WorldModels.control.policies import drivers
from WorldModels.episodes.split import split
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import iterations_in

LAST = 10  # generations whose episodes say how long those to come will be

Games = tuple[float, float]  # number of episodes, steps of each


@dataclass(frozen=True)
class Part:
    """Some episodes.

    Attributes:
        episodes: their number.
        frames: in all, one more than steps in each.
    """

    episodes: int
    frames: float


@dataclass(frozen=True)
class Search:
    """A search in the real world.

    Attributes:
        generations: their number.
        episodes: of all candidates.
        steps: of each.
    """

    generations: float
    episodes: float
    steps: float


@dataclass(frozen=True)
class Work:
    """The work of a run's stages.

    Attributes:
        experiment: all settings.
        folder: the run's.
    """

    experiment: Experiment
    folder: Path

    @cached_property
    def there(self) -> dict[int, Recorded]:
        """Iteration -> its episodes, where there are any."""
        places = {k: self.folder / str(k) / "episodes" for k in iterations_in(self.folder)}
        found = {k: recorded_in(place) for k, place in places.items()}
        return {k: recorded for k, recorded in found.items() if recorded}

    @property
    def driven(self) -> float:
        """Steps of a game that a trained driver plays."""
        longest = self.experiment.env.max_steps
        return min(game_of(self.experiment.env.id).driven_steps or longest, longest)

    def shares(self, iteration: int) -> dict[str, float]:
        """Who drives in a recording, and the share of its episodes."""
        share = self.experiment.iterate.controller_share
        return drivers(self.experiment.record.policies, share, iteration)

    def recordings(self, trial: Trial, iteration: int) -> dict[str, Games]:
        """Pace -> the episodes to record."""
        record, by_driver = self.experiment.record, self.shares(iteration).get("controller", 0.0)
        longest = record.max_frames
        driven = longest if record.full_episode else min(self.driven, longest)
        return {
            RECORDED: (record.episodes * (1 - by_driver), trial.recorded),
            BY_DRIVER: (record.episodes * by_driver, driven),
        }

    def recorded(self, trial: Trial, iteration: int) -> Part:
        """The episodes of an iteration, once all are recorded."""
        if not (there := self.there.get(iteration)):
            games = self.recordings(trial, iteration).values()
            frames = sum(count * (steps + 1) for count, steps in games)
            return Part(self.experiment.record.episodes, frames)
        count = max(self.experiment.record.episodes, len(there.paths))
        return Part(count, there.frames() * count / len(there.paths))

    def seen(self, iteration: int) -> range:
        """The iterations whose episodes an iteration's V and M train on."""
        earlier = self.experiment.iterate.episodes == "all"
        return range(0 if earlier else iteration, iteration + 1)

    def encoded(self, trial: Trial, iteration: int) -> Part:
        """The episodes that an iteration's V encodes: those to train on and those held out."""
        parts = [self.recorded(trial, k) for k in self.seen(iteration)]
        return Part(sum(part.episodes for part in parts), sum(part.frames for part in parts))

    def parts(self, trial: Trial, iteration: int) -> tuple[Part, Part]:
        """The episodes that V and M train on, and those held out."""
        seen, wanted = self.seen(iteration), self.experiment.record.episodes
        if all(k in self.there and len(self.there[k].paths) >= wanted for k in seen):
            paths = [path for k in seen for path in self.there[k].paths]
            found = split(paths, self.folder / str(iteration), "vision", self.experiment)
            of_folder = {self.there[k].folder: self.there[k] for k in seen}
            frames = [sum(of_folder[p.parent].frames([p]) for p in part) for part in found]
            return Part(len(found[0]), frames[0]), Part(len(found[1]), frames[1])
        share, both = self.experiment.record.held_out_share, self.encoded(trial, iteration)
        least = len(seen) if share > 0 else 0
        out = min(max(round(both.episodes * share), least), max(both.episodes - 1, 0))
        frames = both.frames * out / both.episodes
        return Part(both.episodes - out, both.frames - frames), Part(out, frames)

    def vision(self, trial: Trial, iteration: int) -> tuple[int, int]:
        """Steps and epochs of V's training, as in train_vision."""
        s, (training, _) = self.experiment.vision, self.parts(trial, iteration)
        batches = max(round(training.frames) // s.batch_size, 1)
        continues = iteration > 0 and self.experiment.iterate.networks == "previous"
        steps = max(s.epochs * batches // (len(self.seen(iteration)) if continues else 1), 1)
        return steps, -(-steps // batches)

    def memory(self, trial: Trial, iteration: int) -> tuple[int, int]:
        """Steps and epochs of M's training, as in train_memory."""
        s, epoch = self.experiment.memory, max(trial.memory_epoch.get(iteration, 1), 1)
        steps = s.epochs * epoch if s.epochs else s.steps
        return steps, -(-steps // epoch)

    def searched(self, iteration: int) -> float:
        """Steps of an episode of the search: those of its last generations, else the game's."""
        file = self.folder / str(iteration) / "controller" / "generations.csv"
        rows = read_rows(file, ("mean_steps",))
        if rows and self.experiment.controller.world != "dream":
            return float(np.mean([float(row["mean_steps"]) for row in rows[-LAST:]]))
        stopped = self.experiment.controller.hopeless_steps > 0
        return self.driven * (game_of(self.experiment.env.id).stopped_share if stopped else 1.0)

    def search(self, iteration: int) -> Search:
        """The search in the real world, up to the budget that is spent first."""
        s, steps = self.experiment.controller, self.searched(iteration)
        annealed = s.sigma_schedule == "anneal" and s.late_rollouts > 0
        parts = [(s.anneal_start, s.rollouts), (1 - s.anneal_start, s.late_rollouts)]
        parts = parts if annealed else [(1.0, s.rollouts)]
        size = s.population_size
        by_steps = sum(s.steps * share / (size * rollouts * steps) for share, rollouts in parts)
        if s.generations and (not s.steps or s.generations < by_steps):
            episodes = sum(s.generations * share * size * rollouts for share, rollouts in parts)
            return Search(s.generations, episodes, steps)
        return Search(by_steps, s.steps / steps, steps)

    def dreams(self) -> tuple[int, int]:
        """Generations of the search in the dream, and all their dreams, with validation's."""
        s = self.experiment.dream
        validation = -(-s.generations // s.validation_every) * s.validation_rollouts
        return s.generations, s.generations * s.population_size * s.rollouts + validation

    def dream_steps(self, trial: Trial) -> tuple[float, float]:
        """The fewest steps that a dream credibly lasts, and the most.

        An M that can end a dream learned it from the recording: it is hardly ended sooner than a
        blind policy's game.
        """
        s = self.experiment.dream
        longest = s.max_steps or self.experiment.env.max_steps
        ends = self.experiment.memory.terminated_head and s.termination != "never"
        return (min(trial.terminated, longest) if ends else longest), longest

    def games(self, trial: Trial) -> dict[str, list[Games]]:
        """Pace -> the games of a test, in groups of equal length."""
        s = self.experiment.evaluate
        policies, tested = len(baseline_names(s.baselines)), [(s.tracks, self.driven)]
        if self.experiment.controller.world != "real":
            generations, every = self.dreams()[0], self.experiment.dream.validation_every
            kept = generations if generations <= MOST else min(-(-generations // every), MOST)
            blindfolded = len(BLINDFOLDS) * s.baseline_tracks
            tested += [(kept * s.curve_games, self.driven), (blindfolded, trial.blind)]
        return {TESTED: tested, BLIND: [(policies * s.baseline_tracks, trial.blind)]}

    def tasks(self) -> int:
        """Tasks of dreams in a test."""
        s = self.experiment.evaluate
        tasks = (1 + len(baseline_names(s.baselines))) * -(-s.dreams // LANES)
        return tasks if self.experiment.controller.world != "real" else 0

    def gates(self, trial: Trial) -> tuple[Games, int]:
        """The games before a search in the dream, and the tasks of dreams."""
        s = self.experiment.evaluate
        policies, halves = len(baseline_names(s.baselines)), 1 + self.experiment.dream.calibrate
        games = policies * halves * min(MOST_GAMES, s.baseline_tracks)
        return (games, trial.blind), policies * -(-2 * s.dreams // LANES)

    def calibration(self) -> int:
        """Steps of dreams to which the temperature and the threshold are fitted."""
        if not self.experiment.dream.calibrate:
            return 0
        policies = len(baseline_names(self.experiment.evaluate.baselines))
        return len(TEMPERATURES) * policies * CALIBRATING_DREAMS * self.experiment.env.max_steps
