"""Runs an evolution generation by generation, and saves everything after each.

    ask -> score -> tell -> (score the mean on validation tracks)
        -> mean.npz, best.npz, generations/K.npz -> a row of generations.csv -> state.pkl

The mean of every generation is kept, as far as kept.py allows.

A run can be killed at any moment and gives the same numbers when it continues. state.pkl is written
last: whatever a killed generation wrote before it is overwritten with the same numbers, or removed.
"""

import math
import pickle
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from WorldModels.control.controller import Controller
from WorldModels.control.kept import MOST_BYTES, stride, thin
from WorldModels.control.search_state import load_state, with_sum
from WorldModels.experiment.files import atomic
from WorldModels.experiment.rows import append_row, read_rows, write_rows


@dataclass
class Progress:
    """How far the evolution has come.

    Attributes:
        generation: generations completed.
        frames: training steps of the environment; validation does not count.
        seconds: wall time, over all resumes.
        best: highest validation score of a mean.
        best_generation: the generation of that mean.
    """

    generation: int = 0
    frames: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_generation: int = 0


@dataclass
class Generations:
    """An evolution that is saved in a folder.

    Attributes:
        folder: where everything is written.
        controller: the shape of the drivers.
        evolution: a new Strategy; replaced by the one saved in the folder, if there is one.
        settings: experiment.settings.controller.ControllerSettings: budgets, rollouts, schedules.
        score: (parameters (P, N), generation from 0, rollouts, heard) -> returns (P, R), steps
            played (P, R); calls heard(steps) as episodes finish.
        validate: parameters (N,) -> returns (n,) on validation tracks.
        write_event: receives every row (a dict with generation and frames), for TensorBoard.
        say: prints a line.
        patience: stop after this many validations without a higher score; 0: never.
    """

    folder: Path
    controller: Controller
    evolution: Any
    settings: Any
    score: Callable[..., tuple[np.ndarray, np.ndarray]]
    validate: Callable[[np.ndarray], np.ndarray]
    write_event: Callable[[dict], None] = lambda row: None
    say: Callable[[str], None] = print
    patience: int = 0

    def __post_init__(self):
        self.progress = Progress()
        state = load_state(self.folder)
        if state is not None:
            self.evolution, self.progress = state
        _cut_rows(self.folder / "generations.csv", self.progress.generation, self.say)

    @property
    def share(self) -> float:
        """Share of the budget that is spent; 1 or more once all of it is."""
        s, p = self.settings, self.progress
        return max(
            p.frames / s.steps if s.steps else 0.0,
            p.generation / s.generations if s.generations else 0.0,
        )

    @property
    def finished(self) -> bool:
        """Whether the budget is spent, the target reached, or patience exhausted."""
        p = self.progress
        waited = (p.generation - p.best_generation) // self.settings.validation_every
        exhausted = 0 < self.patience <= waited and p.best_generation > 0
        return self.share >= 1 or p.best >= self.settings.target_return or exhausted

    def run(self, show: bool = True) -> Progress:
        """Continue until the search is finished."""
        mean = self.folder / "mean.npz"
        if not mean.exists():  # a run stopped in its first generation has a driver too
            self.controller.save(mean, self.evolution.mean, generation=0, frames=0)
        by_steps = self.settings.steps > 0
        with self._bar(show, by_steps) as bar:
            while not self.finished:
                row = self._generation(lambda steps: bar.update(steps if by_steps else 0))
                best = f"{self.progress.best:.0f}" if math.isfinite(self.progress.best) else "-"
                bar.set_postfix_str(
                    f"generation {row['generation']}, mean {row['mean']:.0f}, best {best}",
                    refresh=False,
                )
                bar.update(not by_steps)
        self._mend_best()
        return self.progress

    def _mend_best(self) -> None:
        """Restore best.npz from the same generation's mean if it was damaged meanwhile.

        Raises:
            ValueError: that is damaged too.
        """
        best = self.folder / "best.npz"
        try:
            self.controller.load(best)
            return
        except FileNotFoundError:  # no mean was validated yet
            return
        except ValueError as error:
            self.say(str(error))
        kept = self.folder / "generations" / f"{self.progress.best_generation}.npz"
        self.controller.load(kept)
        with atomic(best) as temporary:
            shutil.copyfile(kept, temporary)
        self.say(f"{best}: restored from {kept}.")

    def _bar(self, show: bool, by_steps: bool) -> tqdm:
        total = self.settings.steps if by_steps else self.settings.generations
        done = self.progress.frames if by_steps else self.progress.generation
        hidden = {} if show else {"disable": True}  # a bar that is shown obeys TQDM_DISABLE
        return tqdm(
            total=total,
            initial=min(done, total),
            unit="step" if by_steps else "generation",
            unit_scale=by_steps,
            desc="controller",
            smoothing=0.05,
            mininterval=0.5,
            **hidden,
        )

    def _generation(self, heard: Callable[[int], None]) -> dict:
        started, s, p = time.monotonic(), self.settings, self.progress
        annealing = s.sigma_schedule == "anneal" and self.share >= s.anneal_start
        if annealing:
            self.evolution.anneal(self.share, s.anneal_start, s.sigma_final)
        rollouts = s.late_rollouts if annealing and s.late_rollouts else s.rollouts
        sigma = self.evolution.sigma
        returns, lengths = self.score(self.evolution.ask(), p.generation, rollouts, heard)
        self.evolution.tell(returns.mean(1))
        p.generation += 1
        p.frames += int(lengths.sum())
        row = self._row(returns.mean(1), lengths.mean(1), sigma, rollouts)
        self._keep(row)
        p.seconds += time.monotonic() - started
        row["elapsed_seconds"] = round(p.seconds, 2)
        self._write(row)
        return row

    def _row(self, returns: np.ndarray, lengths: np.ndarray, sigma: float, rollouts: int) -> dict:
        """The original's nine columns (hardmaru train.py, .hist.json), then ours.

        The elapsed seconds and the validation score are filled in later.
        """
        p = self.progress
        return {
            "generation": p.generation,
            "elapsed_seconds": 0.0,
            "mean": round(float(returns.mean()), 4),
            "min": round(float(returns.min()), 4),
            "max": round(float(returns.max()), 4),
            "std": round(float(returns.std()), 4),
            "sigma_rms": float(f"{self.evolution.sigma_rms:.6g}"),
            "mean_steps": round(float(lengths.mean()), 2),
            "max_steps": round(float(lengths.max()), 2),
            "wall_time": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "frames": p.frames,
            "sigma": float(f"{sigma:.6g}"),
            "rollouts": rollouts,
            "validation": "",
            "validation_sd": "",
        }

    def _keep(self, row: dict) -> None:
        """Save the mean under every name that is due, validated first if validation is due."""
        s, p, mean = self.settings, self.progress, self.evolution.mean
        facts = {"generation": p.generation, "frames": p.frames, "sigma": self.evolution.sigma}
        last = self.share >= 1
        if last or p.generation % s.validation_every == 0:
            facts |= self._validated(row, mean)
            if facts["validation"] > p.best:
                p.best, p.best_generation = facts["validation"], p.generation
                self.controller.save(self.folder / "best.npz", mean, **facts)
        self.controller.save(self.folder / "mean.npz", mean, **facts)
        n = self._thinned(p.generation)
        if last or p.generation % n == 0 or p.best >= s.target_return:
            self.controller.save(self.folder / "generations" / f"{p.generation}.npz", mean, **facts)

    def _thinned(self, generation: int) -> int:
        """Remove kept means where there are too many by now; return which are kept: every n-th."""
        before, n = (
            stride(g, self.controller.num_parameters) for g in (generation - 1, generation)
        )
        if n > before:
            thin(self.folder / "generations", n)
        if n > before == 1:
            self.say(
                f"generations/ has reached {MOST_BYTES // 10**6} MB: every {n}nd generation's mean "
                "is kept from here on, and half as many each time it is full again."
            )
        return n

    def _validated(self, row: dict, mean: np.ndarray) -> dict[str, float]:
        """Score the mean (N,) on the validation tracks; the score also goes into the row."""
        scores = np.asarray(self.validate(mean), np.float64)
        score, spread = float(scores.mean()), float(scores.std())
        row["validation"], row["validation_sd"] = round(score, 4), round(spread, 4)
        return {
            "validation": score,
            "validation_sd": spread,
            "validation_rollouts": len(scores),
        }

    def _write(self, row: dict) -> None:
        append_row(self.folder / "generations.csv", row)
        with atomic(self.folder / "state.pkl") as temporary:
            temporary.write_bytes(with_sum(pickle.dumps((self.evolution, self.progress), 5)))
        self.write_event(
            {name: value for name, value in row.items() if value != "" and name != "wall_time"}
        )


def _cut_rows(path: Path, last: int, say: Callable[[str], None]) -> None:
    """Drop rows of generations after `last`: killed before state.pkl was written."""
    rows = read_rows(path, ("generation",), say)
    kept = [row for row in rows if int(row["generation"]) <= last]
    if len(kept) < len(rows):
        write_rows(path, kept)
