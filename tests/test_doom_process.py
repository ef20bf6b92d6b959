"""Doom's engine leaves no process, shared file or temporary folder, however its processes end.

Everything is looked up by our own process ids and the instance ids found through them, since others
may play Doom on this machine too.
"""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, hears_signals

from WorldModels.control.executors import Executor
from WorldModels.envs.make import make_env
from WorldModels.envs.takecover.engine import PREFIXES, SHARED

pytest.importorskip("vizdoom")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ROOT = Path(__file__).resolve().parent.parent
LEFT = np.array([-1.0], np.float32)


def text(path):
    """The text of a file in /proc; empty if its process has just gone."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def children(process, role="/vizdoom"):
    """Ids of a process's children whose command line contains a text."""
    found = [
        child
        for path in Path(f"/proc/{process}/task").glob("*/children")
        for child in text(path).split()
    ]
    return [int(child) for child in found if role in text(f"/proc/{child}/cmdline")]


def shared_by(process):
    """Names of ViZDoom's files in /dev/shm that a process has mapped, even if unlinked."""
    return {
        line.split()[5]
        for line in text(f"/proc/{process}/maps").splitlines()
        if f"{SHARED}/ViZDoom" in line
    }


def alive(process):
    state = text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def soon(condition, seconds=PATIENCE):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


def left_of(names):
    """The files in /dev/shm that belong to the instances with these names."""
    ids = {
        name.removeprefix(f"{SHARED}/{prefix}")
        for name in names
        for prefix in PREFIXES
        if name.startswith(f"{SHARED}/{prefix}")
    }
    return [
        f"{SHARED}/{prefix}{id}"
        for id in ids
        for prefix in PREFIXES
        if os.path.exists(f"{SHARED}/{prefix}{id}")
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for our own temporary files, to tell them from others'."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "tmp"


def test_nothing_is_left_while_it_runs_nor_after_close(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    others = set(children(os.getpid()))
    env = make_env("TakeCover", max_steps=2100)
    env.reset(seed=1)
    (engine,) = set(children(os.getpid())) - others
    names = shared_by(engine)
    assert len(names) == 3 and left_of(names) == [] and list(folder.iterdir()) == []
    for game in range(5):  # the unlinked files keep working
        env.reset(seed=game)
        while not any(env.step(LEFT)[2:4]):
            pass
    env.close()
    assert not alive(engine) and not children(engine) and left_of(names) == []
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    env.close()  # a second call does no harm


def test_an_engine_that_dies_is_one_clear_line():
    others = set(children(os.getpid()))
    env = make_env("TakeCover", max_steps=2100)
    env.reset(seed=1)
    (engine,) = set(children(os.getpid())) - others
    names = shared_by(engine)
    os.kill(engine, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ViZDoom's engine died") as raised:
        env.step(LEFT)
    assert (
        "\n" not in str(raised.value) and soon(lambda: not alive(engine)) and left_of(names) == []
    )
    with pytest.raises(RuntimeError, match="closed"):
        env.step(LEFT)
    env.close()


def test_whoever_plays_is_told_of_the_engines_death_in_one_line(tmp_path, monkeypatch, capsys):
    from WorldModels import play
    from WorldModels.envs.takecover.game import TakeCover

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    others, step = set(children(os.getpid())), TakeCover.step

    def step_and_kill(game, action):
        for engine in set(children(os.getpid())) - others:
            os.kill(engine, signal.SIGKILL)
        return step(game, action)

    monkeypatch.setattr(TakeCover, "step", step_and_kill)
    with pytest.raises(SystemExit) as ended:
        play.main(
            ["takecover", "--scale", "smoke", "--results", str(tmp_path / "run"), "--frames", "30"]
        )
    said = capsys.readouterr().err.strip().splitlines()
    assert (
        ended.value.code == 2 and len(said) == 1 and "engine died" in said[0] and "play" in said[0]
    )


def test_the_thread_that_made_it_may_end():
    made = []
    thread = threading.Thread(target=lambda: made.append(make_env("TakeCover", max_steps=2100)))
    thread.start()
    thread.join()
    made[0].reset(seed=1)
    assert all(made[0].step(LEFT)[1] == 1 for _ in range(50))
    made[0].close()


PARENT = """
    import numpy as np
    from WorldModels.envs.make import make_env
    env = make_env("TakeCover", max_steps=2100)
    env.reset(seed=1)
    print("plays", flush=True)
    while True:
        if any(env.step(np.zeros(1, np.float32))[2:4]):
            env.reset()
"""


@pytest.fixture
def parent(folder):
    """A process that makes the environment, prints a line, and plays."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=hears_signals,
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_the_engine_ends_with_its_parent(number, parent, folder):
    parent.stdout.readline()
    (engine,) = children(parent.pid)
    names = shared_by(engine)
    os.killpg(parent.pid, number)  # as a terminal does: the whole group
    errors = parent.communicate(timeout=PATIENCE)[1]
    assert soon(lambda: not alive(engine)) and left_of(names) == [] and list(folder.iterdir()) == []
    assert errors.count("Traceback") == (number == signal.SIGINT) and (
        "KeyboardInterrupt" in errors
    ) == (number == signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["parent", "engine", "guard"])
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.3])
def test_a_kill_while_it_starts_leaves_nothing(victim, delay, parent, folder):
    assert soon(
        lambda: shared_by(parent.pid) and children(parent.pid, "engine.sh") + children(parent.pid)
    )
    time.sleep(delay)
    names, engines, guards = (
        shared_by(parent.pid),
        children(parent.pid),
        children(parent.pid, "guard"),
    )
    for process in {"parent": [parent.pid], "engine": engines, "guard": guards}[victim]:
        os.kill(process, signal.SIGKILL)
    if victim == "guard":
        assert parent.stdout.readline() == "plays\n"
    soon(lambda: parent.poll() is not None, 2.0 if victim == "engine" else 0.0)
    parent.kill()
    parent.wait(PATIENCE)
    assert names and soon(lambda: not left_of(names) and not list(folder.iterdir()))
    assert soon(lambda: not any(alive(process) for process in engines + guards))


class Breaker:
    """A worker that plays; on the first try of two tasks it, or its engine, is killed."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self):
        env = make_env("TakeCover", max_steps=2100)
        env.reset(seed=1)

        def work(task):
            (engine,) = children(os.getpid())
            marker = self.folder / f"{task}"
            if task in ("worker", "engine") and not marker.exists():
                marker.write_text("\n".join([str(engine), *shared_by(engine)]))
                os.kill(os.getpid() if task == "worker" else engine, signal.SIGKILL)
            env.step(LEFT)
            return engine

        return work


def test_a_worker_without_an_engine_is_replaced_and_a_killed_worker_takes_its_engine_along(
    tmp_path,
):
    said = []
    with Executor(Breaker(tmp_path), 2, say=said.append) as executor:
        engines = dict(
            executor.map_unordered((task, task) for task in ("a", "worker", "b", "engine", "c"))
        )
        assert (
            len(said) == 2
            and any("SIGKILL" in line for line in said)
            and any("engine died" in line for line in said)
        )
    for task in ("worker", "engine"):
        engine, *names = (tmp_path / task).read_text().splitlines()
        assert (
            soon(lambda engine=engine: not alive(engine))
            and len(names) >= 3
            and left_of(names) == []
        )
    assert soon(lambda: not any(alive(engine) for engine in engines.values()))
