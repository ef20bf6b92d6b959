"""The kinds of vision by name, and how one is built from settings. A new kind is a file and a line
here.
"""

import importlib
import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

KINDS = {
    "vae": "WorldModels.vision.vae:VAE",
    "dense": "WorldModels.vision.dense:DenseVAE",
    "vae_gan": "WorldModels.vision.vae_gan:VAEGAN",
}


def vision_class(kind: str) -> type:
    """The class of a kind; importing it also makes it known to Keras.

    Raises:
        ValueError: no such kind; the message lists those that there are.
    """
    if kind not in KINDS:
        raise ValueError(f"--vision.kind: expected one of {', '.join(KINDS)}, received {kind!r}.")
    module, name = KINDS[kind].split(":")
    return getattr(importlib.import_module(module), name)


def build(settings: Any, observation_shape: tuple[int, ...], seed: int, **how: Any) -> keras.Model:
    """An untrained V: what its constructor takes, of the settings of the same names.

    Args:
        settings: experiment.settings.VisionSettings.
        observation_shape: (H, W, 3), or (D,) where the world has no picture.
        seed: of the first weights and the noise.
        how: dtype, and what else replaces a setting.

    Raises:
        ValueError: no such kind, or a setting or observations that it refuses.
    """
    kind = vision_class(settings.kind)
    names = inspect.signature(kind).parameters
    options = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    options |= {name: value for name, value in how.items() if name in names or name == "dtype"}
    return kind(**{**options, "observation_shape": observation_shape, "seed": seed})


def register() -> None:
    """Make every kind known to Keras, so that it loads their files."""
    for kind in KINDS:
        vision_class(kind)


def published_form(model: keras.Model) -> keras.Model:
    """A float32 copy of V, its decoder, where there are several forms of it, made of plain
    transposed convolutions: what is saved
    and exported."""
    config = {**model.get_config(), "dtype": "float32"}
    copy = type(model).from_config(
        {**config, "decoder_form": "transpose"} if "decoder_form" in config else config
    )
    for variable, source in zip(copy.variables, model.variables, strict=True):
        variable.assign(np.asarray(ops.convert_to_numpy(source)))
    return copy
