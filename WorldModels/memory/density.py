"""Mixtures of Gaussians for the next latent: their density, and drawing from them.

There are two kinds, for K components and Z dimensions:

independent  A mixture for each latent dimension. A network gives 3 * K * Z numbers in three blocks:
             the logits of the weights, the means, and the logarithms of the standard deviations
             (hardmaru/WorldModelsExperiments, rnn.py: logmix, mean, logstd). Each block holds K
             rows of Z numbers. The components are added up one after another, because sums over a
             short axis are slow on a CPU.
joint        One mixture of K diagonal Gaussians over the full latent (ctallec/world-models,
             mdrnn.py): (2 * Z + 1) * K numbers: K logits, then the means and the logarithms of the
             standard deviations, each K rows of Z numbers.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops

LOG_SQRT_TWO_PI = 0.5 * math.log(2 * math.pi)
# Below it the logits of components would overflow; the draw becomes the mode long before that.
LOWEST_TEMPERATURE = 1e-6


def components(outputs, num_mixtures: int) -> tuple[list, list, list]:
    """Logits of the weights, means and log standard deviations: three lists of K arrays (..., Z).

    Args:
        outputs: (..., 3KZ) of the network.
        num_mixtures: K.
    """
    parts = ops.split(outputs, 3 * num_mixtures, axis=-1)
    return parts[:num_mixtures], parts[num_mixtures : 2 * num_mixtures], parts[2 * num_mixtures :]


def with_floor(outputs, num_log_stds: int, floor: float):
    """Outputs of a network, its log standard deviations raised to a floor where they are below it.

    A latent that does not vary would drive them to minus infinity: its likelihood has no maximum.

    Args:
        outputs: (..., N), the log standard deviations last, as both kinds of mixtures have them.
        num_log_stds: how many there are.
        floor: -inf: none.
    """
    if floor == -math.inf:
        return outputs
    lowest = np.full(outputs.shape[-1], -np.inf, np.float32)
    lowest[-num_log_stds:] = floor
    return ops.maximum(outputs, lowest)


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
    """Draw from the mixtures by the inverse of their cumulative weights, from the caller's noise.

    Temperature divides the logits and multiplies the variances (hardmaru/WorldModelsExperiments,
    rnn.py); towards 0 the draw becomes the mean of each dimension's heaviest component.

    Args:
        outputs: (B, 3KZ) of the network.
        temperature: (B,), 0 or more.
        component: (B, Z), uniform in [0, 1): chooses the component.
        normal: (B, Z), standard normal: the place within it.
        num_mixtures: K.

    Returns:
        z (B, Z).
    """
    # One array for all components here, not a list as above: the time that a single dream takes
    # depends on the number of operations.
    blocks = ops.reshape(outputs, (-1, 3, num_mixtures, normal.shape[-1]))
    logits, means, log_stds = blocks[:, 0], blocks[:, 1], blocks[:, 2]
    return _drawn(logits, means, log_stds, temperature, component, normal)


def joint_log_density(outputs, z, num_mixtures: int):
    """Logarithm of a joint mixture's density of full latents.

        log p(z) = log sum_k softmax(logits)_k prod_i N(z_i; mean_ki, exp(log_std_ki))

    Args:
        outputs: (B, (2Z + 1)K) of the network.
        z: (B, Z).
        num_mixtures: K.

    Returns:
        (B,), in nats, all dimensions together.
    """
    logits, means, log_stds = _joint(outputs, num_mixtures, z.shape[-1])
    normal = ops.sum(
        -log_stds - 0.5 * ops.square((z[:, None] - means) * ops.exp(-log_stds)), axis=-1
    )
    return (
        ops.logsumexp(logits + normal, axis=-1)
        - ops.logsumexp(logits, axis=-1)
        - LOG_SQRT_TWO_PI * z.shape[-1]
    )


def joint_draw(outputs, temperature, component, normal, num_mixtures: int):
    """Draw from a joint mixture; see `draw`.

    The first column of component (B, Z) chooses for all dimensions.
    """
    logits, means, log_stds = _joint(outputs, num_mixtures, normal.shape[-1])
    return _drawn(logits[..., None], means, log_stds, temperature, component[:, :1], normal)


def _joint(outputs, num_mixtures: int, latent_size: int):
    """Logits (B, K), means and log standard deviations (B, K, Z)."""
    first = num_mixtures * (1 + latent_size)
    shape = (-1, num_mixtures, latent_size)
    means = ops.reshape(outputs[:, num_mixtures:first], shape)
    return outputs[:, :num_mixtures], means, ops.reshape(outputs[:, first:], shape)


def _drawn(logits, means, log_stds, temperature, component, normal):
    """Draws (B, Z).

    Args:
        logits: (B, K, Z), or (B, K, 1) of a joint mixture.
        means: (B, K, Z).
        log_stds: (B, K, Z).
        temperature: (B,).
        component: (B, Z), or (B, 1) of a joint mixture.
        normal: (B, Z).
    """
    weights = ops.exp(
        (logits - ops.max(logits, axis=1, keepdims=True))
        / ops.maximum(temperature, LOWEST_TEMPERATURE)[:, None, None]
    )
    sums = list(itertools.accumulate(ops.split(weights, weights.shape[1], axis=1)))
    # Component k is chosen where the draw has reached the sum of the weights before k, but not the
    # sum that includes it.
    before = ops.concatenate([0 * sums[0], *sums[:-1]], axis=1)
    reached = ops.cast(component[:, None] * sums[-1] >= before, means.dtype)
    chosen = reached - ops.concatenate([reached[:, 1:], 0 * reached[:, :1]], axis=1)
    mean, log_std = ops.sum(chosen * means, axis=1), ops.sum(chosen * log_stds, axis=1)
    return mean + ops.exp(log_std) * ops.sqrt(temperature)[:, None] * normal


def _maximum(arrays: list):
    highest = arrays[0]
    for array in arrays[1:]:
        highest = ops.maximum(highest, array)
    return highest


def _log_sum_exp(arrays: list):
    """log(sum of exp) over a list, made stable by factoring out the highest term.

    The gradient of that term cancels.
    """
    highest = ops.stop_gradient(_maximum(arrays))
    terms = [ops.exp(array - highest) for array in arrays]
    return highest + ops.log(sum(terms[1:], terms[0]))


@dataclass(frozen=True)
class Mixture:
    """A kind of mixture that a network can output.

    Args:
        size: (Z, K) -> how many numbers the network outputs.
        log_density: (outputs (B, size), z (B, Z), K) -> (B,), in nats per dimension.
        draw: (outputs, temperature (B,), component and normal (B, Z), K) -> z (B, Z).
    """

    size: Callable[[int, int], int]
    log_density: Callable
    draw: Callable


MIXTURES = {
    "independent": Mixture(
        lambda z, k: 3 * k * z, lambda *given: ops.mean(log_density(*given), axis=-1), draw
    ),
    "joint": Mixture(
        lambda z, k: (2 * z + 1) * k,
        lambda outputs, z, k: joint_log_density(outputs, z, k) / z.shape[-1],
        joint_draw,
    ),
}
