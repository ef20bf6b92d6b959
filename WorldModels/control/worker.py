"""A worker process, from both ends: the parent's handle, and what runs inside.

Inside, it builds once, then takes tasks and sends results until the pipe closes. This module
imports nothing heavy.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Hashable, Iterator
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from WorldModels.experiment.errors import ForeignError
from WorldModels.experiment.machine import ONE_THREAD, THREADS
from WorldModels.experiment.main_guard import UNGUARDED, WORKER, unguarded

NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
SMALL = 16_384  # bytes; a pickled task of this size is sure to fit into a busy worker's pipe
# A user's mistakes: passed on to the parent unchanged, and not tried again.
MISTAKES = (ValueError, OSError, ImportError)
DIED = "died"  # how the reason begins where a process ended without a word
_starting = threading.Lock()  # a start changes the environment variables of the whole process
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Worker:
    """One worker process, seen from the parent.

    On Linux it ends with the thread that made this object: see Executor.

    Args:
        make_worker: pickled callable that makes a callable(task) -> result.
        threads: of each library in it.

    Attributes:
        pipe: to the process.
        tasks: (task id, task) given and not yet answered; it is working on the first.
        ready: whether it has been built.
        since: time.monotonic() when it began what it is doing.
    """

    def __init__(self, make_worker: bytes, threads: int = 1):
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = theirs, os.getpid(), make_worker
        self.process = context.Process(target=serve, args=arguments, name=WORKER, daemon=True)
        self.tasks: deque[tuple[Hashable, Any]] = deque()
        self.ready, self.since = False, time.monotonic()
        with _quiet_start(environment(threads)):
            self.process.start()
        theirs.close()

    @property
    def busy(self) -> bool:
        """Whether an answer is due: it is being built, or has a task."""
        return bool(self.tasks) or not self.ready

    def give(self, entry: tuple[Hashable, Any]) -> bool:
        """Send a task; False, with nothing sent, if it might not fit into a busy worker's pipe."""
        message = pickle.dumps(entry[1], protocol=5)
        if self.tasks and len(message) > SMALL:
            return False
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(entry)
        with contextlib.suppress(OSError):  # it has died; `hear` will report that
            self.pipe.send_bytes(message)
        return True

    def hear(self) -> tuple:
        """The next message, or an error that says how the process died."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5.0)
            status = self.process.exitcode
            mistake = unguarded() if status == UNGUARDED and not self.ready else None
            return ("error", mistake, _obituary(status))
        if message[0] == "ready":
            self.ready, self.since = True, time.monotonic()
        return message

    def finish(self) -> Hashable:
        """Remove the task that was answered; return its id."""
        self.since = time.monotonic()
        return self.tasks.popleft()[0]

    def dismiss(self) -> None:
        """Tell an idle worker that there are no more tasks."""
        self.pipe.close()

    def end(self, patience: float) -> None:
        """Wait `patience` seconds for the process to end, then kill it."""
        if patience:
            self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.process.close()


def environment(threads: int) -> dict[str, str]:
    """A worker's environment variables, which libraries read when they are imported: no GPU."""
    if threads == 1:
        return {**ONE_THREAD, "NUMEXPR_NUM_THREADS": "1", **NO_GPU}
    return {**dict.fromkeys((*THREADS, "NUMEXPR_NUM_THREADS"), str(threads)), **NO_GPU}


def _obituary(status: int | None) -> str:
    if status is not None and status < 0:
        return f"{DIED} with signal {-status} ({signal.Signals(-status).name})"
    return "closed its pipe" if status is None else f"{DIED} with exit status {status}"


@contextlib.contextmanager
def _quiet_start(variables: dict[str, str]) -> Iterator[None]:
    """Set a worker's environment while it starts, and hold back Ctrl-C until it can ignore it."""
    resource_tracker.ensure_running()  # starting it later would let the signal through again
    with _starting, _main_that_can_be_imported():
        before = {name: os.environ.get(name) for name in variables}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _main_that_can_be_imported() -> Iterator[None]:
    """Hide from a worker where the main module comes from, unless it is a file.

    A worker imports that file, and a program on standard input is called `<stdin>`.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if not file or os.path.exists(file):
        yield
        return
    main.__file__ = None
    try:
        yield
    finally:
        main.__file__ = file


def serve(pipe: Connection, parent: int, make_worker: bytes) -> None:
    """Answer tasks until the parent closes the pipe or dies.

    Sends ("ready",) once built, ("result", result, seconds) for each task, and ("error", exception
    or None, traceback) when one was raised: see `_mistake`. After an error the process ends, as its
    world may be in any state.

    Args:
        pipe: to the parent.
        parent: the parent's process id.
        make_worker: pickled callable that makes a callable(task) -> result.
    """
    # Ctrl-C reaches every process of the terminal; only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    os._exit(0)  # without the libraries' tear-down, which may hang


def _work(pipe: Connection, make_worker: bytes) -> None:
    work = _apart(pickle.loads(make_worker))()
    pipe.send(("ready",))
    while True:
        task = pipe.recv()
        started = time.perf_counter()
        result = _apart(work)(task)
        pipe.send(("result", result, time.perf_counter() - started))


def _apart(function):
    """Wrap a function so that its own EOFError or ConnectionError is not taken for the pipe's."""

    def call(*arguments):
        try:
            return function(*arguments)
        except (EOFError, ConnectionError) as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    return call


def _mistake(error: BaseException) -> BaseException | None:
    """The error itself, if it is a user's mistake or a ForeignError and can be sent; else None."""
    if not isinstance(error, (*MISTAKES, ForeignError)):
        return None
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        return None
    return copy if type(copy) is type(error) else None


def die_with(parent: int) -> None:
    """End this process when the process `parent` dies, however it dies.

    Linux's kernel kills it, when the thread of the parent that started it ends (prctl(2)).
    Elsewhere a thread looks whether the parent is still there.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call


def _end_after(parent: int) -> None:
    """End this process within a second of its parent's death."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
