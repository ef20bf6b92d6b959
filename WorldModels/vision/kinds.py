"""The kinds of vision by name, and how one is built from settings.

To add a kind, write a file and add a line here.
"""

import importlib
import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

from WorldModels.experiment.choice import usual_choice

KINDS = {
    "vae": "WorldModels.vision.vae:VAE",
    "dense": "WorldModels.vision.dense:DenseVAE",
    "vae_gan": "WorldModels.vision.vae_gan:VAEGAN",
}


def vision_class(kind: str) -> type:
    """The class of a kind; importing it also registers it with Keras.

    Raises:
        ValueError: no such kind; the message lists the valid ones.
    """
    if kind not in KINDS:
        raise ValueError(f"--vision.kind: expected one of {', '.join(KINDS)}, received {kind!r}.")
    module, name = KINDS[kind].split(":")
    return getattr(importlib.import_module(module), name)


def build_vision(
    settings: Any, observation_shape: tuple[int, ...], seed: int, **how: Any
) -> keras.Model:
    """An untrained V, by default in the dtype and decoder form that the device is known for.

    The kind's constructor gets the settings that share a name with its arguments.

    Args:
        settings: experiment.settings.VisionSettings.
        observation_shape: see `asked_choice`.
        seed: for the initial weights and the noise.
        how: arguments that override settings, such as dtype or decoder_form.

    Raises:
        ValueError: no such kind, or a setting or an observation shape that it refuses.
    """
    kind = vision_class(settings.kind)
    names = inspect.signature(kind).parameters
    device = keras.distribution.list_devices()[0]
    chosen = usual_choice(asked_choice(settings, observation_shape), device) | how
    options = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    options |= {name: x for name, x in chosen.items() if name in names or name == "dtype"}
    return kind(**{**options, "observation_shape": observation_shape, "seed": seed})


build = build_vision  # its earlier name


def asked_choice(settings: Any, observation_shape: tuple[int, ...]) -> dict[str, str]:
    """The dtype that V is to train in and, if its kind has several, the decoder's form.

    Each is "auto" where the settings leave it open.

    Args:
        settings: experiment.settings.VisionSettings.
        observation_shape: (H, W, 3), or (D,), for which dtype "auto" is float32.
    """
    vectors = len(observation_shape) == 1 and settings.dtype == "auto"
    asked = {"dtype": "float32" if vectors else settings.dtype}
    if "decoder_form" in inspect.signature(vision_class(settings.kind)).parameters:
        asked["decoder_form"] = settings.decoder_form
    return asked


def register() -> None:
    """Register every kind with Keras, so that it can load their files."""
    for kind in KINDS:
        vision_class(kind)


def published_form(model: keras.Model) -> keras.Model:
    """A float32 copy of V with the published decoder: what is saved and exported.

    A decoder that has several forms gets plain transposed convolutions.
    """
    config = {**model.get_config(), "dtype": "float32"}
    if "decoder_form" in config:
        config["decoder_form"] = "transpose"
    copy = type(model).from_config(config)
    for variable, source in zip(copy.variables, model.variables, strict=True):
        variable.assign(np.asarray(ops.convert_to_numpy(source)))
    return copy
