"""Keeps TensorFlow's notes on this machine out of a verb's output, and its import short."""

import contextlib
import functools
import gc
import importlib.abc
import importlib.machinery
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import Any

# Lines at level I, one that finds no GPU where there is none, and absl's first warning.
NOTES = re.compile(rb"I\d{4} |E\d{4} .*failed call to cuInit|WARNING: All log messages before absl")


def quiet_tensorflow() -> None:
    """Silence the notes that TensorFlow prints if it is imported later.

    Without a GPU its log holds nothing that a user can act on; with one, its warnings are kept. A
    TF_CPP_MIN_LOG_LEVEL that the user has set wins, and 0 shows everything.
    """
    level = "1" if os.path.exists("/dev/nvidia0") else "3"
    shown = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", level)
    there = any(isinstance(finder, _QuietImport) for finder in sys.meta_path)
    if shown not in ("", "0") and not there:
        sys.meta_path.insert(0, _QuietImport())


class _QuietImport(importlib.abc.MetaPathFinder):
    """Finds TensorFlow, whose C++ writes notes straight to standard error during import.

    Anything else written there in the meantime is passed on when the import has ended.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec of TensorFlow; None for any other module."""
        spec = importlib.machinery.PathFinder.find_spec(name) if name == "tensorflow" else None
        if spec and spec.loader:
            spec.loader.exec_module = functools.partial(self.execute, spec.loader.exec_module)
        return spec

    def execute(self, exec_module: Any, module: ModuleType) -> None:
        """Import the module, holding back its notes."""
        if sys.stderr:
            sys.stderr.flush()
        kept = os.dup(2)
        with tempfile.TemporaryFile() as written:
            os.dup2(written.fileno(), 2)
            try:
                with _no_garbage_collection():
                    exec_module(module)
            finally:
                os.dup2(kept, 2)
                os.close(kept)
                written.seek(0)
                for line in written:
                    if not NOTES.match(line):
                        os.write(2, line)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Suspend garbage collection, then exempt from it for good what has been imported.

    An import leaves hardly any garbage. Collecting it takes a quarter of TensorFlow's import and a
    twentieth of a verb at smoke scale.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
