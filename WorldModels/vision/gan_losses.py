"""The terms of the VAE-GAN's losses, and the metrics that it reports; all arrays are float32."""

from keras import ops

GENERATOR_LOSSES = ("minimax", "non_saturating")
METRICS = (
    "encoder_loss",
    "generator_loss",
    "discriminator_loss",
    "feature_matching",
    "kl",
    "normality",
    "gan_real",
    "gan_reconstructed",
    "gan_random",
    "reconstruction",
    "absolute_error",
    "real_probability",
    "fake_probability",
)


def cross_entropy(logit, target: float):
    """Mean binary cross-entropy in nats between logits (B,) and a target, 0 or 1.

    softplus(logit) - target * logit
    """
    return ops.mean(ops.softplus(logit) - target * logit)


def gan_loss(real, reconstructed, random):
    """The discriminator's loss.

    Args:
        real: (B,), its logits for frames.
        reconstructed: (B,), for their reconstructions.
        random: (B,), for decoded random latents.
    """
    return (
        0.5 * cross_entropy(real, 1.0)
        + 0.25 * cross_entropy(reconstructed, 0.0)
        + 0.25 * cross_entropy(random, 0.0)
    )


def adversarial_loss(kind: str, real, reconstructed, random):
    """The generator's part of the game, from the logits that `gan_loss` takes.

    Args:
        kind: "minimax": minus the discriminator's loss, as published; "non_saturating": -log D of
            what the generator made (Goodfellow et al. 2014, section 3).
        real: see `gan_loss`.
        reconstructed: likewise.
        random: likewise.
    """
    if kind == "minimax":
        return -gan_loss(real, reconstructed, random)
    return 0.25 * cross_entropy(reconstructed, 1.0) + 0.25 * cross_entropy(random, 1.0)


def mean_kl(mean, log_var):
    """KL divergence from the standard normal in nats, averaged over batch and dimensions."""
    return ops.mean(-0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var)))


def normality_loss(z):
    """How far the means m_j and variances v_j of a batch of latents (B, Z) are from 0 and 1.

    mean_j m_j^2 + mean_j (v_j - 1)^2
    """
    means = ops.mean(ops.square(ops.mean(z, axis=0)))
    return means + ops.mean(ops.square(ops.var(z, axis=0) - 1))


def logit_metrics(real, reconstructed, random) -> dict:
    """Cross-entropies, and probabilities of being real, from the logits that `gan_loss` takes."""
    fakes = [ops.mean(ops.sigmoid(logit)) for logit in (reconstructed, random)]
    return {
        "gan_real": cross_entropy(real, 1.0),
        "gan_reconstructed": cross_entropy(reconstructed, 0.0),
        "gan_random": cross_entropy(random, 0.0),
        "real_probability": ops.mean(ops.sigmoid(real)),
        "fake_probability": sum(fakes) / 2,
    }
