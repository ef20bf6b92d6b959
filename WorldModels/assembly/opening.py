"""Opens what lies in an iteration's folder for use: ONNX Runtime where the file is there, else
Keras.

Nothing heavy is imported before a file asks for it: a worker that opens perception.onnx never sees
Keras.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

PERCEPTION, IMAGINATION = "perception.onnx", "imagination.onnx"
ENCODE, DECODE = "encode.onnx", "decode.onnx"
BATCH = 100  # frames that V looks at at a time


def open_perception(folder: str | Path):
    """The perception of an iteration's folder: perception.onnx where it is, else vision.keras and
    memory.keras run by Keras.

    Raises:
        FileNotFoundError: V or M is missing.
        ValueError: a file is damaged, or V and M do not fit.
    """
    folder = Path(folder)
    if (folder / PERCEPTION).exists():
        from WorldModels.envs.sessions import PerceptionSession

        return PerceptionSession(folder / PERCEPTION)
    from WorldModels.assembly.models import load_perception

    return load_perception(folder / "vision.keras", folder / "memory.keras")


def open_reconstruction(folder: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """V's reconstruction of observations, decode(mean of encode).

    (T, H, W, 3) uint8 frames become (T, H, W, 3) float32 in 0..1, vectors (T, D) become (T, D).

    Raises:
        FileNotFoundError: there is no V.
        ValueError: a file is damaged.
    """
    encode, decode = open_encoder(folder), open_decode(folder, threads=0)

    def reconstruct(observations: np.ndarray) -> np.ndarray:
        mean, _ = encode(observations)
        return np.concatenate([decode(mean[i : i + BATCH]) for i in range(0, len(mean), BATCH)])

    return reconstruct


def first_latents(folder: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log-variance (N, Z) of the first frame of every recorded episode: where dreams
    begin.

    Raises:
        FileNotFoundError: there are none.
        ValueError: the file is damaged.
    """
    from WorldModels.episodes.episode import load_npz

    path = Path(folder) / "first_latents.npz"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; make it first: python -m WorldModels.encode")
    fields = load_npz(path, {"mean", "log_var"}, "first latents")
    return fields["mean"], fields["log_var"]


def open_imagination(folder: str | Path):
    """The imagination of an iteration's folder: imagination.onnx where it is, else memory.keras run
    by Keras.

    Raises:
        FileNotFoundError: there is no M.
        ValueError: a file is damaged.
    """
    folder = Path(folder)
    if (folder / IMAGINATION).exists():
        from WorldModels.envs.sessions import ImaginationSession

        return ImaginationSession(folder / IMAGINATION)
    from WorldModels.assembly.models import Imagination, KerasImagination, load_memory

    return KerasImagination(Imagination(load_memory(folder / "memory.keras")))


def open_decode(folder: str | Path, threads: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """V's decoder: z (B, Z) -> frames (B, H, W, 3) float32 in 0..1, or vectors (B, D).

    Args:
        folder: an iteration's, with decode.onnx, or else vision.keras, which Keras runs.
        threads: of ONNX Runtime; 0: one per core.

    Raises:
        FileNotFoundError: there is no V.
        ValueError: a file is damaged.
    """
    folder = Path(folder)
    if (folder / DECODE).exists():
        from WorldModels.envs.sessions import open_session

        session = open_session(folder / DECODE, threads)
        return lambda z: session.run(["observations"], {"z": np.asarray(z, np.float32)})[0]
    import keras

    from WorldModels.assembly.models import load_vision

    vision = load_vision(folder / "vision.keras")
    return lambda z: keras.ops.convert_to_numpy(vision.decode(z))


def lazy_decode(folder: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """`open_decode` at the first call: most dreams are never shown."""
    opened = []

    def decode(z):
        if not opened:
            opened.append(open_decode(folder))
        return opened[0](z)

    return decode


def open_encoder(
    folder: str | Path,
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """V's encoder: frames (N, H, W, 3) uint8, or vectors (N, D) -> mean and log_var (N, Z).

    Runs encode.onnx of an iteration's folder, or where it is missing vision.keras by Keras; looks
    at BATCH observations at a time.

    Raises:
        FileNotFoundError: there is no V.
        ValueError: a file is damaged.
    """
    encode = _encoder(Path(folder))

    def in_batches(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pieces = [encode(observations[i : i + BATCH]) for i in range(0, len(observations), BATCH)]
        mean, log_var = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        return mean, log_var

    return in_batches


def _encoder(folder: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    if (folder / ENCODE).exists():
        from WorldModels.envs.sessions import open_session

        session = open_session(folder / ENCODE, threads=0)
        return lambda observations: session.run(["mean", "log_var"], {"observations": observations})
    import keras

    from WorldModels.assembly.models import load_vision

    vision = load_vision(folder / "vision.keras")
    return lambda observations: [
        keras.ops.convert_to_numpy(found) for found in vision.encode(observations)
    ]
