"""In a container: a CPU quota, refused system calls, a small /dev/shm or none."""

import errno
import math
import os
import platform
import subprocess
import sys

import pytest
from conftest import ROOT

from WorldModels.control import executors
from WorldModels.control.executors import open_executor
from WorldModels.experiment import machine
from WorldModels.experiment.machine import THREADS, cores, cpu_quota, limit_threads

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
    assert cores() == 6
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == 6


def refuse(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


# Installs a filter (seccomp(2)) that refuses system calls with EPERM, then runs a module.
REFUSING = """
import ctypes, struct, sys

def refuse(*numbers):
    load = struct.pack("HBBI", 0x20, 0, 0, 0)  # the number of the call
    equal = [struct.pack("HBBI", 0x15, len(numbers) - i, 0, n) for i, n in enumerate(numbers)]
    allow, error = (struct.pack("HBBI", 0x06, 0, 0, k) for k in (0x7FFF0000, 0x00050001))
    program = b"".join([load, *equal, allow, error])
    program = ctypes.create_string_buffer(program, len(program))
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
    code = ctypes.CDLL(None, use_errno=True)
    installed = Program(len(numbers) + 3, ctypes.addressof(program))
    assert code.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    if code.prctl(22, 2, ctypes.byref(installed), 0, 0) != 0:
        sys.exit(77)
"""
AFFINITY = {"x86_64": 203, "aarch64": 122}  # sched_setaffinity's number


def run_refusing(call, code, **how):
    """Run Python code in a process where a system call is refused."""
    if sys.platform != "linux" or platform.machine() not in call:
        pytest.skip("only Linux filters system calls, and each processor numbers them its own way")
    script = f"{REFUSING}\nrefuse({call[platform.machine()]})\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, **how
    )
    if done.returncode == 77:
        pytest.skip("this system allows no filter of system calls")
    return done


def test_nothing_is_said_where_a_thread_s_processor_cannot_be_set(tmp_path):
    """Told no number of threads, ONNX Runtime ties each to a core, and complains of each."""
    onnx = pytest.importorskip("onnx")
    value = [onnx.helper.make_tensor_value_info(x, onnx.TensorProto.FLOAT, [None]) for x in "xy"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "same", value[:1], value[1:]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    model.ir_version = 10
    onnx.save(model, tmp_path / "decode.onnx")
    code = f"""
import os
try:
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    sys.exit(1)
except PermissionError:
    pass
from WorldModels.envs.sessions import open_session
session = open_session({str(tmp_path / "decode.onnx")!r}, threads=0)
import numpy
print(session.run(None, {{"x": numpy.float32([1, 2])}}))
"""
    done = run_refusing(AFFINITY, code)
    assert done.returncode == 0 and "2." in done.stdout, done.stderr
    assert done.stderr == ""
