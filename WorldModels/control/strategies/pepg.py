"""Parameter-exploring policy gradients: a sigma for each parameter, adapted from mirrored pairs."""

import numpy as np

from WorldModels.control.strategies.adam import Adam
from WorldModels.control.strategies.fitness import fitness, mirrored
from WorldModels.control.strategies.strategy import Strategy


class PEPG(Strategy):
    """Climbs the gradient of the expected fitness, in the mean and in the sigmas.

    After Sehnke et al. 2010, from mirrored pairs:

        mean:  sum over pairs of (f+ - f-) noise, through Adam
        sigma: sum over pairs of ((f+ + f-)/2 - baseline) (noise^2 - sigma^2) / sigma / P * 0.2,
               at most 20% of sigma

    The baseline is the population's mean fitness. The constants are those of hardmaru train.py,
    which validates the best candidate of the last generation; here the mean is validated. In an odd
    population the last candidate is the mean itself, which belongs to no pair.
    """

    learning_rate = 0.01
    # If above 0, the mean moves, without Adam, to the mean of this share of best candidates.
    elite_ratio = 0.0
    weight_decay = 0.005
    sigma_alpha, sigma_max_change = 0.2, 0.2
    sigma_decay, sigma_limit = 0.999, 0.02

    def _begin(
        self, mean: np.ndarray, population_size: int, sigma: float, generator: np.random.Generator
    ) -> None:
        self.mean, self.sigmas, self.generation = mean, np.full(len(mean), sigma), 0
        self._population_size, self._generator = population_size, generator
        self._adam = Adam(len(mean), self.learning_rate)

    @property
    def sigma(self) -> float:
        """The mean of the parameters' sigmas."""
        return float(self.sigmas.mean())

    sigma_rms = sigma

    def _sample(self) -> np.ndarray:
        self._noise = self.sigmas * mirrored(self._generator, self._population_size, len(self.mean))
        return self.mean + self._noise

    def _learn(self, asked: np.ndarray, returns: np.ndarray) -> None:
        scores, pairs = fitness(returns, asked, self.weight_decay), len(returns) // 2
        plus, minus, noise = scores[:pairs], scores[pairs : 2 * pairs], self._noise[:pairs]
        if self.elite_ratio:
            count = max(1, round(self.elite_ratio * len(scores)))
            self.mean = asked[np.argsort(-scores, kind="stable")[:count]].mean(axis=0)
        else:
            self.mean = self.mean + self._adam.step((plus - minus) @ noise)
        change = (
            ((plus + minus) / 2 - scores.mean())
            @ ((noise**2 - self.sigmas**2) / self.sigmas)
            / (2 * pairs)
        )
        limit = self.sigma_max_change * self.sigmas
        adapted = self.sigmas + np.clip(self.sigma_alpha * change, -limit, limit)
        self.sigmas = np.maximum(adapted * self.sigma_decay, np.minimum(adapted, self.sigma_limit))
        self.generation += 1

    def _cap(self, sigma: float) -> None:
        self.sigmas = self.sigmas * min(1.0, sigma / self.sigma)


class SES(PEPG):
    """A simple evolution strategy: PEPG's sigmas, and a mean that moves to the best tenth.

    After ses in hardmaru train.py. There is at least one elite; in the original, fewer than ten
    candidates have none, which silently turns it into PEPG.
    """

    elite_ratio = 0.1
