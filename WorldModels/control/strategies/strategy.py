"""The base of the evolution strategies: ask for candidates, tell their returns.

Returns are maximised. All random numbers come from the generator that a strategy is given, so a
pickled copy continues bit for bit.
"""

import numpy as np


class Strategy:
    """A search distribution over flat parameter vectors, used through ask and tell.

    A subclass provides mean, sigma, sigma_rms, generation, `_sample`, `_learn` and `_cap`.

    Attributes:
        mean: (N,) float64, the result of the search.
        sigma: the step size, which `anneal` lowers.
        sigma_rms: standard deviation of the candidates, averaged over the parameters (the
            original's rms_stdev).
        generation: generations told so far.

    Args:
        num_parameters: N, at least 1.
        population_size: P, at least 4.
        sigma: initial standard deviation, above 0.
        generator: source of all random numbers.
        mean: (N,), where the search begins; None: zeros.

    Raises:
        ValueError: an argument is out of its range, or mean is not (N,).
    """

    def __init__(
        self,
        num_parameters: int,
        population_size: int,
        sigma: float,
        generator: np.random.Generator,
        mean: np.ndarray | None = None,
    ):
        _check_arguments(num_parameters, population_size, sigma)
        start = np.zeros(num_parameters) if mean is None else np.array(mean, np.float64)
        if start.shape != (num_parameters,):
            raise ValueError(
                f"mean: expected {num_parameters} numbers, received shape {start.shape}."
            )
        self._asked = None
        self._sigma_at_start = None  # sigma when annealing began
        self._begin(start, population_size, float(sigma), generator)

    def ask(self) -> np.ndarray:
        """Sample a population, (P, N) float64."""
        self._asked = self._sample()
        return np.array(self._asked)

    def tell(self, returns: np.ndarray) -> None:
        """Move towards the members of the last `ask` with the highest returns (P,).

        Raises:
            ValueError: `ask` was not called since the last `tell`, or returns are not (P,) finite
                numbers.
        """
        returns = np.asarray(returns, np.float64)
        if self._asked is None:
            raise ValueError(
                "returns: expected those of a population from ask, received some without one; "
                "call ask first."
            )
        if returns.shape != (len(self._asked),) or not np.isfinite(returns).all():
            raise ValueError(
                f"returns: expected {len(self._asked)} finite numbers, received {returns}."
            )
        self._learn(self._asked, returns)
        self._asked = None

    def anneal(self, share: float, start: float, final: float) -> None:
        """Keep sigma under a cap that falls geometrically to `final` at the end of the budget.

        The cap begins at the value that sigma has at `start`. Below the cap sigma adapts as before.
        With few, noisy rollouts no strategy lowers sigma in time by itself.

        Args:
            share: share of the budget that is spent, 0..1.
            start: share at which the cap begins to fall.
            final: sigma at the end.
        """
        if share < start:
            return
        if self._sigma_at_start is None:
            self._sigma_at_start = self.sigma
        self._cap(sigma_cap(share, start, self._sigma_at_start, final))


def sigma_cap(share: float, start: float, sigma: float, final: float) -> float:
    """The cap on sigma while it anneals, from `sigma` at share `start` to `final` at share 1.

    sigma * (final / sigma)^((share - start) / (1 - start)), with the exponent clipped to 0..1.
    """
    fallen = 1.0 if start >= 1 else min(max((share - start) / (1 - start), 0.0), 1.0)
    return sigma * (final / sigma) ** fallen


def _check_arguments(num_parameters: int, population_size: int, sigma: float) -> None:
    for name, value, least in (
        ("num_parameters", num_parameters, 1),
        ("population_size", population_size, 4),
    ):
        if value < least:
            raise ValueError(f"{name}: expected {least} or more, received {value}.")
    if not sigma > 0:
        raise ValueError(f"sigma: expected a positive number, received {sigma}.")
