"""CMA-ES: covariance matrix adaptation, by pycma."""

import cma
import numpy as np

from WorldModels.control.strategies.strategy import Strategy


class _Normal:
    """Standard normal numbers for pycma, from a generator that is pickled with the search."""

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def __call__(self, *shape: int) -> np.ndarray:
        return self.generator.standard_normal(shape)


class CMAES(Strategy):
    """Covariance matrix adaptation, started at zeros (hardmaru es.py) or at a given mean.

    A pickled copy continues bit for bit like the original. There is no weight decay: hardmaru es.py
    has its sign wrong, for CMA-ES only, and rewards large weights, though only by a hundredth of
    their mean square, which is negligible next to a return.
    """

    def _begin(
        self, mean: np.ndarray, population_size: int, sigma: float, generator: np.random.Generator
    ) -> None:
        options = {
            "popsize": population_size,
            "randn": _Normal(generator),
            "seed": float("nan"),
            "verbose": -9,
        }
        self._search = cma.CMAEvolutionStrategy(mean, sigma, options)

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
