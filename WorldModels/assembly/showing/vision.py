"""What V makes of a run's frames, as arrays for pictures.

    frames = held_out_frames(run, 16)
    figure = reconstruction_grid(frames, rebuilt(run, frames))

If V or the episodes are missing, the error gives the command that makes them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from WorldModels.assembly.opening import BATCH, open_decode, open_encoder, open_reconstruction
from WorldModels.experiment.draws import rng
from WorldModels.experiment.run import Run

SWEEP = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations of the prior


def held_out_episodes(run: Run) -> list[Path]:
    """Paths of the episodes that V was not trained on; all paths if none were held out.

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.split import older_share, split

    paths = [path for folder in run.need_episodes() for path in list_episodes(folder)]
    older = older_share(run.path, "vision")
    training, validation = split(paths, run.path, "vision", run.experiment, older)
    return validation or training


def held_out_frames(run: Run, count: int) -> np.ndarray:
    """Evenly spaced frames of `held_out_episodes`: (count, H, W, 3) uint8, or vectors (count, D).

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.frames import spread_frames

    return spread_frames(held_out_episodes(run), count)


def rebuilt(run: Run, frames: np.ndarray) -> np.ndarray:
    """V's reconstruction of frames from its posterior's mean: (N, H, W, 3) float32 in 0..1."""
    run.need("vision.keras", "train_vision")
    return open_reconstruction(run.path)(frames)


def posterior(run: Run, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V's posterior of frames (N, H, W, 3) uint8: mean and log-variance (N, Z)."""
    run.need("vision.keras", "train_vision")
    return open_encoder(run.path)(frames)


def decoded(run: Run, z: np.ndarray) -> np.ndarray:
    """Frames (N, H, W, 3) uint8 that V decodes from z (N, Z)."""
    from WorldModels.figures.frames import as_uint8

    run.need("vision.keras", "train_vision")
    decode = open_decode(run.path)
    return np.concatenate([as_uint8(decode(z[i : i + BATCH])) for i in range(0, len(z), BATCH)])


def prior(run: Run, count: int) -> np.ndarray:
    """Frames (count, H, W, 3) uint8 that V decodes from draws of a standard normal."""
    draw = rng(run.experiment.seed, "pictures", "prior")
    size = run.experiment.vision.latent_size
    return decoded(run, draw.standard_normal((count, size), np.float32))


def traversal(
    run: Run, frame: np.ndarray, dimensions: Sequence[int], values: Sequence[float] = SWEEP
) -> np.ndarray:
    """What V decodes while one latent dimension of a frame is swept: (D, S, H, W, 3) uint8.

    Args:
        run: the open run.
        frame: (H, W, 3) uint8; its other dimensions stay as they are.
        dimensions: the D dimensions to sweep.
        values: the S values that each takes.
    """
    z = np.tile(posterior(run, frame[None])[0][0], (len(dimensions), len(values), 1))
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = values
    return decoded(run, z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], *frame.shape)


def epochs(run: Run) -> list[np.ndarray]:
    """The picture that V's training saved after each epoch: (H, W, 3) uint8 each.

    From top to bottom: frames, their reconstructions, samples of the prior.

    Raises:
        FileNotFoundError: there are none; the message gives the command that makes them.
    """
    from PIL import Image

    folder = run.need("vision_epochs", "train_vision")
    paths = [path for path in sorted(folder.glob("*.png")) if path.stem.isdigit()]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]
