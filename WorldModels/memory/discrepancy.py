"""The maximum mean discrepancy between latents that were drawn and latents that were seen."""

from keras import ops

# Squared widths of the kernels, as multiples of the mean squared distance between seen latents.
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


def squared_mmd(drawn, seen, counts):
    """Unbiased estimate of the squared discrepancy, averaged over Gaussian kernels.

    After Gretton et al. 2012, lemma 6:

        mean over i != j of k(drawn_i, drawn_j) + k(seen_i, seen_j) - 2 k(drawn_i, seen_j)

    Args:
        drawn: (N, Z).
        seen: (N, Z); rows i of both follow the same past, so i = j is left out of all terms.
        counts: (N,), 1 for a row that counts, else 0.

    Returns:
        A scalar; below 0 if the two are closer than two samples of one density are on average.
    """
    pairs = counts[:, None] * counts[None] * (1 - ops.eye(drawn.shape[0]))
    total = ops.maximum(ops.sum(pairs), 1.0)
    scale = ops.sum(pairs * _squared_distances(seen, seen)) / total
    scale = ops.maximum(ops.stop_gradient(scale), 1e-6)

    def kernel(a, b):
        distances = _squared_distances(a, b) / scale
        kernels = [ops.exp(-distances / (2 * bandwidth)) for bandwidth in BANDWIDTHS]
        return sum(kernels) / len(BANDWIDTHS)

    apart = kernel(drawn, drawn) + kernel(seen, seen) - 2 * kernel(drawn, seen)
    return ops.sum(pairs * apart) / total


def _squared_distances(a, b):
    products = ops.matmul(a, ops.swapaxes(b, 0, 1))
    a, b = ops.sum(ops.square(a), axis=1)[:, None], ops.sum(ops.square(b), axis=1)[None]
    return ops.maximum(a + b - 2 * products, 0.0)
