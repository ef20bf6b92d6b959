"""The section of a report on V: what it learned."""

import functools

import numpy as np

from WorldModels.assembly.showing import vision
from WorldModels.assembly.showing.report.parts import Part, of_frames, picture
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import Run

FRAMES = 500  # for statistics of z
SWEPT = 6  # numbers of z that are swept


@of_frames
def reconstructions(run: Run) -> Part:
    """Held-out frames above V's reconstructions."""
    from WorldModels.figures.reconstructions import reconstruction_grid

    frames = vision.held_out_frames(run, 16)
    return picture(
        reconstruction_grid(frames, vision.rebuilt(run, frames)),
        "Held-out frames, and V's reconstructions of them.",
        wide=True,
    )


def vectors(run: Run) -> Part | None:
    """Held-out vectors beside V's reconstructions; None for a run of frames."""
    from WorldModels.figures.vectors import reconstruction_chart

    if run.experiment.env.observation != "vector":
        return None
    seen = vision.held_out_frames(run, FRAMES)
    return picture(
        reconstruction_chart(seen, vision.rebuilt(run, seen)),
        "Held-out vectors, and V's reconstructions of them.",
        wide=True,
    )


@of_frames
def samples(run: Run) -> Part:
    """Samples of V's prior."""
    from WorldModels.figures.reconstructions import prior_samples

    return picture(prior_samples(vision.prior(run, 16)), "What V draws from random z.")


def latents(run: Run) -> Part:
    """Mean, spread and KL divergence of each number of z."""
    from WorldModels.figures.latents import latent_statistics

    return picture(latent_statistics(*_encoded(run)[1]), "How much V uses each number of z.")


@of_frames
def traversal(run: Run) -> Part:
    """The numbers of z with the highest KL divergence, each swept."""
    from WorldModels.figures.latents import latent_summary
    from WorldModels.figures.reconstructions import latent_traversal

    frames, posterior = _encoded(run)
    most = np.argsort(-latent_summary(*posterior)["kl"], kind="stable")[:SWEPT]
    swept = vision.traversal(run, frames[len(frames) // 2], most)
    return picture(
        latent_traversal(swept, vision.SWEEP, most),
        "The numbers of a frame's z that carry the most, changed one at a time.",
    )


def learning(run: Run) -> Part:
    """V's loss by epoch."""
    from WorldModels.figures.curves import vision_curves

    rows = read_rows(run.need("vision.csv", "train_vision"))
    return picture(vision_curves(rows), "V's training, epoch by epoch.")


def losses(run: Run) -> Part | None:
    """Every loss of a VAE-GAN; None for other kinds of V."""
    from WorldModels.figures.losses import loss_curves

    if run.experiment.vision.kind != "vae_gan":
        return None
    rows = read_rows(run.need("vision.csv", "train_vision"))
    often = read_rows(run.path / "vision_epochs" / "losses.csv")
    return picture(loss_curves(often, rows), "Every loss in V's adversarial training.", wide=True)


@functools.cache
def _encoded(run: Run) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    seen = vision.held_out_frames(run, FRAMES)
    return seen, vision.posterior(run, seen)
