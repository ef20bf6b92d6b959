"""A genetic algorithm over flat parameter vectors: elites, crossover, mutation."""

import numpy as np

from WorldModels.control.strategies.fitness import fitness
from WorldModels.control.strategies.strategy import Strategy


class GeneticAlgorithm(Strategy):
    """The best tenth are the parents of the next generation (hardmaru es.py, SimpleGA).

    A child takes each parameter from one of two parents, and noise is added.

    Elites are scored again with their children, on the same tracks, and stay only if they are
    still among the best, like the elite of Such et al. 2017. In hardmaru es.py they are forgotten
    exactly when forget_best is False, the default; where they are kept, they also keep their old
    return, so a lucky track is never forgotten.

    The result is the mean of the elites, not the best of them, which is partly just lucky.
    Crossover keeps the elites in one cloud, so averaging removes their separate mutations. There is
    at least one elite (in hardmaru es.py, fewer than ten candidates have none).
    """

    elite_ratio = 0.1
    weight_decay = 0.005
    sigma_decay, sigma_limit = 0.999, 0.02

    def _begin(
        self, mean: np.ndarray, population_size: int, sigma: float, generator: np.random.Generator
    ) -> None:
        self.elites, self.sigma, self.generation = mean[None], sigma, 0
        self._population_size, self._generator = population_size, generator

    @property
    def mean(self) -> np.ndarray:
        """The mean of the elites, (N,) float64: the result of the search."""
        return self.elites.mean(axis=0)

    @property
    def sigma_rms(self) -> float:
        """Standard deviation of a child, averaged over the parameters.

        It combines the spread of the elites and the mutation.
        """
        return float(np.sqrt(self.elites.var(axis=0) + self.sigma**2).mean())

    def _sample(self) -> np.ndarray:
        shape = (self._population_size - len(self.elites), self.elites.shape[1])
        one, other = self.elites[self._generator.integers(len(self.elites), size=(2, shape[0]))]
        children = np.where(self._generator.random(shape) < 0.5, one, other)
        return np.concatenate(
            [self.elites, children + self.sigma * self._generator.standard_normal(shape)]
        )

    def _learn(self, asked: np.ndarray, returns: np.ndarray) -> None:
        count = max(1, round(self.elite_ratio * len(asked)))
        self.elites = asked[
            np.argsort(-fitness(returns, asked, self.weight_decay), kind="stable")[:count]
        ]
        self.sigma = max(self.sigma * self.sigma_decay, min(self.sigma, self.sigma_limit))
        self.generation += 1

    def _cap(self, sigma: float) -> None:
        self.sigma = min(self.sigma, sigma)
