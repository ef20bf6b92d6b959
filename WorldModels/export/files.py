"""Writes the exported files: SavedModel for serving, ONNX for workers and the browser.

Training never reads them. Only this folder imports TensorFlow, and only once something is exported.
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
    """Why nothing can be exported here, as one line to print; empty where exporting works.

    Imports nothing heavy.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return f"{SKIPPED}no {', '.join(missing)}."
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        return f"{SKIPPED}Keras runs on {backend}, and exporting needs tensorflow."
    return ""


def export_vision(vision, folder: str | Path) -> None:
    """Write V's files into an iteration's folder.

    They are vision/ (SavedModel: encode, decode), encode.onnx and decode.onnx. Files of earlier
    weights are removed first, even where nothing can be exported; each new file is opened and
    compared with the Keras model before it gets its name.

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
    """Write M's files into an iteration's folder; see `export_vision`.

    They are memory/ (SavedModel: step, sample, sequence), an ONNX file of each, perception.onnx,
    which workers run, and imagination.onnx, which a dream runs.

    Args:
        memory: M.
        perception: an assembly.models.Perception of V and this M.
        imagination: an assembly.models.Imagination of this M.
        folder: the iteration's folder.

    Raises:
        ImportError: TensorFlow or an ONNX package is missing; the message is `unavailable()`.
        ValueError: a model is not float32, or a file disagrees with it.
    """
    _begin(folder, MEMORY_FILES)
    from WorldModels.export import endpoints, onnx, savedmodel

    folder, ends = Path(folder), endpoints.of_memory(memory)
    savedmodel.export_savedmodel(memory, folder / "memory", ends)
    for end in ends:
        onnx.export_onnx(memory, folder / f"memory_{end.name}.onnx", end)
    for model, end in (
        (perception, endpoints.of_perception(perception)),
        (imagination, endpoints.of_imagination(imagination)),
    ):
        onnx.export_onnx(model, folder / f"{end.name}.onnx", end)


def _begin(folder: str | Path, names: tuple[str, ...]) -> None:
    # Otherwise workers could drive with a perception.onnx of earlier weights, unnoticed.
    for name in names:
        remove(Path(folder) / name)
    if unavailable():
        raise ImportError(unavailable())
