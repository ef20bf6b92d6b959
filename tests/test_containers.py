"""In a container: a CPU quota, refused system calls, a small /dev/shm or none."""

import errno
import math
import os
import platform
import shutil
import subprocess
import sys
import types

import pytest
from conftest import ROOT

from WorldModels.assembly.speed.others import others
from WorldModels.control import executors
from WorldModels.control.executors import open_executor
from WorldModels.envs.takecover import engine
from WorldModels.experiment import machine
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.machine import THREADS, cores, cpu_quota, limit_threads

# As much of Keras as machine.trained_on asks.
KERAS = types.SimpleNamespace(
    __version__="3",
    backend=types.SimpleNamespace(backend=lambda: "jax"),
    distribution=types.SimpleNamespace(list_devices=lambda: ["cpu:0"]),
)
# What a test sets itself, or what importing the package sets.
LEFT_OUT = {"HOME", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"}
V1, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    "groups, files, expected",
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, math.inf),
        ("0::/", {}, math.inf),
        # a group of its own inside one that limits, and the other way round
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2.0),
        ("0::/a/b", {"a/cpu.max": "800000 100000", "a/b/cpu.max": "50000 50000"}, 1.0),
        # v1; in a container the host's path of the group is not there
        ("4:cpu,cpuacct:/docker/0a", {f"cpu,cpuacct/{V1}": "300000"}, 3.0),
        ("4:cpu,cpuacct:/docker/0a", {f"cpu/{V1}": "300000"}, 3.0),
        ("4:cpu:/job", {f"cpu/{V1}": "-1", f"cpu/job/{V1}": "120000"}, 1.2),
        ("4:cpu:/job", {f"cpu/{V1}": "-1", f"cpu/job/{V1}": "-1"}, math.inf),
        # both at once
        ("1:cpu:/x\n0::/", {f"cpu/x/{V1}": "400000", "unified/cpu.max": "max 100000"}, 4.0),
        ("3:cpuset:/x\n9:name=systemd:/x", {f"cpuset/x/{V1}": "100000"}, math.inf),
        ("0::/../elsewhere", {"cpu.max": "250000 100000"}, 2.5),
        (None, {"cpu.max": "100000 100000"}, math.inf),  # no /proc
    ],
)
def test_a_quota_is_found_in_either_version_of_control_groups(tmp_path, groups, files, expected):
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
        if name.endswith(V1):
            (file.parent / PERIOD).write_text("100000\n")
    if groups is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(f"{groups}\n")
    assert cpu_quota(tmp_path) == expected


def limited(monkeypatch, quota, allowed=64):
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)


@pytest.mark.parametrize(
    "quota, workers",
    [(0.1, 1), (0.5, 1), (1.0, 1), (1.4, 1), (1.5, 2), (3.0, 3), (100.0, 64), (math.inf, 64)],
)
def test_there_are_as_many_workers_as_the_quota_allows(monkeypatch, quota, workers):
    limited(monkeypatch, quota)
    monkeypatch.setattr(executors, "Executor", lambda make, size, **how: size)
    assert open_executor(None) == cores() == workers
    assert open_executor(None, workers=5) == 5  # as typed


def test_libraries_start_no_more_threads_than_the_quota_feeds(monkeypatch):
    limited(monkeypatch, 2.0)
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "7"})
    limit_threads()
    assert os.environ == {**dict.fromkeys(THREADS, "2"), "OMP_NUM_THREADS": "7"}
    limited(monkeypatch, math.inf)
    monkeypatch.setattr(os, "environ", {})
    limit_threads()
    assert os.environ == {}


def test_cores_are_counted_where_the_system_does_not_say_which_may_be_used(monkeypatch):
    monkeypatch.setattr(machine, "cpu_quota", lambda: math.inf)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(os, "sched_getaffinity", refuse, raising=False)
    assert cores() == machine.trained_on(KERAS)["cores"] == 6
    with others() as rest:
        assert cores() == 6
    assert 0 <= rest.share <= 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == machine.trained_on(KERAS)["cores"] == 6


