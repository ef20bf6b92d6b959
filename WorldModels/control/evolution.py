"""Evolution strategies by name, and CMA-ES among them: a search distribution over flat parameter
vectors. Knows no world and no controller.

Returns are maximised; the one place where a sign turns for CMA-ES is `_learn`. All random numbers
come from the generator it is given.
"""

import cma
import numpy as np

from WorldModels.control.strategies.genetic import GeneticAlgorithm
from WorldModels.control.strategies.openes import OpenES
from WorldModels.control.strategies.pepg import PEPG, SES
from WorldModels.control.strategies.strategy import Strategy


class _Normal:
    """Standard normal numbers as pycma asks for them, from a generator that is pickled with the
    state.
    """

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def __call__(self, *shape: int) -> np.ndarray:
        return self.generator.standard_normal(shape)


class CMAES(Strategy):
    """Covariance matrix adaptation with pycma, started at zeros as in
    hardmaru/WorldModelsExperiments es.py, or at a given mean.

    It can be pickled; a copy goes on bit for bit like the original. There is no weight decay: in
    hardmaru es.py its sign is turned
    for this one kind, so that large weights are rewarded, by a hundredth of their mean square:
    nothing beside a return.
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
        """The mean of the distribution, (N,) float64: what is delivered."""
        return np.array(self._search.mean)

    @property
    def sigma(self) -> float:
        """The step size."""
        return float(self._search.sigma)

    @property
    def sigma_rms(self) -> float:
        """Mean over the parameters of the distribution's standard deviation (the original's
        rms_stdev).
        """
        return float(np.mean(self._search.result.stds))

    def _sample(self) -> list[np.ndarray]:
        return self._search.ask()

    def _learn(self, asked: list[np.ndarray], returns: np.ndarray) -> None:
        self._search.tell(asked, list(-returns))

    def _cap(self, sigma: float) -> None:
        self._search.sigma = min(self.sigma, sigma)


OPTIMIZERS = {"cma": CMAES, "openes": OpenES, "pepg": PEPG, "ses": SES, "ga": GeneticAlgorithm}
