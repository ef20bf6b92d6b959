"""Writes the exported files: SavedModel for serving, ONNX for workers and the browser.

Training never reads them. Only this folder imports TensorFlow, and only once something is exported.
"""

import importlib.util
import os
from pathlib import Path

from WorldModels.experiment.damage import checks
from WorldModels.experiment.files import remove
from WorldModels.experiment.sums import WEIGHTS, present_sum

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

    ends, weights = endpoints.of_vision(vision), present_sum(Path(folder) / "vision")
    savedmodel.export_savedmodel(vision, Path(folder) / "vision", ends, weights)
    for end in ends:
        onnx.export_onnx(vision, Path(folder) / f"{end.name}.onnx", end, weights)


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
    weights = present_sum(folder / "memory")
    savedmodel.export_savedmodel(memory, folder / "memory", ends, weights)
    for end in ends:
        onnx.export_onnx(memory, folder / f"memory_{end.name}.onnx", end, weights)
    end = endpoints.of_imagination(imagination)
    onnx.export_onnx(imagination, folder / f"{end.name}.onnx", end, weights)
    end = endpoints.of_perception(perception)
    path = folder / f"{end.name}.onnx"
    onnx.export_onnx(perception, path, end, present_sum(path))


def outdated(folder: str | Path, names: tuple[str, ...]) -> list[str]:
    """Exported files that are missing or damaged, or carry the sum of other weights than V and M.

    Those that carry none, from earlier versions, are not among them.

    Args:
        folder: an iteration's folder.
        names: VISION_FILES or MEMORY_FILES.
    """
    folder = Path(folder)
    found = []
    for name in names:
        if not (folder / name).exists() or _is_damaged(folder / name):
            found.append(name)
        elif (carried := _carried(folder / name)) and carried != present_sum(folder / name):
            found.append(name)
    return found


def _is_damaged(path: Path) -> bool:
    """Whether an exported file, or one in an exported folder, differs from its stage's sum."""
    check = checks(path)
    try:
        for file in path.rglob("*") if path.is_dir() else [path]:
            check(file)
    except ValueError:
        return True
    return False


def _carried(path: Path) -> str:
    """The sum of the weights that an exported file carries; empty where it carries none."""
    if path.is_dir():
        text = path / f"{WEIGHTS}.txt"
        return text.read_text() if text.exists() else ""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # told no number, it ties threads to cores
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map.get(WEIGHTS, "")


def _begin(folder: str | Path, names: tuple[str, ...]) -> None:
    # Otherwise workers could drive with a perception.onnx of earlier weights, unnoticed.
    for name in names:
        remove(Path(folder) / name)
    if unavailable():
        raise ImportError(unavailable())
