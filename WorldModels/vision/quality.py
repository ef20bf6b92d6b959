"""How good a trained V is: on held-out observations, and at decoding random latents."""

import numpy as np
from keras import ops

from WorldModels.experiment.games.game import SMALL_THINGS

# Pixels of SSIM's Gaussian window, and its standard deviation (Wang et al. 2004).
WINDOW, WIDTH = 11, 1.5
K1, K2 = 0.01, 0.03  # SSIM's constants, for pictures in 0..1
IN_USE = (
    0.1  # a latent whose mean varies by less, as a standard deviation over frames, says nothing
)
RARE = 0.01  # share of the pixels that count as rare
FADED = 0.9  # small things count as lost where V's error there is this share of the still picture's


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
        squared error of the decoded mean, summed over an observation; val_latents_in_use, how many
        of z's means have a standard deviation above IN_USE; for pictures, val_ssim of the decoded
        mean, in -1..1, and val_rare_error, see `rare_share`; and with noise, val_sample_spread: the
        mean difference between two samples as a share of that between two held-out observations,
        near 0 if all samples look the same.
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
    means, rebuilt = [], []
    for start in range(0, count, batch_size):
        seen = observations[start : start + batch_size]
        mean = vision.encode(seen)[0]
        made, seen = ops.convert_to_numpy(vision.decode(mean)), unit(seen)
        means.append(ops.convert_to_numpy(mean))
        rebuilt.append(np.asarray(made, np.float16))
        scores["val_reconstruction_of_mean"] += float(np.square(made - seen).sum()) / count
        if pictures:
            scores["val_ssim"] += float(ssim(made, seen).sum()) / count
    scores["val_latents_in_use"] = float((np.concatenate(means).std(axis=0) > IN_USE).sum())
    if pictures:
        scores["val_rare_error"] = rare_share(observations, np.concatenate(rebuilt))
    return scores


def rare_share(observations, rebuilt) -> float:
    """V's squared error on the rarest pixels, as a share of that of a picture that never changes.

    The rarest are the pixels that differ most from the median frame: the RARE share of all pixels
    of all frames, less those that do not differ at all. Near 0, small things are rebuilt; near 1, V
    leaves them out.

    Args:
        observations: (n, H, W, 3) uint8.
        rebuilt: (n, H, W, 3) float in 0..1.
    """
    still = np.median(observations, axis=0).astype(np.float32) / 255
    far, error = (np.empty(observations.shape[:3], np.float32) for _ in range(2))
    for i, (seen, made) in enumerate(zip(observations, rebuilt, strict=True)):
        far[i] = np.square(unit(seen) - still).sum(-1)
        error[i] = np.square(unit(seen) - made).sum(-1)
    rarest = np.argpartition(far.ravel(), -max(1, int(RARE * far.size)))
    rarest = rarest[-max(1, int(RARE * far.size)) :]
    rarest = rarest[far.ravel()[rarest] > 0]
    return float(error.ravel()[rarest].sum() / max(far.ravel()[rarest].sum(), 1e-9))


def warnings_of(scores: dict[str, float], rare_weight: float | None) -> list[str]:
    """What a user should know of a trained V: a line for each fault, with the flag that helps.

    Args:
        scores: the last row of vision.csv.
        rare_weight: the setting; None for a kind of V that weighs all pixels alike.
    """
    lines = []
    if scores.get("val_rare_error", 0.0) > FADED and rare_weight is not None:
        more = max(SMALL_THINGS["rare_weight"], 3 * rare_weight)
        lines.append(
            "small things that come and go are not rebuilt: on the rarest hundredth of the pixels "
            f"V's error is {scores['val_rare_error']:.0%} of a still picture's; "
            f"--vision.rare-weight {more:g} with --vision.median-start and --vision.kl-weight "
            f"{SMALL_THINGS['kl_weight']:g}, or more --vision.epochs, helps."
        )
    if scores.get("val_latents_in_use", 2.0) < 2:
        lines.append(
            f"{scores['val_latents_in_use']:.0f} of z's numbers vary over the held-out frames: z "
            "says next to nothing; a smaller --vision.kl-weight helps."
        )
    return lines


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
