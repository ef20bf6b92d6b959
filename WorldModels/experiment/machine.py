"""What this machine's processor and GPU can do, and what that means for training and workers."""

import contextlib
import math
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

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
ONEDNN = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")
# Values of the second one that leave no bfloat16 (oneDNN, "CPU Dispatcher Control").
WITHOUT_BFLOAT16 = re.compile(r"SSE41|AVX|AVX2(_VNNI(_2)?)?|AVX512_CORE(_VNNI)?")
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
    return len(allowed()) or os.cpu_count() or 1


def allowed() -> frozenset[int]:
    """The numbers of the cores that this process may run on; empty where the system says none."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux, or refused
        return frozenset()


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
    for _, controllers, group in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (controllers, "cpu") if controllers else ("", "unified"):
            for place in (PurePosixPath(group), *PurePosixPath(group).parents):
                quotas.append(_quota_of(Path(root, "sys/fs/cgroup", mount, *place.parts[1:])))
    return min(quotas)


def _quota_of(group: Path) -> float:
    """The quota of one control group, in cores; infinite if it has none."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # "max" is no number
        limit, period = map(int, (group / "cpu.max").read_text().split())
        return limit / period
    with contextlib.suppress(OSError, ValueError):
        limit = int((group / "cpu.cfs_quota_us").read_text())  # -1: none
        return limit / int((group / "cpu.cfs_period_us").read_text()) if limit > 0 else math.inf
    return math.inf


def one_dnn() -> str:
    """Whether TensorFlow runs with oneDNN, as far as is known before it is imported."""
    # One that is imported already has read the variable, and knows what it made of it.
    port = sys.modules.get("tensorflow.python.util._pywrap_util_port")
    off = bool(port) and not port.IsMklEnabled()
    asked = f"TF_ENABLE_ONEDNN_OPTS={os.environ.get('TF_ENABLE_ONEDNN_OPTS')}"
    return asked + ", but TensorFlow was imported before without it" * (off and "=0" not in asked)


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
    half as fast. False if the system does not say, or if ONEDNN_MAX_CPU_ISA rules it out: oneDNN
    then refuses bfloat16.
    """
    if WITHOUT_BFLOAT16.fullmatch(os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()):
        return False
    try:
        lines = Path(cpuinfo).read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("flags") and "avx512_bf16" in line.split() for line in lines)


def training_dtype(asked: str, vectors: bool = False, device: str = "cpu") -> str:
    """The dtype that a network trains in: as asked, or for "auto" as the device is known for.

    Args:
        asked: "auto", "float32" or "mixed_bfloat16".
        vectors: the network sees vectors, which bfloat16 would round for no gain in speed.
        device: as Keras names it, such as "gpu:0". Not every GPU has bfloat16; every TPU has.
    """
    if asked != "auto":
        return asked
    fast = device.startswith("tpu") or (device.startswith("cpu") and cpu_has_bfloat16())
    return "mixed_bfloat16" if fast and not vectors else "float32"


def dtypes_of(device: str) -> tuple[str, ...]:
    """The dtypes that a device may train fast in: x86 without AVX512_BF16 only imitates bfloat16.

    Args:
        device: see `training_dtype`.
    """
    x86 = device.startswith("cpu") and platform.machine().lower() in ("x86_64", "amd64")
    return ("float32",) if x86 and not cpu_has_bfloat16() else ("float32", "mixed_bfloat16")


def decoder_form(asked: str, device: str = "cpu") -> str:
    """How V's decoder is computed: as asked, or for "auto" as the device is known for."""
    if asked != "auto":
        return asked
    return "depth_to_space" if device.startswith("cpu") and cpu_has_bfloat16() else "transpose"


def trained_on(keras: Any) -> dict:
    """Where Keras trains, and whatever else of the machine the speed of its networks depends on.

    Args:
        keras: the module, which this one must not import.

    Returns:
        device, such as "cpu:0", names of the processor and the GPUs, number of cores, backend and
        Keras with their versions, and the environment variables that they read.
    """
    backend = keras.backend.backend()
    return {
        "device": keras.distribution.list_devices()[0],
        "processor": _named("/proc", "cpuinfo", "model name") or [platform.machine()],
        "gpus": _named("/proc/driver/nvidia/gpus", "*/information", "Model"),
        "cores": _cores_allowed(),
        "backend": [backend, getattr(sys.modules.get(backend), "__version__", "")],
        "keras": keras.__version__,
        "environment": {name: os.environ.get(name) for name in (*THREADS, *ONEDNN)},
    }


def _named(folder: str, files: str, key: str) -> list[str]:
    """The different values of a key in some files of "key : value" lines; empty without files."""
    found = set()
    for path in Path(folder).glob(files):
        found |= set(re.findall(rf"^{key}\s*:\s*(.+?)\s*$", path.read_text(), re.MULTILINE))
    return sorted(found)


def cache_folder() -> Path | None:
    """The user's folder for what can be found out again; None for a user without a home.

    It is worldmodels/ in XDG_CACHE_HOME, or in ~/.cache where that is not set or not absolute (XDG
    base directory specification).
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (given if given.is_absolute() else Path.home() / ".cache") / "worldmodels"
    except RuntimeError:
        return None


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
