"""SavedModels with named endpoints, for TensorFlow Serving and users without this package."""

import errno
import os
from pathlib import Path

import keras
import numpy as np

from WorldModels.experiment.files import atomic
from WorldModels.experiment.sums import WEIGHTS
from WorldModels.export.compared import DEVICE, compare, expected, require_float32
from WorldModels.export.endpoints import Endpoint, without_cudnn


def export_savedmodel(
    model: keras.Model, folder: str | Path, endpoints: list[Endpoint], weights: str = ""
) -> None:
    """Write a SavedModel, which gets its name once it agrees with Keras.

    `tf.saved_model.load(folder)` has each endpoint as a method; its signatures take inputs by
    their flat names and return dicts.

    Args:
        model: owns the weights; float32.
        folder: replaced if it exists.
        endpoints: the first is also serving_default.
        weights: their sum, which the folder carries as weights.txt.

    Raises:
        ValueError: the model is not float32, or the file disagrees with it (see compared.compare).
    """
    require_float32(model)
    with atomic(folder) as temporary, without_cudnn(model):
        _write(_archive(model, endpoints), temporary, folder)
        _check(temporary, endpoints)
        (temporary / f"{WEIGHTS}.txt").write_text(weights)


def _archive(model: keras.Model, endpoints: list[Endpoint]) -> keras.export.ExportArchive:
    archive = keras.export.ExportArchive()
    archive.track(model)
    for endpoint in endpoints:
        archive.add_endpoint(
            endpoint.name, endpoint.function, input_signature=list(endpoint.arguments)
        )
    return archive


def _write(archive: keras.export.ExportArchive, temporary: Path, folder: str | Path) -> None:
    """Write the archive; TensorFlow's own errors, such as for a full disk, become OSError."""
    import tensorflow as tf

    try:
        archive.write_out(str(temporary), verbose=False)
    except tf.errors.OpError as error:
        full = isinstance(error, tf.errors.ResourceExhaustedError)
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, os.strerror(code), str(folder)) from None


def _check(folder: Path, endpoints: list[Endpoint]) -> None:
    import tensorflow as tf

    with keras.device(DEVICE):  # for its variables too, which are made when it is loaded
        loaded = tf.saved_model.load(str(folder))
        for endpoint in endpoints:
            inputs = endpoint.example()
            tensors = {name: tf.constant(x) for name, x in inputs.items()}
            received = getattr(loaded, endpoint.name)(*endpoint.arguments_of(tensors))
            received = {name: np.asarray(x) for name, x in received.items()}
            compare(folder, endpoint, received, expected(endpoint, inputs))
