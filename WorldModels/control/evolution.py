"""CMA-ES by ask and tell: a search distribution over flat parameter vectors. Knows no world and no controller.

Returns are maximised; the one place where a sign turns is `tell`. All random numbers come from the generator it is given.
"""

import cma
import numpy as np


class _Normal:
    """Standard normal numbers as pycma asks for them, from a generator that is pickled with the state."""

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def __call__(self, *shape: int) -> np.ndarray:
        return self.generator.standard_normal(shape)


class CMAES:
    """Covariance matrix adaptation with pycma, started at zeros as in hardmaru/WorldModelsExperiments es.py, or at a given mean.

    It can be pickled; a copy goes on bit for bit like the original.

    Args:
        num_parameters: N.
        population_size: P.
        sigma: initial standard deviation.
        generator: source of all its random numbers.
        mean: (N,) where the search begins; None: zeros.
    """

    def __init__(self, num_parameters: int, population_size: int, sigma: float, generator: np.random.Generator,
                 mean: np.ndarray | None = None):  # fmt: skip
        options = {"popsize": population_size, "randn": _Normal(generator), "seed": float("nan"), "verbose": -9}
        self._search = cma.CMAEvolutionStrategy(np.zeros(num_parameters) if mean is None else mean, sigma, options)
        self._sigma_at_start = None  # of the annealing

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
        """Mean over the parameters of the distribution's standard deviation (the original's rms_stdev)."""
        return float(np.mean(self._search.result.stds))

    def anneal(self, share: float, start: float, final: float) -> None:
        """Keep sigma under a cap that falls geometrically from its value at `start` to `final` at the budget's end.

        CSA adapts sigma as before below the cap; with few noisy rollouts it alone keeps sigma high.

        Args:
            share: of the budget that is spent, 0..1.
            start: share at which the fall begins.
            final: sigma at the end.
        """
        if share < start:
            return
        if self._sigma_at_start is None:
            self._sigma_at_start = self.sigma
        self._search.sigma = min(self.sigma, sigma_cap(share, start, self._sigma_at_start, final))

    def ask(self) -> np.ndarray:
        """A population, (P, N) float64."""
        self._asked = self._search.ask()
        return np.array(self._asked)

    def tell(self, returns: np.ndarray) -> None:
        """Move towards the members of the last `ask` with the highest returns (P,).

        Raises:
            ValueError: returns are not (P,) finite numbers.
        """
        returns = np.asarray(returns, np.float64)
        if returns.shape != (len(self._asked),) or not np.isfinite(returns).all():
            raise ValueError(f"returns: expected {len(self._asked)} finite numbers, received {returns}.")
        self._search.tell(self._asked, list(-returns))
        self._asked = None


def sigma_cap(share: float, start: float, sigma: float, final: float) -> float:
    """sigma * (final / sigma)^((share - start) / (1 - start)): from `sigma` at `start` to `final` at share 1."""
    fallen = 1.0 if start >= 1 else min(max((share - start) / (1 - start), 0.0), 1.0)
    return sigma * (final / sigma) ** fallen


OPTIMIZERS = {"cma": CMAES}
