"""Starts ViZDoom's engine so that it dies with us and leaves nothing behind, however either of us ends.

ViZDoom runs its engine as a process of its own and talks to it through files in /dev/shm; a killed parent leaves both,
and the engine writes its settings into the folder where it starts. Here it starts through this file, run by a bare
Python (hence the standard library only), which asks the kernel to be killed when the parent dies, enters a temporary
folder, and becomes the engine. Once it runs, both sides have mapped the shared files, and they and the folder are
removed at once. Knows nothing of games. On systems other than Linux the engine is started as ViZDoom does it.
"""

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable

SHARED = "/dev/shm"
PREFIXES = ("ViZDoomSM", "ViZDoomMQCtr", "ViZDoomMQDoom")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_starting = threading.Lock()  # what a process has newly mapped is told apart by looking before and after


def start(game, engine: str) -> None:
    """`game.init()` with an engine that dies when this process does, and whose files have no names any more.

    Args:
        game: a vizdoom.DoomGame, configured and not started.
        engine: path of ViZDoom's engine.

    Raises:
        RuntimeError: the engine did not start.
    """
    if sys.platform != "linux":
        return _init(game)
    with _starting:
        before, folder = _mapped(), tempfile.mkdtemp(prefix="WorldModels-doom-")
        try:
            game.set_vizdoom_path(_write_script(folder, engine))
            game.set_doom_config_path(os.devnull)
            _init(game)
        finally:
            _remove(_mapped() - before, folder)


def _init(game) -> None:
    try:
        game.init()
    except Exception as error:
        raise RuntimeError(f"ViZDoom's engine did not start: {' '.join(str(error).split())}") from error


def _write_script(folder: str, engine: str) -> str:
    """A program that runs this file with what ViZDoom gives it."""
    command = shlex.join([sys.executable, "-I", "-S", os.path.abspath(__file__), folder, str(os.getpid()), engine])
    path = os.path.join(folder, "engine.sh")
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nexec {command} "$@"\n')
    os.chmod(path, 0o700)
    return path


def _mapped() -> set[str]:
    """ViZDoom's shared files that this process has mapped."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if SHARED in line}
    return {path for path in paths if path.startswith(tuple(f"{SHARED}/{prefix}" for prefix in PREFIXES)) and " " not in path}


def _remove(shared: Iterable[str], folder: str) -> None:
    for path in shared:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    shutil.rmtree(folder, ignore_errors=True)  # last: it tells the guard that all is done


def _become_engine(folder: str, parent: int, engine: str, arguments: list[str]) -> None:
    """In the child: what must be arranged before it turns into the engine, then that."""
    os.setsid()  # a Ctrl-C in the terminal is the parent's to handle
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # holds after exec: the guard leaves no zombie
    instance, me = arguments[arguments.index("+viz_instance_id") + 1], os.getpid()
    if os.fork() == 0:
        _guard(me, [f"{SHARED}/{prefix}{instance}" for prefix in PREFIXES], folder)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked
    os.chdir(folder)  # the engine writes _vizdoom/ where it starts
    os.execv(engine, [engine, *arguments])


def _guard(engine: int, shared: list[str], folder: str) -> None:
    """While the engine starts: wait until its parent has cleaned up, or do it where parent and engine die before."""
    while os.getppid() == engine and os.path.exists(folder):
        time.sleep(0.005)
    _remove(shared, folder)
    os._exit(0)


if __name__ == "__main__":
    _become_engine(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
