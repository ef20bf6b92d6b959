"""What a candidate counts for among its generation, and noise in mirrored pairs. Knows no strategy."""

import numpy as np


def fitness(returns: np.ndarray, candidates: np.ndarray, weight_decay: float) -> np.ndarray:
    """Ranks of returns (P,), from -0.5 (lowest) to 0.5, less weight_decay times the mean square of
    each of the candidates (P, N).

    Ranks as in Salimans et al. 2017; weight decay as in hardmaru es.py, with these corrections:
    equal returns share a rank (there
    the order of the population decides), and weights are always penalised, on the scale of ranks
    (there its CMA-ES rewards large
    weights, for it adds the penalty to a cost, and its genetic algorithm adds it to the returns,
    whatever their unit).
    """
    distinct, place, count = np.unique(returns, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count + 1) / 2)[place]
    return ranks / (len(returns) - 1) - 0.5 - weight_decay * np.mean(candidates**2, axis=1)


def mirrored(
    generator: np.random.Generator, population_size: int, num_parameters: int
) -> np.ndarray:
    """Standard normal noise (P, N): half of it, then its negative, then zeros for the odd one out,
    who is the mean itself.
    """
    half = generator.standard_normal((population_size // 2, num_parameters))
    return np.concatenate([half, -half, np.zeros((population_size % 2, num_parameters))])
