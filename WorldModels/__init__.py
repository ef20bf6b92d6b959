"""World Models (Ha & Schmidhuber 2018) in Keras 3: see (V), remember and imagine (M), act (C).

Six verbs make an experiment: record, train_vision, encode, train_memory, train_controller,
evaluate. Each is a module that can be run: `python -m WorldModels.record carracing`.
Importing the package is cheap: it registers a run's worlds with Gymnasium by name, and switches
oneDNN on in case TensorFlow is imported later.
"""

import os

from gymnasium import register

__version__ = "0.1.0"

# Without AVX512 TensorFlow leaves oneDNN off, and trains V eight times slower. A value set by
# the user wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

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
