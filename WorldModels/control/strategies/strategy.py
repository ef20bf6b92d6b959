"""What every evolution strategy is: a cloud of flat parameter vectors that one asks for candidates
and tells their returns.

Returns are maximised. All random numbers come from the generator that it is given, so that a
pickled copy goes on bit for bit.
Knows no strategy.
"""

import numpy as np


class Strategy:
    """Evolution by ask and tell; a kind gives mean, sigma, sigma_rms, generation, `_sample`,
    `_learn` and `_cap`.

    Attributes:
        mean: (N,) float64, what is delivered.
        sigma: the step size: what `anneal` brings down.
        sigma_rms: mean over the parameters of the standard deviation of the candidates (the
            original's rms_stdev).
        generation: generations told so far.

    Args:
        num_parameters: N, at least 1.
        population_size: P, at least 4.
        sigma: initial standard deviation, above 0.
        generator: source of all random numbers.
        mean: (N,) where the search begins; None: zeros.

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
        for name, value, least in (
            ("num_parameters", num_parameters, 1),
            ("population_size", population_size, 4),
        ):
            if value < least:
                raise ValueError(f"{name}: expected {least} or more, received {value}.")
        if not sigma > 0:
            raise ValueError(f"sigma: expected a positive number, received {sigma}.")
        start = np.zeros(num_parameters) if mean is None else np.array(mean, np.float64)
        if start.shape != (num_parameters,):
            raise ValueError(
                f"mean: expected {num_parameters} numbers, received shape {start.shape}."
            )
        self._asked = self._sigma_at_start = None  # the latter: of the annealing
        self._begin(start, population_size, float(sigma), generator)

    def ask(self) -> np.ndarray:
        """A population, (P, N) float64."""
        self._asked = self._sample()
        return np.array(self._asked)

    def tell(self, returns: np.ndarray) -> None:
        """Move towards the members of the last `ask` with the highest returns (P,).

        Raises:
            ValueError: nothing has been asked since the last tell, or returns are not (P,) finite
            numbers.
        """
        returns = np.asarray(returns, np.float64)
        if self._asked is None:
            raise ValueError(
                "returns: expected those of a population, received some that nobody asked for; call ask first."
            )
        if returns.shape != (len(self._asked),) or not np.isfinite(returns).all():
            raise ValueError(
                f"returns: expected {len(self._asked)} finite numbers, received {returns}."
            )
        self._learn(self._asked, returns)
        self._asked = None

    def anneal(self, share: float, start: float, final: float) -> None:
        """Keep sigma under a cap that falls geometrically from its value at `start` to `final` at
        the budget's end.

        Below the cap sigma moves as before; with few noisy rollouts no strategy brings it down in
        time by itself.

        Args:
            share: of the budget that is spent, 0..1.
            start: share at which the fall begins.
            final: sigma at the end.
        """
        if share < start:
            return
        if self._sigma_at_start is None:
            self._sigma_at_start = self.sigma
        self._cap(sigma_cap(share, start, self._sigma_at_start, final))


def sigma_cap(share: float, start: float, sigma: float, final: float) -> float:
    """sigma * (final / sigma)^((share - start) / (1 - start)): from `sigma` at `start` to `final`
    at share 1.
    """
    fallen = 1.0 if start >= 1 else min(max((share - start) / (1 - start), 0.0), 1.0)
    return sigma * (final / sigma) ** fallen
