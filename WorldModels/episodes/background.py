"""What most frames of a game show: the background against which small things stand out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from WorldModels.episodes.frames import spread_frames

FRAMES, EPISODES = 1000, 100  # frames of the median, from at most so many episodes


def median_frame(paths: Sequence[Path]) -> np.ndarray:
    """The median at each pixel of the frames of some episodes: (H, W, 3), float32 in 0..1.

    Raises:
        ValueError: no files, files of different frames, or a damaged file.
    """
    some = paths[:: -(-len(paths) // EPISODES)]
    return (np.median(spread_frames(some, FRAMES), axis=0) / 255).astype(np.float32)
