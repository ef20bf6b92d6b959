"""The fitness of a candidate within its generation, and noise in mirrored pairs."""

import numpy as np


def fitness(returns: np.ndarray, candidates: np.ndarray, weight_decay: float) -> np.ndarray:
    """Ranks of the returns, less a penalty on large weights.

    Ranks as in Salimans et al. 2017, weight decay as in hardmaru es.py, with two corrections. Equal
    returns share a rank (in es.py their order in the population decides). Weights are always
    penalised, on the scale of ranks (in es.py CMA-ES rewards large weights, because the penalty is
    added to a cost, and the genetic algorithm adds it to the returns, whatever their unit).

    Args:
        returns: (P,).
        candidates: (P, N).
        weight_decay: factor of the mean square of a candidate's weights.

    Returns:
        (P,): ranks from -0.5 (lowest) to 0.5, less the penalty.
    """
    distinct, place, count = np.unique(returns, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count + 1) / 2)[place]
    return ranks / (len(returns) - 1) - 0.5 - weight_decay * np.mean(candidates**2, axis=1)


def mirrored(
    generator: np.random.Generator, population_size: int, num_parameters: int
) -> np.ndarray:
    """Standard normal noise (P, N): one half, then its negative.

    In an odd population the last row is zeros: that candidate is the mean itself.
    """
    half = generator.standard_normal((population_size // 2, num_parameters))
    return np.concatenate([half, -half, np.zeros((population_size % 2, num_parameters))])
