"""A genetic algorithm over flat parameter vectors: elites, crossover, mutation. Knows no world and
no controller.
"""

import numpy as np

from WorldModels.control.strategies.fitness import fitness
from WorldModels.control.strategies.strategy import Strategy


class GeneticAlgorithm(Strategy):
    """The best tenth are parents; a child takes each parameter from one of two of them, and noise
    is added (hardmaru es.py, SimpleGA).

    Elites drive again beside their children, on the same tracks, and stay only if they are still
    among the best, as the elite of
    Such et al. 2017 does. In hardmaru es.py they are forgotten exactly when forget_best is False,
    the default; and where they are
    kept, they keep their old return too, so that one lucky track is never forgotten.

    What is delivered is the mean of the elites, not the best one: that one is in part the luckiest,
    and averaging takes out what
    mutation put into each, for crossover keeps them in one cloud. At least one is elite (there none
    is of fewer than ten).
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
        """The mean of the elites, (N,) float64."""
        return self.elites.mean(axis=0)

    @property
    def sigma_rms(self) -> float:
        """Mean over the parameters of a child's standard deviation: of the elites' spread and the
        mutation together.
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
