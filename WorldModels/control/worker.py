"""A worker process, from both ends: the parent's handle, and what runs inside. Imports nothing
heavy.

Inside: build once, then tasks in, results out, until the pipe closes.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Hashable, Iterator
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

# One thread per worker whatever library computes; read by numpy and the rest when they are
# imported, hence environment.
ONE_THREAD = {
    **{
        f"{name}_NUM_THREADS": "1"
        for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
    },
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
SMALL = 16_384  # bytes of a task that a busy worker's pipe holds for sure
# What a user can mend: handed to the parent as it is, and not tried again.
MISTAKES = (ValueError, OSError, ImportError)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Worker:
    """One worker process, seen from the parent."""

    def __init__(self, make_worker: bytes):
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, os.getpid(), make_worker), daemon=True
        )
        self.tasks: deque[tuple[Hashable, Any]] = (
            deque()
        )  # given and not answered; the first is being worked on
        self.ready, self.since = False, time.monotonic()
        with _quiet_start():
            self.process.start()
        theirs.close()

    def give(self, entry: tuple[Hashable, Any]) -> bool:
        """Send a task; False, and nothing done, where a busy worker's pipe might not hold it."""
        message = pickle.dumps(entry[1], protocol=5)
        if self.tasks and len(message) > SMALL:
            return False
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(entry)
        with contextlib.suppress(OSError):  # it has died; `hear` will say so
            self.pipe.send_bytes(message)
        return True

    def hear(self) -> tuple:
        """The next message, or what became of the process."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5.0)
            return ("error", None, _obituary(self.process.exitcode))
        if message[0] == "ready":
            self.ready, self.since = True, time.monotonic()
        return message

    def finish(self) -> Hashable:
        """The id of the task that was answered."""
        self.since = time.monotonic()
        return self.tasks.popleft()[0]

    def dismiss(self) -> None:
        """Tell an idle worker that there is nothing more to do."""
        self.pipe.close()

    def end(self, patience: float) -> None:
        """See the process off: wait so many seconds, then kill it."""
        if patience:
            self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.process.close()


def _obituary(status: int | None) -> str:
    if status is not None and status < 0:
        return f"died with signal {-status} ({signal.Signals(-status).name})"
    return "closed its pipe" if status is None else f"died with exit status {status}"


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """While a process starts: its environment says one thread, and a Ctrl-C waits until the child
    can ignore it.
    """
    resource_tracker.ensure_running()  # starting it later would let the signal through again
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def serve(pipe: Connection, parent: int, make_worker: bytes) -> None:
    """Answer tasks until the parent closes the pipe or dies.

    Sends ("ready",) once built, ("result", result, seconds) for each task, and ("error", exception
    or None, traceback)
    when something was raised; after an error the process ends, since its world may be in any state.

    Args:
        pipe: to the parent.
        parent: its process id.
        make_worker: pickled callable that builds a callable(task) -> result.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole terminal; the parent decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    die_with(parent)
    try:
        _work(pipe, make_worker)
    except (EOFError, ConnectionError):
        pass  # the parent closed its end
    except BaseException as error:
        with contextlib.suppress(OSError):
            pipe.send(("error", _mistake(error), traceback.format_exc()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # no tear-down of libraries that may hang in it


def _work(pipe: Connection, make_worker: bytes) -> None:
    work = _apart(pickle.loads(make_worker))()
    pipe.send(("ready",))
    while True:
        task = pipe.recv()
        started = time.perf_counter()
        result = _apart(work)(task)
        pipe.send(("result", result, time.perf_counter() - started))


def _apart(function):
    """A function whose own EOFError or ConnectionError is not taken for the parent's closing of the
    pipe.
    """

    def call(*arguments):
        try:
            return function(*arguments)
        except (EOFError, ConnectionError) as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    return call


def _mistake(error: BaseException) -> BaseException | None:
    """The error itself, if it is a user's mistake and can be sent; else None."""
    if not isinstance(error, MISTAKES):
        return None
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        return None
    return copy if type(copy) is type(error) else None


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the process `parent` dies, however it dies (Linux;
    elsewhere the pipe tells).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked
