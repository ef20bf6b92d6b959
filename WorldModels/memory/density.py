"""Mixtures of Gaussians, one for each latent dimension: their density, and drawing from them. Knows no network.

A network gives 3 * K * Z numbers for K components and Z dimensions, in three blocks: the logits of the weights, the means, and
the logarithms of the standard deviations (hardmaru/WorldModelsExperiments, rnn.py: logmix, mean, logstd); each block holds K
rows of Z numbers. One component after another is added up, because sums over a short axis are slow on a CPU.
"""

import itertools
import math

from keras import ops

LOG_SQRT_TWO_PI = 0.5 * math.log(2 * math.pi)
LOWEST_TEMPERATURE = 1e-6  # below it the logits of components would overflow; the draw is the mode long before


def components(outputs, num_mixtures: int) -> tuple[list, list, list]:
    """Logits of the weights, means and log standard deviations: three lists of K arrays (..., Z), of outputs (..., 3KZ)."""
    parts = ops.split(outputs, 3 * num_mixtures, axis=-1)
    return parts[:num_mixtures], parts[num_mixtures : 2 * num_mixtures], parts[2 * num_mixtures :]


def log_density(outputs, z, num_mixtures: int):
    """Logarithm of the density of z, dimension by dimension.

        log p(z) = log sum_k softmax(logits)_k N(z; mean_k, exp(log_std_k))

    Args:
        outputs: (..., 3KZ) of the network.
        z: (..., Z).
        num_mixtures: K.

    Returns:
        (..., Z), in nats.
    """
    logits, means, log_stds = components(outputs, num_mixtures)
    joint = [
        logit - log_std - 0.5 * ops.square((z - mean) * ops.exp(-log_std))
        for logit, mean, log_std in zip(logits, means, log_stds, strict=True)
    ]
    return _log_sum_exp(joint) - _log_sum_exp(logits) - LOG_SQRT_TWO_PI


def draw(outputs, temperature, component, normal, num_mixtures: int):
    """Draw from the mixtures by the inverse of their cumulative weights, from noise that was drawn outside.

    Temperature divides the logits and multiplies the variances (hardmaru/WorldModelsExperiments, rnn.py); towards 0 the draw
    becomes the mean of each dimension's heaviest component.

    Args:
        outputs: (B, 3KZ) of the network.
        temperature: (B,), from 0.
        component: (B, Z), uniform in [0, 1): chooses the component.
        normal: (B, Z), standard normal: the place within it.
        num_mixtures: K.

    Returns:
        z (B, Z).
    """
    # One array for all components here, not a list as above: a single dream is a matter of how many operations there are.
    blocks = ops.reshape(outputs, (-1, 3, num_mixtures, normal.shape[-1]))
    logits, means, log_stds = blocks[:, 0], blocks[:, 1], blocks[:, 2]
    weights = ops.exp((logits - ops.max(logits, axis=1, keepdims=True)) / ops.maximum(temperature, LOWEST_TEMPERATURE)[:, None, None])
    sums = list(itertools.accumulate(ops.split(weights, num_mixtures, axis=1)))
    # Component k is chosen where the draw has reached the sum of the weights before it, and not the one up to it.
    before = ops.concatenate([0 * sums[0], *sums[:-1]], axis=1)
    reached = ops.cast(component[:, None] * sums[-1] >= before, outputs.dtype)
    chosen = reached - ops.concatenate([reached[:, 1:], 0 * reached[:, :1]], axis=1)
    mean, log_std = ops.sum(chosen * means, axis=1), ops.sum(chosen * log_stds, axis=1)
    return mean + ops.exp(log_std) * ops.sqrt(temperature)[:, None] * normal


def _maximum(arrays: list):
    highest = arrays[0]
    for array in arrays[1:]:
        highest = ops.maximum(highest, array)
    return highest


def _log_sum_exp(arrays: list):
    """log(sum of exp) over a list, stable: the highest term, whose own gradient cancels, is taken out."""
    highest = ops.stop_gradient(_maximum(arrays))
    terms = [ops.exp(array - highest) for array in arrays]
    return highest + ops.log(sum(terms[1:], terms[0]))