def refuse(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


# Installs a filter (seccomp(2)) that refuses one system call with EPERM.
REFUSING = """
import ctypes, os, struct, sys

steps = [(0x20, 0, 0, 0), (0x15, 0, 1, {call}), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
program = b"".join(struct.pack("HBBI", *step) for step in steps)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)  # no new privileges, without which no filter is taken
if libc.prctl(22, 2, ctypes.byref(Filter(len(steps), program)), 0, 0):
    sys.exit(77)
try:
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    sys.exit(1)
except PermissionError:
    pass
"""
AFFINITY = {"x86_64": 203, "aarch64": 122}  # sched_setaffinity's number, by processor
OPEN = """
import numpy
from WorldModels.envs.sessions import open_session
session = open_session({path!r}, threads=0)
print(session.run(None, {{"x": numpy.float32([1, 2])}}))
"""


def exported(path):
    """An ONNX file that gives what it gets."""
    onnx = pytest.importorskip("onnx")
    value = [onnx.helper.make_tensor_value_info(x, onnx.TensorProto.FLOAT, [None]) for x in "xy"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "same", value[:1], value[1:]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    model.ir_version = 10
    onnx.save(model, path)
    return str(path)


def opened(code, **environment):
    """Run code in a process of its own that opens an ONNX file."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )


def test_nothing_is_said_where_a_thread_s_processor_cannot_be_set(tmp_path):
    """Told no number of threads, ONNX Runtime ties each to a core, and complains of each."""
    if sys.platform != "linux" or platform.machine() not in AFFINITY:
        pytest.skip("only Linux filters system calls, whose numbers depend on the processor")
    code = REFUSING.format(call=AFFINITY[platform.machine()])
    done = opened(code + OPEN.format(path=exported(tmp_path / "decode.onnx")))
    if done.returncode == 77:
        pytest.skip("this system takes no filter of system calls")
    assert done.returncode == 0 and "2." in done.stdout, done.stderr
    assert done.stderr == ""


def test_onnx_runtime_keeps_nothing_in_a_home_and_says_nothing_where_it_could_not(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "home").mkdir()
    code = OPEN.format(path=exported(tmp_path / "decode.onnx"))
    for home in (tmp_path / "file/home", tmp_path / "home"):
        done = opened(code, HOME=str(home))
        assert done.returncode == 0 and done.stderr == "", done.stderr
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize("place", ["missing", "full", "read-only"])
def test_take_cover_says_in_one_line_that_it_needs_shared_memory(tmp_path, monkeypatch, place):
    """Its engine would crash with this process on the first file that does not fit."""
    calls = []
    monkeypatch.setattr(engine, "SHARED", str(tmp_path / "shm"))
    monkeypatch.setattr(engine.sys, "platform", "linux")
    if place != "missing":
        (tmp_path / "shm").mkdir()
        free = types.SimpleNamespace(f_bavail=0 if place == "full" else 10**6, f_frsize=4096)
        monkeypatch.setattr(os, "statvfs", lambda path: free)
        monkeypatch.setattr(os, "access", lambda path, mode: place != "read-only")
    with pytest.raises(OSError, match="--shm-size") as refused:
        engine.start(types.SimpleNamespace(init=lambda: calls.append("init")), "/engine")
    assert "0.0 MB" in one_line(refused.value) and calls == []


# Runs a command in a mount namespace of its own, where /dev/shm has a size, or there is none.
APART = """
if [[ "$1" == none ]]; then
  folder="$(mktemp -d)"; mount -t tmpfs tmpfs "$folder"
  for name in null zero full random urandom tty; do
    touch "$folder/$name"; mount --bind "/dev/$name" "$folder/$name"
  done
  ln -s /proc/self/fd "$folder/fd"; mount --rbind "$folder" /dev
else
  mount -t tmpfs -o "size=$1,mode=1777" tmpfs /dev/shm
fi
exec "${@:2}"
"""


def with_shared(size, *command):
    """Run a command with a /dev/shm of this size, or none."""
    apart = ["unshare", "--mount", "--propagation", "private", "bash", "-euc", APART, "bash"]
    allowed = shutil.which("unshare") and subprocess.run([*apart, "64m", "true"]).returncode == 0
    if not allowed:
        pytest.skip("needs the right to mount")
    return subprocess.run([*apart, size, *command], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment, size, status",
    [("takecover", "64m", 0), ("takecover", "none", 2), ("carracing", "none", 0)],
)
def test_verbs_run_with_little_shared_memory_or_end_in_one_line(tmp_path, experiment, size, status):
    pytest.importorskip("vizdoom")
    flags = [experiment, "--scale", "smoke", "--results", str(tmp_path), "--workers", "4"]
    flags += ["--env.max-steps", "40"] if experiment == "carracing" else []
    for verb in ("record", "train_vision") if experiment == "carracing" else ("record",):
        done = with_shared(size, sys.executable, "-m", f"WorldModels.{verb}", *flags)
        assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == (status == 2)
