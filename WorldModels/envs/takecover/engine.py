"""Starts ViZDoom's engine so that it dies with this process and leaves nothing behind.

ViZDoom runs its engine as a separate process and talks to it through files in /dev/shm. If the
parent is killed, both stay behind; the engine also writes its settings into the folder where it
starts. Two small helpers prevent that; both are this file, run by a bare Python (hence only the
standard library). One becomes the engine, after it has entered a temporary folder
and asked the kernel to kill it when the parent dies. The other, the guard, lives while the engine
starts: it removes the shared files and the folder once both sides have them open, or when the
parent dies before that. On systems other than Linux, ViZDoom starts the engine itself.
"""

import contextlib
import ctypes
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

SHARED = "/dev/shm"
PREFIXES = ("ViZDoomMQCtr", "ViZDoomMQDoom", "ViZDoomSM")  # each followed by the instance's id
DONE = b"."
ARGUMENTS = "arguments"  # file in the temporary folder: the arguments ViZDoom gave the script
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_starting = threading.Lock()  # the guard takes any new instance for ours


def start(game, engine: str) -> None:
    """Call `game.init()` with an engine that dies with this process and leaves no files behind.

    Args:
        game: a vizdoom.DoomGame, configured but not started.
        engine: path of ViZDoom's engine.

    Raises:
        RuntimeError: the engine did not start. (If it dies while it starts, ViZDoom 1.3 crashes,
            and this process with it; even then nothing is left behind.)
    """
    with _engine_script(engine) if sys.platform == "linux" else contextlib.nullcontext() as script:
        if script:
            game.set_vizdoom_path(script)
            game.set_doom_config_path(os.devnull)
        try:
            game.init()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise RuntimeError(f"ViZDoom's engine did not start: {reason}") from error


@contextlib.contextmanager
def _engine_script(engine: str) -> Iterator[str]:
    """The path of a script that becomes the engine; a guard removes it and the shared files."""
    with _starting:
        before = _instances(os.getpid())
        guard = subprocess.Popen(
            [*_this("guard"), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        folder = ""
        try:
            folder = os.fsdecode(guard.stdout.readline().rstrip(b"\n"))  # sent once it watches
            yield _write_script(folder, engine)
        finally:
            guard.communicate(DONE)
            # The guard has removed them already, unless it was killed.
            _remove(_instances(os.getpid()) - before, folder)


def _write_script(folder: str, engine: str) -> str:
    script = os.path.join(folder, "engine.sh")
    notes = shlex.quote(os.path.join(folder, ARGUMENTS))
    become = shlex.join([*_this("engine"), str(os.getpid()), folder, engine])
    with open(script, "w") as file:
        file.write(f'#!/bin/sh\necho "$*" > {notes}\nexec {become} "$@"\n')
    os.chmod(script, 0o700)
    return script


def _this(role: str) -> list[str]:
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), role]


def _become_engine(parent: int, folder: str, engine: str, *arguments: str) -> None:
    """Become the engine, in the child that ViZDoom starts, so that it dies with the parent."""
    os.setsid()  # a Ctrl-C in the terminal is the parent's to handle
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call
    os.chdir(folder)  # the engine writes _vizdoom/ where it starts
    os.execv(engine, [engine, *arguments])


def _guard(parent: int) -> None:
    """Wait until the engine has started or the parent is dead; then remove what is left behind."""
    before, ours, told = _instances(parent), set(), False
    folder = tempfile.mkdtemp(prefix="WorldModels-doom-")
    with contextlib.suppress(BrokenPipeError):  # the parent has died already
        os.write(1, os.fsencode(folder) + b"\n")
    while os.getppid() == parent and not told:
        told = select.select([0], [], [], 0.02 if ours else 0.001)[0] and os.read(0, 1) == DONE
        ours = ours or _instances(parent) - before
    if not told:
        # Give the kernel time to kill the engine too, which might still create a file.
        time.sleep(0.2)
        # A script whose parent has died gets this long to note its instance.
        until = time.monotonic() + 2.0
        while not (ours := ours or _noted(folder)) and time.monotonic() < until:
            time.sleep(0.01)
    _remove(ours or _noted(folder), folder)


def _noted(folder: str) -> set[str]:
    """Id of the instance, as the engine's script has noted it; empty if it has not.

    If the parent dies early, the guard may be too late to see it in the parent's maps.
    """
    with contextlib.suppress(OSError), open(os.path.join(folder, ARGUMENTS)) as file:
        words = file.read().split()
        if "+viz_instance_id" in words:
            return set(words[words.index("+viz_instance_id") + 1 :][:1])
    return set()


def _remove(instances: set[str], folder: str) -> None:
    for instance in instances:
        for prefix in PREFIXES:
            with contextlib.suppress(OSError):
                os.unlink(f"{SHARED}/{prefix}{instance}")
    shutil.rmtree(folder, ignore_errors=True)


def _instances(process: int) -> set[str]:
    """Ids of the ViZDoom instances whose shared files a process has mapped; empty if it is gone."""
    found = set()
    with contextlib.suppress(OSError), open(f"/proc/{process}/maps") as maps:
        for line in maps:
            path = line.split(maxsplit=5)[-1].strip()
            for prefix in PREFIXES:
                if path.startswith(f"{SHARED}/{prefix}") and not path.endswith(" (deleted)"):
                    found.add(path.removeprefix(f"{SHARED}/{prefix}"))
    return found


if __name__ == "__main__":
    {"engine": _become_engine, "guard": _guard}[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
