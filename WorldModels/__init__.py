"""World Models (Ha & Schmidhuber 2018) in Keras 3: see (V), remember and imagine (M), act (C).

Six verbs make an experiment: record, train_vision, encode, train_memory, train_controller,
evaluate. Each is a module that can be run: `python -m WorldModels.record carracing`.
Importing the package is cheap: it registers a run's worlds with Gymnasium by name, and switches
oneDNN on in case TensorFlow is imported later.
"""

import os
import sys
import warnings

from gymnasium import register

__version__ = "0.1.0"

# Without AVX512 TensorFlow leaves oneDNN off, and trains V eight times slower. A value set by
# the user wins.
if "TF_ENABLE_ONEDNN_OPTS" not in os.environ:
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    # A TensorFlow that is imported already has read the variable, and knows what it made of it.
    _port = sys.modules.get("tensorflow.python.util._pywrap_util_port")
    if _port and not _port.IsMklEnabled():
        warnings.warn(
            "TensorFlow was imported before WorldModels and runs without oneDNN, so V trains up to "
            "eight times slower: import WorldModels first, or set TF_ENABLE_ONEDNN_OPTS=1.",
            stacklevel=2,
        )

# Experiment -> name in Gymnasium ids: WorldModels/DreamCarRacing-v0, LatentCarRacing-v0.
GYMNASIUM_NAMES = {"carracing": "CarRacing", "takecover": "TakeCover"}

for _experiment, _name in GYMNASIUM_NAMES.items():
    for _kind in ("Dream", "Latent"):
        register(
            f"WorldModels/{_kind}{_name}-v0",
            entry_point=f"WorldModels.assembly.gymnasium_ids:{_kind.lower()}",
            vector_entry_point=f"WorldModels.assembly.gymnasium_ids:{_kind.lower()}_vector",
            kwargs={"experiment": _experiment},
        )
