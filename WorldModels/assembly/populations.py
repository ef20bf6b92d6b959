"""Scores the populations and the means of an evolution, in the real world or in the dream."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from WorldModels.experiment.draws import rng
from WorldModels.experiment.run import Run

# Seeds of tracks. Training draws from 10 million upwards, so it never sees the validation tracks.
VALIDATION_TRACKS = 2_000_000
TRAINING_TRACKS = (10_000_000, 2**31)


@dataclass(frozen=True)
class RealScores:
    """Scores a population or a mean in the real world.

    Args:
        run: the open run.
        executor: over a control.scoring.DriverMaker.
    """

    run: Run
    executor: Any

    def population(
        self, parameters: np.ndarray, generation: int, rollouts: int, heard: Callable
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns and lengths (P, R) of a generation; heard(steps) is called after each episode."""
        from WorldModels.control.scoring import lengths_of, returns_of, score

        settings = self.run.experiment.controller
        shape = (rollouts,) if settings.common_tracks else (len(parameters), rollouts)
        tracks = self.run.rng("tracks", generation).integers(*TRAINING_TRACKS, shape)
        results = score(
            self.executor,
            parameters,
            tracks,
            self.run.experiment.env.max_steps,
            hopeless_steps=settings.hopeless_steps,
            heard=lambda result: heard(result.length),
        )
        return returns_of(results), lengths_of(results)

    def mean(self, parameters: np.ndarray) -> np.ndarray:
        """Returns (n,) of the mean (N,) on the validation tracks."""
        from WorldModels.control.scoring import returns_of, score

        count = self.run.experiment.controller.validation_rollouts
        tracks = range(VALIDATION_TRACKS, VALIDATION_TRACKS + count)
        max_steps = self.run.experiment.env.max_steps
        return returns_of(score(self.executor, parameters[None], tracks, max_steps))[0]


@dataclass(frozen=True)
class DreamScores:
    """Scores a population or a mean in the dream.

    Args:
        run: the open run.
        dream: a memory.imagine.PopulationDream.
        latents: mean and log-variance (N, Z) of first frames.
        validation_rollouts: number of dreams that validate a mean.
        judge: the dream that they take place in.
    """

    run: Run
    dream: Any
    latents: tuple[np.ndarray, np.ndarray]
    validation_rollouts: int
    judge: Any

    def population(
        self, parameters: np.ndarray, generation: int, rollouts: int, heard: Callable
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns and lengths (P, R) of a generation; heard(steps) is called after each block."""
        draw = self.run.rng("dreams", generation)
        common = self.run.experiment.controller.common_tracks
        shape = (rollouts,) if common else (len(parameters), rollouts)
        return self.dream.returns(parameters, begun_dreams(self.latents, shape, draw), draw, heard)

    def mean(self, parameters: np.ndarray) -> np.ndarray:
        """Returns (n,) of the mean (N,) in the validation dreams, which are always the same."""
        draw = rng(0, "train_controller", "validation dreams")
        first = begun_dreams(self.latents, (self.validation_rollouts,), draw)
        return self.judge.returns(parameters[None], first, draw)[0][0]


def begun_dreams(
    latents: tuple[np.ndarray, np.ndarray], shape: tuple[int, ...], draw: np.random.Generator
) -> np.ndarray:
    """First latents (*shape, Z), drawn from V's posterior of recorded episodes' first frames."""
    mean, log_var = latents
    chosen = draw.integers(len(mean), size=shape)
    noise = draw.standard_normal((*shape, mean.shape[1]), np.float32)
    return mean[chosen] + np.exp(log_var[chosen] / 2) * noise
