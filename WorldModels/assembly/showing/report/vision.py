"""Of a run's report: what V has learned. Knows which file lies where, not how anything is drawn."""

import functools
from collections.abc import Callable

import numpy as np

from WorldModels.assembly.showing import run as gather
from WorldModels.assembly.showing.report.page import Part, picture
from WorldModels.experiment.files import read_rows
from WorldModels.experiment.run import Run

FRAMES = 500  # of which latents are counted
SWEPT = 6  # numbers of z


def of_frames(make: Callable[[Run], Part]) -> Callable[[Run], Part | None]:
    """A part that shows frames: None for a run whose V sees vectors."""

    @functools.wraps(make)
    def part(run: Run) -> Part | None:
        return None if run.experiment.env.observation == "vector" else make(run)

    return part


@of_frames
def reconstructions(run: Run) -> Part:
    """Frames that V was not trained on, over what V makes of them."""
    from WorldModels.figures.reconstructions import reconstruction_grid

    frames = gather.held_out_frames(run, 16)
    return picture(
        reconstruction_grid(frames, gather.rebuilt(run, frames)),
        "Frames that V was not trained on, and what V makes of them.",
        wide=True,
    )


def vectors(run: Run) -> Part | None:
    """Vectors that V was not trained on, beside what V makes of them; None for a run whose V sees
    frames.
    """
    from WorldModels.figures.vectors import reconstruction_chart

    if run.experiment.env.observation != "vector":
        return None
    seen = gather.held_out_frames(run, FRAMES)
    return picture(
        reconstruction_chart(seen, gather.rebuilt(run, seen)),
        "Numbers that V was not trained on, and what V makes of them.",
        wide=True,
    )


@of_frames
def samples(run: Run) -> Part:
    """What V decodes from a standard normal."""
    from WorldModels.figures.reconstructions import prior_samples

    return picture(prior_samples(gather.prior(run, 16)), "What V draws when z is chance.")


def latents(run: Run) -> Part:
    """Mean, spread and KL divergence of each number of z."""
    from WorldModels.figures.latents import latent_statistics

    return picture(latent_statistics(*_encoded(run)[1]), "How much each number of z is used.")


@of_frames
def traversal(run: Run) -> Part:
    """The numbers of z with the highest KL divergence, each swept."""
    from WorldModels.figures.latents import latent_summary
    from WorldModels.figures.reconstructions import latent_traversal

    frames, posterior = _encoded(run)
    most = np.argsort(-latent_summary(*posterior)["kl"], kind="stable")[:SWEPT]
    swept = gather.traversal(run, frames[len(frames) // 2], most)
    return picture(
        latent_traversal(swept, gather.SWEEP, most),
        "One number of a frame's z changed at a time: those that say most.",
    )


def learning(run: Run) -> Part:
    """V's loss by epoch."""
    from WorldModels.figures.curves import vision_curves

    return picture(
        vision_curves(read_rows(run.need("vision.csv", "train_vision"))),
        "V's training, epoch by epoch.",
    )


def losses(run: Run) -> Part | None:
    """Every loss of a VAE-GAN; None for another kind."""
    from WorldModels.figures.losses import loss_curves

    if run.experiment.vision.kind != "vae_gan":
        return None
    rows = read_rows(run.need("vision.csv", "train_vision"))
    often = read_rows(run.path / "vision_epochs" / "losses.csv")
    return picture(
        loss_curves(often, rows), "Every number of the contest in V's training.", wide=True
    )


@functools.cache
def _encoded(run: Run) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    seen = gather.held_out_frames(run, FRAMES)
    return seen, gather.posterior(run, seen)
