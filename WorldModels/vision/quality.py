"""How good a trained V is: on held-out observations, and at decoding random latents."""

import numpy as np
from keras import ops

# Pixels of SSIM's Gaussian window, and its standard deviation (Wang et al. 2004).
WINDOW, WIDTH = 11, 1.5
K1, K2 = 0.01, 0.03  # SSIM's constants, for pictures in 0..1


def validate(vision, observations, batch_size: int, noise=None) -> dict[str, float]:
    """The losses on held-out observations, as val_<name>.

    z is drawn as in training, with the same noise at every call.

    Args:
        vision: V, compiled.
        observations: (n, H, W, 3) uint8, or (n, D) float32.
        batch_size: observations at a time.
        noise: (m, Z) standard normal latents to decode too; None: decode none.

    Returns:
        val_loss and the other losses and metrics of training; val_reconstruction_of_mean, the
        squared error of the decoded mean, summed over an observation; for pictures, val_ssim of the
        decoded mean, in -1..1; and with noise, val_sample_spread: the mean difference between two
        samples as a share of that between two held-out observations, near 0 if all samples look the
        same.
    """
    state = ops.convert_to_numpy(vision.noise.state).copy()
    vision.noise.state.assign(0 * state)
    losses = vision.evaluate(observations, batch_size=batch_size, verbose=0, return_dict=True)
    vision.noise.state.assign(state)
    scores = {f"val_{name}": float(value) for name, value in losses.items()}
    scores |= _scores_of_mean(vision, observations, batch_size)
    if noise is not None:
        some = unit(observations[:: -(-len(observations) // len(noise))])
        spread = mean_difference(ops.convert_to_numpy(vision.decode(noise)))
        scores["val_sample_spread"] = spread / max(mean_difference(some), 1e-9)
    return scores


def _scores_of_mean(vision, observations, batch_size: int) -> dict[str, float]:
    """The errors of decoded means, without drawing z."""
    count, pictures = len(observations), observations.ndim == 4
    scores = {"val_reconstruction_of_mean": 0.0} | ({"val_ssim": 0.0} if pictures else {})
    for start in range(0, count, batch_size):
        seen = observations[start : start + batch_size]
        made, seen = ops.convert_to_numpy(vision.decode(vision.encode(seen)[0])), unit(seen)
        scores["val_reconstruction_of_mean"] += float(np.square(made - seen).sum()) / count
        if pictures:
            scores["val_ssim"] += float(ssim(made, seen).sum()) / count
    return scores


def unit(observations) -> np.ndarray:
    """Pictures in uint8 as float32 in 0..1; anything else unchanged."""
    return observations / np.float32(255) if observations.dtype == np.uint8 else observations


def ssim(first, second) -> np.ndarray:
    """The structural similarity of pictures, colour by colour; 1 where they are equal.

    As in Wang et al. (2004).

    Args:
        first: (n, H, W, 3) float in 0..1, H and W at least 11.
        second: likewise.

    Returns:
        (n,) float32: the mean over colours and over all places where the Gaussian window fits into
        the picture.
    """
    first, second = (np.moveaxis(np.asarray(x, np.float32), -1, 1) for x in (first, second))
    rows, columns = (_window(size) for size in first.shape[2:])

    def blurred(x):
        return rows @ x @ columns.T

    mean1, mean2 = blurred(first), blurred(second)
    variance1, variance2 = blurred(first**2) - mean1**2, blurred(second**2) - mean2**2
    covariance = blurred(first * second) - mean1 * mean2
    means = (2 * mean1 * mean2 + K1**2) / (mean1**2 + mean2**2 + K1**2)
    return (means * (2 * covariance + K2**2) / (variance1 + variance2 + K2**2)).mean(axis=(1, 2, 3))


def _window(size: int) -> np.ndarray:
    """The matrix (size - 10, size) that blurs a line of pixels."""
    weights = np.exp(-0.5 * ((np.arange(WINDOW) - WINDOW // 2) / WIDTH) ** 2)
    matrix = np.zeros((size - WINDOW + 1, size), np.float32)
    for i, row in enumerate(matrix):
        row[i : i + WINDOW] = weights / weights.sum()
    return matrix


def mean_difference(observations) -> float:
    """The mean absolute difference between two of n observations (n, ...), n at least 2.

    The mean is over all pairs and all their numbers.
    """
    # Sorted, the k-th of n numbers is added k times and subtracted n - 1 - k times.
    ordered = np.sort(np.asarray(observations, np.float32), axis=0)
    n = len(ordered)
    weights = 2 * np.arange(n) - n + 1
    return float(np.tensordot(weights, ordered, 1).mean(dtype=np.float64)) * 2 / (n * (n - 1))
