"""World Models (Ha & Schmidhuber 2018) in Keras 3: see (V), remember and imagine (M), act (C).

Six verbs make an experiment: record, train_vision, encode, train_memory, train_controller,
evaluate. Each is a file of this package that can be run: `python -m WorldModels.record carracing`.
Importing the package imports nothing heavy: it registers the worlds of a run with Gymnasium, as
strings, and settles how a TensorFlow that is imported later behaves.
"""

import functools
import importlib.abc
import importlib.machinery
import os
import re
import sys
import tempfile

from gymnasium import register

__version__ = "0.1.0"

# Without AVX512 TensorFlow leaves oneDNN off, and trains V eight times slower. Where there is no
# GPU, its log holds nothing that a user can act on. A value that the user has set wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1" if os.path.exists("/dev/nvidia0") else "3")


class _QuietImport(importlib.abc.MetaPathFinder):
    """Imports TensorFlow without the notes on this machine that it prints whatever its log level.

    They are lines of level I, written by C++ straight to the standard error. Everything else that
    is written there meanwhile is passed on when the import has ended.
    """

    def find_spec(self, name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name) if name == "tensorflow" else None
        if spec and spec.loader:
            spec.loader.exec_module = functools.partial(self.execute, spec.loader.exec_module)
        return spec

    def execute(self, exec_module, module):
        if sys.stderr:
            sys.stderr.flush()
        kept = os.dup(2)
        with tempfile.TemporaryFile() as written:
            os.dup2(written.fileno(), 2)
            try:
                exec_module(module)
            finally:
                os.dup2(kept, 2)
                os.close(kept)
                written.seek(0)
                for line in written:
                    if not re.match(rb"I\d{4} |WARNING: All log messages before absl", line):
                        os.write(2, line)


if os.environ["TF_CPP_MIN_LOG_LEVEL"] not in ("", "0"):
    sys.meta_path.insert(0, _QuietImport())

for _experiment, _game in (("carracing", "CarRacing"), ("takecover", "TakeCover")):
    for _kind in ("Dream", "Latent"):
        register(
            f"WorldModels/{_kind}{_game}-v0",
            entry_point=f"WorldModels.assembly.gymnasium_ids:{_kind.lower()}",
            vector_entry_point=f"WorldModels.assembly.gymnasium_ids:{_kind.lower()}_vector",
            kwargs={"experiment": _experiment},
        )
