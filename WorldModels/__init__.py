"""World Models (Ha & Schmidhuber 2018) in Keras 3: see (V), remember and imagine (M), act (C).

Six verbs make an experiment: record, train_vision, encode, train_memory, train_controller,
evaluate. Each is a module that can be run: `python -m WorldModels.record carracing`.
Importing the package is cheap: it registers a run's worlds with Gymnasium by name, and prepares for
libraries that are imported later: TensorFlow with oneDNN, Keras with its usual defaults, ONNX
Runtime without telemetry.
"""

import json
import os
import sys
import warnings

from gymnasium import register

__version__ = "0.1.0"

# ONNX Runtime would collect usage data, in a file of the user's home, and send them.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Without AVX512 TensorFlow leaves oneDNN off, and trains V eight times slower. A value set by
# the user wins.
_asked = os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# A TensorFlow that is imported already has read the variable, and knows what it made of it.
_port = sys.modules.get("tensorflow.python.util._pywrap_util_port")
if _asked == "1" and _port and not _port.IsMklEnabled():
    warnings.warn(
        "TensorFlow was imported before WorldModels and runs without oneDNN, so V trains up to "
        "eight times slower: import WorldModels first, or set TF_ENABLE_ONEDNN_OPTS=1 before.",
        stacklevel=2,
    )

# What V and M are built for. A user's keras.json may ask for other defaults: TensorFlow cannot
# convolve channels_first on a CPU, Adam fails in float16, and Keras itself refuses bfloat16 there.
_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "image_data_format": "channels_last",
    "nnx_enabled": False,
}
_BACKENDS = ("tensorflow", "jax")


def _keras_json() -> tuple[str, dict]:
    """The path of the keras.json that Keras would read, and what it asks for; {} without one."""
    home = os.path.expanduser("~")
    home = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    path = os.path.expanduser(os.path.join(os.environ.get("KERAS_HOME", home), "keras.json"))
    try:
        with open(path) as file:
            said = json.load(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # Keras ignores broken JSON too
        return path, {}
    except OSError:
        said = None
    return path, said if isinstance(said, dict) else {"settings": "that cannot be read"}


def _prepare_keras() -> None:
    """Have Keras start with _KERAS, on the backend of KERAS_BACKEND or keras.json, in that order.

    Then KERAS_HOME names the folder of a keras.json of ours, for child processes too. Where Keras
    is imported already, layers still say channels_last by themselves.
    """
    if (keras := sys.modules.get("keras")) is not None:
        floatx = keras.config.floatx()
        if floatx != "float32":
            warnings.warn(
                f"Keras was imported before WorldModels and computes in {floatx}: import "
                'WorldModels first, or call keras.config.set_floatx("float32").',
                stacklevel=3,
            )
        return
    path, said = _keras_json()
    backend = said.pop("backend", "tensorflow")
    known = {"settings": "", **_KERAS}
    ignored = {name: value for name, value in said.items() if known.get(name, value) != value}
    if ignored:
        os.environ["KERAS_HOME"] = os.path.join(os.path.dirname(__file__), "experiment")
    if not os.environ.get("KERAS_BACKEND") and backend != "tensorflow":
        os.environ["KERAS_BACKEND"] = backend if backend in _BACKENDS else "tensorflow"
        if backend not in _BACKENDS:
            ignored["backend"] = backend
    if ignored:
        asked = ", ".join(f"{name} {value}" for name, value in ignored.items())
        warnings.warn(
            f"{path} asks for {asked}. Keras ignores that in this process, since WorldModels needs "
            "channels_last, float32 and TensorFlow or JAX.",
            stacklevel=3,
        )


_prepare_keras()

# Experiment -> name in Gymnasium ids: WorldModels/DreamCarRacing-v0, LatentCarRacing-v0. Without
# either, WorldModels/Dream-v0 and Latent-v0, it is that of the run in `results`.
GYMNASIUM_NAMES = {"carracing": "CarRacing", "takecover": "TakeCover"}

for _experiment, _name in {**GYMNASIUM_NAMES, "": ""}.items():
    for _kind in ("Dream", "Latent"):
        register(
            f"WorldModels/{_kind}{_name}-v0",
            entry_point=f"WorldModels.assembly.gymnasium_ids:{_kind.lower()}",
            vector_entry_point=f"WorldModels.assembly.gymnasium_ids:{_kind.lower()}_vector",
            kwargs={"experiment": _experiment},
        )
