"""What this machine's processor can do, and what that means for training and for workers."""

import contextlib
import math
import os
import platform
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath

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


def require_unix() -> None:
    """Refuse Windows, which lacks the locks and signals that a run and its workers need.

    Raises:
        ImportError: this is Windows; the message says what to use there.
    """
    if sys.platform == "win32":
        raise ImportError(
            "WorldModels: expected Linux or macOS, received Windows; install it in WSL (Windows "
            "Subsystem for Linux: wsl --install), and run the command there."
        )


def cores() -> int:
    """Number of processor cores that this process may use, at least 1.

    A container's CPU quota counts, rounded to whole cores.
    """
    return max(1, math.floor(min(_cores_allowed(), cpu_quota()) + 0.5))


def _cores_allowed() -> int:
    """Number of cores that this process may run on, whatever its quota."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux, or refused
        return os.cpu_count() or 1


def cpu_quota(root: str = "/") -> float:
    """The processor time that control groups leave this process, in cores; infinite without quota.

    Reads cpu.max (cgroup v2) and cpu.cfs_quota_us (v1) of the process's group and of those above
    it, since each of them limits. Inside a container the group's own path may not exist, and the
    mount itself is the group.

    Args:
        root: where proc and sys are mounted.
    """
    try:
        lines = Path(root, "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return math.inf
    quotas = [math.inf]
    for _, controllers, group in (line.split(":", 2) for line in lines):
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (controllers, "cpu") if controllers else ("", "unified"):
            for place in (PurePosixPath(group), *PurePosixPath(group).parents):
                quotas.append(_quota_of(Path(root, "sys/fs/cgroup", mount, *place.parts[1:])))
    return min(quotas)


def _quota_of(group: Path) -> float:
    """The quota of one control group, in cores; infinite if it has none."""
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        limit, period = map(int, (group / "cpu.max").read_text().split())
        return limit / period
    with contextlib.suppress(OSError, ValueError):
        limit = int((group / "cpu.cfs_quota_us").read_text())  # -1: none
        return limit / int((group / "cpu.cfs_period_us").read_text()) if limit > 0 else math.inf
    return math.inf


def limit_threads() -> None:
    """Keep libraries that are imported later from starting more threads than a quota feeds.

    They count cores, and know nothing of quotas. A number that the user has set wins.
    """
    if cores() < _cores_allowed():
        for name in THREADS:
            os.environ.setdefault(name, str(cores()))


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
