"""SavedModels with named endpoints, for TensorFlow Serving and whoever has TensorFlow but not this
package.
"""

import errno
import os
from pathlib import Path

import keras
import numpy as np

from WorldModels.experiment.files import atomic
from WorldModels.export.compared import compare, expected, require_float32
from WorldModels.export.endpoints import Endpoint


def export_savedmodel(model: keras.Model, folder: str | Path, endpoints: list[Endpoint]) -> None:
    """Write a SavedModel with these endpoints, open it, compare it with Keras, and only then give
    it its name.

    `tf.saved_model.load(folder)` has each endpoint as a method; its signatures take the flat names
    and give dicts.

    Args:
        model: owns the weights; float32.
        folder: replaced if it exists.
        endpoints: the first is serving_default too.

    Raises:
        ValueError: the model is not float32, or the file disagrees with it (see compared.compare).
    """
    import tensorflow as tf

    require_float32(model)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for endpoint in endpoints:
        archive.add_endpoint(
            endpoint.name, endpoint.function, input_signature=list(endpoint.arguments)
        )
    with atomic(folder) as temporary:
        try:
            archive.write_out(str(temporary), verbose=False)
        except (
            tf.errors.OpError
        ) as error:  # a full disk, say: TensorFlow writes past Python's own errors
            code = (
                errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
            )
            raise OSError(code, os.strerror(code), str(folder)) from None
        _check(temporary, endpoints)


def _check(folder: Path, endpoints: list[Endpoint]) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    for endpoint in endpoints:
        inputs = endpoint.example()
        received = getattr(loaded, endpoint.name)(
            *endpoint.arguments_of({k: tf.constant(x) for k, x in inputs.items()})
        )
        compare(
            folder,
            endpoint,
            {k: np.asarray(x) for k, x in received.items()},
            expected(endpoint, inputs),
        )
