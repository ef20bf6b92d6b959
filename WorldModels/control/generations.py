"""Generation after generation, on disk after each: a run killed at any moment goes on to identical
numbers.

    ask -> score -> tell -> (score the mean on validation tracks) -> mean.npz, best.npz,
    generations/K.npz
        -> a row of generations.csv -> state.pkl

state.pkl comes last. What was written after it by a generation that was killed is written again,
identically, or cut off.
Knows the world only as the functions that score a population in it.
"""

import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from WorldModels.control.controller import Controller
from WorldModels.experiment.files import append_row, atomic, read_rows


@dataclass
class Progress:
    """How far the evolution has come.

    Attributes:
        generation: generations told.
        frames: training steps of the environment; validation does not count.
        seconds: wall time, over all resumes.
        best, best_generation: highest validation score of a mean, and whose it was.
    """

    generation: int = 0
    frames: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_generation: int = 0


@dataclass
class Generations:
    """An evolution in a folder.

    Attributes:
        folder: where everything is written.
        controller: the shape of the drivers.
        evolution: a fresh one (ask, tell, anneal, mean, sigma, sigma_rms); replaced by the folder's
            where there is one.
        settings: experiment.settings.ControllerSettings: budgets, rollouts, schedules.
        score: (parameters (P, N), generation from 0, rollouts, heard) -> returns (P, R), steps
            played (P, R);
            calls heard(steps) as episodes come in.
        validate: parameters (N,) -> returns (n,) on validation tracks.
        write_event: told of every row (a dict with generation and frames); for TensorBoard.
    """

    folder: Path
    controller: Controller
    evolution: Any
    settings: Any
    score: Callable[..., tuple[np.ndarray, np.ndarray]]
    validate: Callable[[np.ndarray], np.ndarray]
    write_event: Callable[[dict], None] = lambda row: None

    def __post_init__(self):
        self.progress = Progress()
        state = load_state(self.folder)
        if state is not None:
            self.evolution, self.progress = state
        _cut_rows(self.folder / "generations.csv", self.progress.generation)

    @property
    def share(self) -> float:
        """Share of the budget that is spent: 1 and more is all of it."""
        s, p = self.settings, self.progress
        return max(
            p.frames / s.steps if s.steps else 0.0,
            p.generation / s.generations if s.generations else 0.0,
        )

    @property
    def finished(self) -> bool:
        """Whether the budget is spent or the target reached."""
        return self.share >= 1 or self.progress.best >= self.settings.target_return

    def run(self, show: bool = True) -> Progress:
        """Go on until the budget is spent or a mean's validation score reaches the target return."""
        if not (
            self.folder / "mean.npz"
        ).exists():  # so that a stop in the first generation leaves a driver too
            self.controller.save(
                self.folder / "mean.npz", self.evolution.mean, generation=0, frames=0
            )
        unit, total = (
            ("step", self.settings.steps)
            if self.settings.steps
            else ("generation", self.settings.generations)
        )
        done = self.progress.frames if unit == "step" else self.progress.generation
        hidden = {} if show else {"disable": True}  # where it is shown, TQDM_DISABLE has its say
        with tqdm(
            total=total,
            initial=min(done, total),
            unit=unit,
            unit_scale=unit == "step",
            desc="controller",
            smoothing=0.05,
            mininterval=0.5,
            **hidden,
        ) as bar:
            while not self.finished:
                row = self._generation(lambda steps: bar.update(steps if unit == "step" else 0))
                best = f"{self.progress.best:.0f}" if math.isfinite(self.progress.best) else "-"
                bar.set_postfix_str(
                    f"generation {row['generation']}, mean {row['mean']:.0f}, best {best}",
                    refresh=False,
                )
                bar.update(unit == "generation")
        return self.progress

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
        """The original's nine columns (hardmaru train.py, .hist.json), and ours; validation is
        filled in later.
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
        """Score the mean when it is due, and write it under the names that it has earned."""
        s, p, mean = self.settings, self.progress, self.evolution.mean
        facts = {"generation": p.generation, "frames": p.frames}
        last = self.share >= 1
        if last or p.generation % s.validation_every == 0:
            scores = np.asarray(self.validate(mean), np.float64)
            row["validation"], row["validation_sd"] = (
                round(float(scores.mean()), 4),
                round(float(scores.std()), 4),
            )
            facts |= {
                "validation": float(scores.mean()),
                "validation_sd": float(scores.std()),
                "validation_rollouts": len(scores),
            }
            if scores.mean() > p.best:
                p.best, p.best_generation = float(scores.mean()), p.generation
                self.controller.save(self.folder / "best.npz", mean, **facts)
        self.controller.save(self.folder / "mean.npz", mean, **facts)
        if last or p.generation % s.keep_every == 0 or p.best >= s.target_return:
            self.controller.save(self.folder / "generations" / f"{p.generation}.npz", mean, **facts)

    def _write(self, row: dict) -> None:
        append_row(self.folder / "generations.csv", row)
        with atomic(self.folder / "state.pkl") as temporary:
            temporary.write_bytes(pickle.dumps((self.evolution, self.progress), protocol=5))
        self.write_event(
            {name: value for name, value in row.items() if value != "" and name != "wall_time"}
        )


def load_state(folder: Path) -> tuple[Any, Progress] | None:
    """The evolution and its progress as the last generation left them; None where there is none.
    Only for our own files.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / "state.pkl"
    if not path.exists():
        return None
    try:
        return pickle.loads(path.read_bytes())
    except Exception as error:
        raise ValueError(
            f"{path}: expected the state of an evolution, received a damaged file ({error}); use --force."
        ) from None


def _cut_rows(path: Path, last: int) -> None:
    """Drop the rows of generations after `last`: they were killed before their state was written."""
    rows = read_rows(path)
    kept = sum(int(row["generation"]) <= last for row in rows)
    if kept < len(rows):
        lines = path.read_text().splitlines(keepends=True)
        with atomic(path) as temporary:
            temporary.write_text("".join(lines[: kept + 1]) if kept else "")
