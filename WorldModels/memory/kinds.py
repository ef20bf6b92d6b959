"""The kinds of memory by name, and how one is built from settings.

To add a kind, write a file and add a line here.
"""

import importlib
import inspect
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from WorldModels.experiment.machine import training_dtype

KINDS = {
    "mdn_rnn": "WorldModels.memory.mdn_rnn:MDNRNN",
    "transformer": "WorldModels.memory.transformer:TransformerMemory",
    "trade": "WorldModels.memory.trade:TraDE",
}


def memory_class(kind: str) -> type:
    """The class of a kind; importing it also registers it with Keras.

    Raises:
        ValueError: no such kind; the message lists the valid ones.
    """
    if kind not in KINDS:
        raise ValueError(f"--memory.kind: expected one of {', '.join(KINDS)}, received {kind!r}.")
    module, name = KINDS[kind].split(":")
    return getattr(importlib.import_module(module), name)


def build_memory(
    settings: Any, latent_size: int, action_size: int, seed: int, dtype: str = ""
) -> keras.Model:
    """An untrained M, by default in the dtype that the settings ask for or the device is known for.

    The kind's constructor gets the settings that share a name with its arguments.

    Args:
        settings: experiment.settings.MemorySettings.
        latent_size: Z.
        action_size: A.
        seed: for the initial weights.
        dtype: of the computation; overrides the settings'.

    Raises:
        ValueError: no such kind, or a setting that it refuses.
    """
    kind = memory_class(settings.kind)
    options = {
        name: getattr(settings, name) for name in _arguments(kind) if hasattr(settings, name)
    }
    device = keras.distribution.list_devices()[0]
    dtype = dtype or training_dtype(settings.dtype, device=device)
    sizes = {"latent_size": latent_size, "action_size": action_size}
    return kind(**{**options, **sizes, "seed": seed, "dtype": dtype})


def _arguments(kind: type) -> Iterable[str]:
    if hasattr(kind, "argument_names"):
        return kind.argument_names()
    return inspect.signature(kind).parameters


def register() -> None:
    """Register every kind with Keras, so that it can load their files."""
    for kind in KINDS:
        memory_class(kind)


def float32_copy(model: keras.Model) -> keras.Model:
    """A copy of a memory that computes in float32: what is saved and exported."""
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    for variable, source in zip(copy.variables, model.variables, strict=True):
        variable.assign(ops.convert_to_numpy(source))
    return copy
