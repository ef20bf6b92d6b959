"""The kinds of memory by name, and how one is built from settings. A new kind is a file and a line
here.
"""

import importlib
import inspect
from typing import Any

import keras
from keras import ops

KINDS = {
    "mdn_rnn": "WorldModels.memory.mdn_rnn:MDNRNN",
    "transformer": "WorldModels.memory.transformer:TransformerMemory",
    "trade": "WorldModels.memory.trade:TraDE",
}


def memory_class(kind: str) -> type:
    """The class of a kind; importing it also makes it known to Keras.

    Raises:
        ValueError: no such kind; the message lists those that there are.
    """
    if kind not in KINDS:
        raise ValueError(f"--memory.kind: expected one of {', '.join(KINDS)}, received {kind!r}.")
    module, name = KINDS[kind].split(":")
    return getattr(importlib.import_module(module), name)


def build_memory(
    settings: Any, latent_size: int, action_size: int, seed: int, dtype: str = "float32"
) -> keras.Model:
    """An untrained memory: what its constructor takes, of the settings of the same names.

    Args:
        settings: experiment.settings.MemorySettings.
        latent_size, action_size: Z and A.
        seed: of the initial weights.
        dtype: that it computes in.

    Raises:
        ValueError: no such kind, or a setting that it refuses.
    """
    kind = memory_class(settings.kind)
    options = {
        name: getattr(settings, name)
        for name in inspect.signature(kind).parameters
        if hasattr(settings, name)
    }
    return kind(
        **{
            **options,
            "latent_size": latent_size,
            "action_size": action_size,
            "seed": seed,
            "dtype": dtype,
        }
    )


def register() -> None:
    """Make every kind known to Keras, so that it loads their files."""
    for kind in KINDS:
        memory_class(kind)


def float32_copy(model: keras.Model) -> keras.Model:
    """A memory that computes in float32 with the same weights: the form that is saved and exported."""
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    for variable, source in zip(copy.variables, model.variables, strict=True):
        variable.assign(ops.convert_to_numpy(source))
    return copy
