"""OpenAI's evolution strategy: one sigma for all parameters, and a gradient from ranks."""

import numpy as np

from WorldModels.control.strategies.adam import Adam
from WorldModels.control.strategies.fitness import fitness, mirrored
from WorldModels.control.strategies.strategy import Strategy


class OpenES(Strategy):
    """Climbs the gradient of the expected fitness of a Gaussian cloud (Salimans et al. 2017).

        gradient = sum of fitness * noise / (P sigma),   fitness standardised

    The gradient is estimated from mirrored pairs. The constants are those of hardmaru train.py,
    which validates the best candidate of the last generation; here the mean is validated. In an odd
    population the last candidate is the mean itself and does not count in the sum.
    """

    learning_rate = 0.01
    weight_decay = 0.005
    sigma_decay, sigma_limit = 0.999, 0.02

    def _begin(
        self, mean: np.ndarray, population_size: int, sigma: float, generator: np.random.Generator
    ) -> None:
        self.mean, self.sigma, self.generation = mean, sigma, 0
        self._population_size, self._generator = population_size, generator
        self._adam = Adam(len(mean), self.learning_rate)

    @property
    def sigma_rms(self) -> float:
        """Sigma itself, which is the same for all parameters."""
        return self.sigma

    def _sample(self) -> np.ndarray:
        self._noise = mirrored(self._generator, self._population_size, len(self.mean))
        return self.mean + self.sigma * self._noise

    def _learn(self, asked: np.ndarray, returns: np.ndarray) -> None:
        weights = fitness(returns, asked, self.weight_decay)
        weights = (weights - weights.mean()) / max(weights.std(), 1e-12)  # all equal: no step
        self.mean = self.mean + self._adam.step(weights @ self._noise / (len(weights) * self.sigma))
        self.sigma = max(self.sigma * self.sigma_decay, min(self.sigma, self.sigma_limit))
        self.generation += 1

    def _cap(self, sigma: float) -> None:
        self.sigma = min(self.sigma, sigma)
