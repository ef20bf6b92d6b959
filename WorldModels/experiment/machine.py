"""What this machine's processor can do, and what that means for training and for workers."""

import os
import platform
from importlib import metadata
from pathlib import Path

VERSIONS = (
    "tensorflow",
    "keras",
    "jax",
    "numpy",
    "gymnasium",
    "box2d",
    "pygame-ce",
    "cma",
    "onnxruntime",
)
# Every numerical library reads one of these when it is imported.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
# Environment variables of a process that computes with one thread.
ONE_THREAD = dict.fromkeys(THREADS, "1") | {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
}


def cpu_has_bfloat16(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware (AVX512_BF16).

    With it, training in mixed_bfloat16 is up to three times as fast as in float32; without it,
    half as fast. False if the system does not say.
    """
    try:
        lines = Path(cpuinfo).read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("flags") and "avx512_bf16" in line.split() for line in lines)


def training_dtype(asked: str, vectors: bool = False) -> str:
    """The dtype that a network trains in: as asked, or for "auto" the fastest here.

    Args:
        asked: "auto", "float32" or "mixed_bfloat16".
        vectors: the network sees vectors, which bfloat16 would round for no gain in speed.
    """
    if asked != "auto":
        return asked
    return "mixed_bfloat16" if cpu_has_bfloat16() and not vectors else "float32"


def decoder_form(asked: str) -> str:
    """How V's decoder is computed: as asked, or for "auto" the fastest form here."""
    if asked != "auto":
        return asked
    return "depth_to_space" if cpu_has_bfloat16() else "transpose"


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in VERSIONS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict:
    """The system, the processor and its number of cores."""
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
    }
