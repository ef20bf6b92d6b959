"""Commands of the tests: `python -m WorldModels.VERB` in a child that is forked from a server.

The server has already imported TensorFlow, which takes seconds, so a verb starts in a few
hundredths of a second. Everything else is as in a process of its own: arguments, environment,
working folder, output, exit status, and the `__main__` that the verb's workers import. A test that
interrupts or limits a process needs a real one.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRELOADED = (
    "numpy",
    "keras",
    "gymnasium",
    "matplotlib.pyplot",
    "tyro",
    "tqdm",
    "cma",
)
# Packages read these when they are imported, so each set of values has a server of its own.
READ_AT_IMPORT = (
    *("KERAS_BACKEND", "KERAS_HOME", "PYTHONPATH", "MPLBACKEND", "CUDA_VISIBLE_DEVICES"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"),
)
MOST = 2  # servers at a time; each takes half a gigabyte
_servers: dict[tuple, subprocess.Popen] = {}


def run_module(
    module: str,
    *arguments: str,
    env: dict[str, str] | None = None,
    cwd: str | Path = ROOT,
    kill_after: float | None = None,
) -> subprocess.CompletedProcess:
    """Run `python -m module arguments`; the result is that of subprocess.run with captured text.

    Args:
        module: its full name.
        arguments: its command line.
        env: all environment variables; default those of this process.
        cwd: where it runs.
        kill_after: seconds after which it is killed by SIGKILL, if it still runs.

    Raises:
        RuntimeError: the server died.
    """
    env = dict(os.environ if env is None else env)
    server = _server_for(env)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        request = {"module": module, "arguments": arguments, "env": env, "cwd": str(cwd)}
        request |= {"outputs": outputs, "kill_after": kill_after}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        if not answer:
            raise RuntimeError(f"the fork server ended with status {server.wait()}")
        printed = [Path(path).read_text() for path in outputs]
    return subprocess.CompletedProcess(
        [sys.executable, "-m", module, *arguments], int(answer), *printed
    )


def _server_for(env: dict[str, str]) -> subprocess.Popen:
    values = tuple(env.get(name) for name in READ_AT_IMPORT)
    if values not in _servers:
        while len(_servers) >= MOST:
            server = _servers.pop(next(iter(_servers)))
            server.stdin.close()
            server.wait()
        _servers[values] = subprocess.Popen(
            [sys.executable, __file__],
            env=env,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(_servers[values].stdin.close)
    return _servers[values]


def serve() -> None:
    """Fork a child for every line of the standard input; answer with its exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as a verb does, before it imports anything
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # numpy starts threads when imported
        os.environ[name] = "1"
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    for name in (*PRELOADED, backend):
        importlib.import_module(name)
    if sys.platform == "linux":  # a child lacks other threads and would wait forever for them
        threads = len(os.listdir("/proc/self/task"))
        assert threads <= 2, f"{threads} threads"
    gc.collect()
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        seconds = request.pop("kill_after")
        child = os.fork()
        if child == 0:
            _end(_status(request))
        if seconds is not None:
            _kill_after(seconds, child)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _kill_after(seconds: float, child: int) -> None:
    """Kill a child after some seconds, unless it has ended; its status can still be waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)


def _become(module: str, arguments: list[str], env: dict, cwd: str, outputs: list[str]) -> None:
    """Turn this forked child into `python -m module arguments`."""
    assert {*PRELOADED, env.get("KERAS_BACKEND", "tensorflow")} <= sys.modules.keys()
    for file, path in ((0, os.devnull), (1, outputs[0]), (2, outputs[1])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, file)
        os.close(opened)
    sys.stdin = open(0)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _status(request: dict) -> int:
    """Run the module in this child; the exit status, as Python gives it."""
    try:
        _become(**request)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(status: int) -> None:
    """End this child as an interpreter does, but leave its memory as it is: a quarter second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
