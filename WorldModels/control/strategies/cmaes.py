"""CMA-ES: covariance matrix adaptation, by pycma."""

from typing import Any

import cma
import numpy as np

from WorldModels.control.strategies.strategy import Strategy

MOST_FULL = 3_000  # parameters up to which the covariance is full, unless one is asked for
# Bytes per entry of a full covariance. Measured with 2,000 parameters: at the peak five matrices
# of float64 are in memory; a saved state holds two, the covariance and its eigenvectors.
MEMORY_BYTES, STATE_BYTES = 42, 16


class _Normal:
    """Standard normal numbers for pycma, from a generator that is pickled with the search."""

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def __call__(self, *shape: int) -> np.ndarray:
        return self.generator.standard_normal(shape)


class CMAES(Strategy):
    """Covariance matrix adaptation, started at zeros (hardmaru es.py) or at a given mean.

    A diagonal covariance (Ros & Hansen 2008, "A simple modification in CMA-ES achieving linear
    time and space complexity") is pycma's own option CMA_diagonal. Its memory grows with the number
    of parameters instead of its square, but it does not learn how parameters vary together.

    A pickled copy continues bit for bit like the original. There is no weight decay: hardmaru es.py
    has its sign wrong, for CMA-ES only, and rewards large weights, though only by a hundredth of
    their mean square, which is negligible next to a return.
    """

    def __init__(self, *arguments: Any, covariance: str = "full", **more: Any):
        """Takes a Strategy's arguments, and which covariance is adapted: "full" or "diagonal"."""
        self._diagonal = covariance == "diagonal"
        super().__init__(*arguments, **more)

    def _begin(
        self, mean: np.ndarray, population_size: int, sigma: float, generator: np.random.Generator
    ) -> None:
        options = {
            "popsize": population_size,
            "randn": _Normal(generator),
            "seed": float("nan"),
            "verbose": -9,
            **({"CMA_diagonal": True} if self._diagonal else {}),
        }
        self._search = cma.CMAEvolutionStrategy(mean, sigma, options)

    @property
    def covariance(self) -> str:
        """Which covariance is adapted: "full" or "diagonal"."""
        return "diagonal" if self._search.opts["CMA_diagonal"] is True else "full"

    @property
    def generation(self) -> int:
        """Generations told so far."""
        return int(self._search.countiter)

    @property
    def mean(self) -> np.ndarray:
        """The mean of the distribution, (N,) float64: the result of the search."""
        return np.array(self._search.mean)

    @property
    def sigma(self) -> float:
        """The step size."""
        return float(self._search.sigma)

    @property
    def sigma_rms(self) -> float:
        """Standard deviation of the distribution, averaged over the parameters."""
        return float(np.mean(self._search.result.stds))

    def _sample(self) -> list[np.ndarray]:
        return self._search.ask()

    def _learn(self, asked: list[np.ndarray], returns: np.ndarray) -> None:
        self._search.tell(asked, list(-returns))  # pycma minimises

    def _cap(self, sigma: float) -> None:
        self._search.sigma = min(self.sigma, sigma)


def covariance_for(asked: str, num_parameters: int) -> tuple[str, str]:
    """The covariance to adapt, "full" or "diagonal", and a line that says why; it may be empty.

    Args:
        asked: "full", "diagonal", or "auto": full up to MOST_FULL parameters.
        num_parameters: N.
    """
    cost = (
        f"about {_size(MEMORY_BYTES * num_parameters**2)} of memory, and "
        f"{_size(STATE_BYTES * num_parameters**2)} written after each generation"
    )
    if asked == "full":
        return "full", f"a full covariance of {num_parameters:,} parameters takes {cost}."
    if asked == "diagonal" or num_parameters <= MOST_FULL:
        return ("diagonal" if asked == "diagonal" else "full"), ""
    return "diagonal", (
        f"with {num_parameters:,} parameters, more than {MOST_FULL:,}, CMA-ES adapts a diagonal "
        f"covariance; --controller.covariance full takes {cost}."
    )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
