"""Opens the models in an iteration's folder: with ONNX Runtime if exported, else with Keras.

Heavy imports wait until a file needs them: a worker that opens perception.onnx never imports
Keras.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from WorldModels.experiment.damage import check_own
from WorldModels.experiment.remedies import command_for

PERCEPTION, IMAGINATION = "perception.onnx", "imagination.onnx"
ENCODE, DECODE = "encode.onnx", "decode.onnx"
BATCH = 100  # frames or latents per call of V
KERAS_BATCH = 256  # frames that Keras encodes in one call


def open_perception(folder: str | Path):
    """The perception in a folder: perception.onnx, else vision.keras and memory.keras in Keras.

    Raises:
        FileNotFoundError: V or M is missing.
        ValueError: a file is damaged, or V and M do not fit together.
    """
    folder = Path(folder)
    if (folder / PERCEPTION).exists():
        from WorldModels.envs.sessions import PerceptionSession

        return PerceptionSession(folder / PERCEPTION)
    from WorldModels.assembly.models import load_perception

    return load_perception(folder / "vision.keras", folder / "memory.keras")


def check_exports(folder: str | Path) -> None:
    """Refuse damaged exports before anything begins: workers and films open them much later.

    Raises:
        ValueError: one differs from its stage's sum; the message has the command that exports it.
    """
    for name in (PERCEPTION, IMAGINATION, ENCODE, DECODE):
        check_own(Path(folder) / name)


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
    """Where dreams start: mean and log-variance (N, Z) of each recorded episode's first frame.

    Raises:
        FileNotFoundError: there are none.
        ValueError: the file is damaged.
    """
    from WorldModels.episodes.episode import load_npz

    path = Path(folder) / "first_latents.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; make it first: {command_for(folder, 'encode')}"
        )
    check_own(path)
    fields = load_npz(path, {"mean", "log_var"}, "first latents")
    return fields["mean"], fields["log_var"]


def open_imagination(folder: str | Path):
    """The imagination in a folder: imagination.onnx if it exists, else memory.keras in Keras.

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
        folder: of an iteration, with decode.onnx, or else vision.keras, which Keras runs.
        threads: number of ONNX Runtime's threads; 0: one per core.

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
    """`open_decode`, but opened on the first call, since most dreams are never shown."""
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

    Runs encode.onnx in an iteration's folder, or vision.keras in Keras if that is missing.

    Raises:
        FileNotFoundError: there is no V.
        ValueError: a file is damaged.
    """
    folder = Path(folder)
    if not (folder / ENCODE).exists():
        return keras_encoder(folder / "vision.keras")
    from WorldModels.envs.sessions import open_session

    session = open_session(folder / ENCODE, threads=0)

    def encode(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts = range(0, len(observations), BATCH)
        pieces = [
            session.run(["mean", "log_var"], {"observations": observations[i : i + BATCH]})
            for i in starts
        ]
        mean, log_var = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        return mean, log_var

    return encode


def keras_encoder(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The V in a .keras file as a function from observations to mean and log-variance (N, Z).

    Observations are (N, H, W, 3) uint8 or (N, D) float32. Batches are padded to one size, so that
    Keras compiles V once.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged; or, when called, the observations do not have the shape
            that V was trained on.
    """
    import keras

    from WorldModels.assembly.models import load_vision
    from WorldModels.interfaces import observation_dtype

    vision = load_vision(path)
    shape = tuple(vision.observation_shape)
    observations = keras.Input(shape, dtype=observation_dtype(shape))
    encoder = keras.Model(observations, vision.encode(observations))

    def encode(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if seen.shape[1:] != shape:
            raise ValueError(
                f"frames: expected {shape} as V was trained on, received {seen.shape[1:]}; train V "
                "again, or name another folder with --results FOLDER."
            )
        padding = np.zeros((-len(seen) % KERAS_BATCH, *shape), seen.dtype)
        padded = np.concatenate([seen, padding])
        starts = range(0, len(padded), KERAS_BATCH)
        parts = [encoder.predict_on_batch(padded[i : i + KERAS_BATCH]) for i in starts]
        mean, log_var = (np.concatenate(part)[: len(seen)] for part in zip(*parts, strict=True))
        return mean, log_var

    return encode
