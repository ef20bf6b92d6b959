"""Models as files for others: SavedModel for serving, ONNX for the workers and the browser. Only
writes; never read by training.

The only place that knows TensorFlow, and it is imported when something is exported, not before.
"""

import importlib.util
import os
from pathlib import Path

from WorldModels.experiment.files import remove

VISION_FILES = ("vision", "encode.onnx", "decode.onnx")
MEMORY_FILES = (
    "memory",
    "memory_step.onnx",
    "memory_sample.onnx",
    "memory_sequence.onnx",
    "perception.onnx",
    "imagination.onnx",
)
NEEDED = ("tensorflow", "tf2onnx", "onnx", "onnxruntime")
SKIPPED = "SavedModel and ONNX skipped: "


def unavailable() -> str:
    """Why nothing can be exported here, as one line to print; empty where all is well. Imports
    nothing heavy.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return f"{SKIPPED}no {', '.join(missing)}."
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    return (
        ""
        if backend == "tensorflow"
        else f"{SKIPPED}Keras runs on {backend}, and exporting needs tensorflow."
    )


def export_vision(vision, folder: str | Path) -> None:
    """Write V's files into an iteration's folder: vision/ (SavedModel: encode, decode), encode.onnx
    and decode.onnx.

    Those of earlier weights are removed first, also where nothing can be exported; each new one is
    opened and compared with
    the Keras model before it gets its name.

    Raises:
        ImportError: TensorFlow or an ONNX package is missing; the message is `unavailable()`.
        ValueError: the model is not float32, or a file disagrees with it.
    """
    _begin(folder, VISION_FILES)
    from WorldModels.export import endpoints, onnx, savedmodel

    ends = endpoints.of_vision(vision)
    savedmodel.export_savedmodel(vision, Path(folder) / "vision", ends)
    for end in ends:
        onnx.export_onnx(vision, Path(folder) / f"{end.name}.onnx", end)


def export_memory(memory, perception, imagination, folder: str | Path) -> None:
    """Write M's files into an iteration's folder: memory/ (SavedModel: step, sample, sequence), an
    ONNX file of each,
    perception.onnx, which the workers run, and imagination.onnx, which a dream runs; see
    `export_vision`.

    Args:
        memory: M.
        perception: a models.Perception of V and this M.
        imagination: a models.Imagination of this M.
        folder: where to.

    Raises:
        ImportError: TensorFlow or an ONNX package is missing; the message is `unavailable()`.
        ValueError: a model is not float32, or a file disagrees with it.
    """
    _begin(folder, MEMORY_FILES)
    from WorldModels.export import endpoints, onnx, savedmodel

    ends = endpoints.of_memory(memory)
    savedmodel.export_savedmodel(memory, Path(folder) / "memory", ends)
    for end in ends:
        onnx.export_onnx(memory, Path(folder) / f"memory_{end.name}.onnx", end)
    onnx.export_onnx(
        perception, Path(folder) / "perception.onnx", endpoints.of_perception(perception)
    )
    onnx.export_onnx(
        imagination, Path(folder) / "imagination.onnx", endpoints.of_imagination(imagination)
    )


def _begin(folder: str | Path, names: tuple[str, ...]) -> None:
    # A perception.onnx of earlier weights would drive the workers unnoticed.
    for name in names:
        remove(Path(folder) / name)
    if unavailable():
        raise ImportError(unavailable())
