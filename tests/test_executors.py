"""Workers do not affect results; failed ones are replaced; none is left behind."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, hears_signals

from WorldModels.control import executors, worker
from WorldModels.control.executors import Executor, open_executor
from WorldModels.experiment.errors import ForeignError
from WorldModels.experiment.machine import THREADS

ROOT = Path(__file__).resolve().parent.parent
quiet = {"say": lambda text: None}


def square():
    return lambda task: (task**2, os.getpid())


def sum_of():
    return lambda array: float(np.asarray(array)[0])


class Trouble:
    """Builds a worker that misbehaves on task 3, always or only until a file exists."""

    def __init__(self, what, marker=None):
        self.what, self.marker = what, marker

    def __call__(self):
        return self.work

    def work(self, task):
        if task != 3 or (self.marker and Path(self.marker).exists()):
            return task
        if self.marker:
            Path(self.marker).touch()
        if self.what == "die":
            os._exit(7)
        if self.what == "signal":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "hang":
            time.sleep(600)
        if self.what == "mistake":
            raise ValueError("reward: expected a finite number, received nan.")
        if self.what == "foreign":
            raise ForeignError("environment Maze-v0: its step() raised KeyError: 'wall'.")
        raise RuntimeError("the engine of task three exploded")


def environment():
    return lambda name: (os.environ.get(name), name in sys.modules)


def unready():
    raise RuntimeError("no world here")


def tasks(count):
    return [(f"task-{i}", i) for i in range(count)]


def test_results_do_not_depend_on_the_number_of_workers():
    expected = {task_id: task**2 for task_id, task in tasks(40)}
    for workers in (1, 3):
        with Executor(square, workers) as executor:
            found = dict(executor.map_unordered(tasks(40)))
            assert {i: r[0] for i, r in found.items()} == expected
            assert os.getpid() not in {pid for _, pid in found.values()}
            assert dict(executor.map_unordered([])) == {}
            assert len(dict(executor.map_unordered(tasks(5)))) == 5  # the same workers again


def test_parameters_travel_exactly():
    value = np.nextafter(0.1, 1.0)
    with Executor(sum_of, 1) as executor:
        big = [(i, np.full(100_000, value)) for i in range(6)]  # larger than a pipe holds
        assert set(dict(executor.map_unordered(iter(big))).values()) == {value}


@pytest.mark.parametrize("what", ["die", "signal", "hang", "error"])
def test_a_worker_in_trouble_is_replaced_and_its_task_tried_again(what, tmp_path):
    said = []
    maker = Trouble(what, tmp_path / "marker")
    with Executor(maker, 2, say=said.append, hang_seconds=0.3) as executor:
        assert dict(executor.map_unordered(tasks(12))) == dict(tasks(12))
    assert len(said) == 1 and "task-3" in said[0]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("die", "exit status 7"),
        ("signal", "signal 9"),
        ("hang", "hung"),
        ("error", "task three exploded"),
    ],
)
def test_after_three_failures_the_reason_is_told(what, words):
    with Executor(Trouble(what), 2, hang_seconds=0.3, **quiet) as executor:
        with pytest.raises(RuntimeError, match=f"3 times at task task-3.*(?s:.*){words}"):
            list(executor.map_unordered(tasks(8)))
        assert dict(executor.map_unordered([("a", 1), ("b", 2)])) == {
            "a": 1,
            "b": 2,
        }  # the executor still works


def test_a_mistake_of_the_user_comes_through_at_once_as_one_line():
    said = []
    with (
        Executor(Trouble("mistake"), 2, say=said.append) as executor,
        pytest.raises(ValueError) as raised,
    ):
        list(executor.map_unordered(tasks(8)))
    assert str(raised.value) == "reward: expected a finite number, received nan." and said == []


def test_somebody_else_s_fault_is_told_once_and_tried_again(tmp_path):
    said, maker = [], Trouble("foreign", tmp_path / "marker")
    with Executor(maker, 1, say=said.append) as executor:
        assert dict(executor.map_unordered(tasks(12))) == dict(tasks(12))
    assert len(said) == 1 and said[0].endswith("its step() raised KeyError: 'wall'.")
    with Executor(Trouble("foreign"), 1, say=said.append) as executor:
        with pytest.raises(ForeignError, match="^environment Maze-v0: its step") as raised:
            list(executor.map_unordered(tasks(8)))
    assert len(said) == 2 and "in work" in "".join(raised.value.__notes__)


def test_a_worker_that_cannot_be_built_stops_everything():
    with (
        Executor(unready, 1, **quiet) as executor,
        pytest.raises(RuntimeError, match="(?s)starting.*no world here"),
    ):
        list(executor.map_unordered(tasks(2)))


def test_workers_have_one_thread_and_no_keras():
    with Executor(environment, 1) as executor:
        found = dict(
            executor.map_unordered(
                [(name, name) for name in (*THREADS, "keras", "tensorflow", "torch")]
            )
        )
    assert all(found[name] == ("1", False) for name in THREADS)
    assert not any(found[name][1] for name in ("keras", "tensorflow", "torch"))
    assert os.environ.get("CUDA_VISIBLE_DEVICES") != "-1"


@pytest.mark.parametrize(
    "workers, tasks, expected",
    [(0, None, 5), (2, None, 2), (0, 3, 3), (8, 3, 3), (2, 3, 2), (4, 0, 1)],
)
def test_as_many_workers_as_asked_for_or_cores_but_no_more_than_tasks(
    workers, tasks, expected, monkeypatch
):
    monkeypatch.setattr(executors, "cores", lambda: 5)
    monkeypatch.setattr(executors, "Executor", lambda make, size, **how: (make, size, how))
    made = open_executor(square, workers, tasks, hang_seconds=7)
    assert made == (square, expected, {"hang_seconds": 7})


class Refused(executors.Worker):
    """A worker; the system lets only so many of them run."""

    room = 0

    def __init__(self, make_worker, threads):
        if Refused.room == 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        Refused.room -= 1
        super().__init__(make_worker, threads)

    def end(self, patience):
        super().end(patience)
        Refused.room += 1


@pytest.mark.parametrize("room, fit", [(3, 2), (1, 1)])
def test_where_fewer_workers_fit_these_do_the_work(room, fit, monkeypatch):
    """One makes room for what else this process opens."""
    monkeypatch.setattr(executors, "Worker", Refused)
    monkeypatch.setattr(Refused, "room", room)
    said = []
    with Executor(square, 64, say=said.append) as executor:
        assert {i: r[0] for i, r in executor.map_unordered(tasks(9))} == {
            i: n**2 for i, n in tasks(9)
        }
        assert len(executor.workers) == fit
    (line,) = said
    assert line.startswith(f"--workers: {fit} of 64 fit") and os.strerror(errno.EAGAIN) in line


def test_where_no_worker_fits_that_is_one_line(monkeypatch):
    monkeypatch.setattr(executors, "Worker", Refused)
    monkeypatch.setattr(Refused, "room", 0)
    with pytest.raises(ValueError, match=f"--workers: .*{os.strerror(errno.EAGAIN)}"):
        Executor(square, 64)


@pytest.mark.parametrize("cores", [1, 4])
def test_one_of_a_crowd_that_is_killed_is_one_too_many(cores, monkeypatch, tmp_path):
    """As where memory runs out; among no more workers than cores it is replaced."""
    monkeypatch.setattr(executors, "cores", lambda: cores)
    said = []
    with Executor(Trouble("signal", tmp_path / "marker"), 4, say=said.append) as executor:
        assert dict(executor.map_unordered(tasks(12))) == dict(tasks(12))
        assert (len(executor.workers) < 4) == (cores == 1)
    (line,) = said
    assert "task-3" in line and ("of 4 fit here" in line) == (cores == 1)


def test_workers_that_share_a_core_have_as_much_more_time(monkeypatch):
    monkeypatch.setattr(executors, "cores", lambda: 2)
    monkeypatch.setattr(Executor, "_fill", lambda self: None)
    waits = {
        workers: (executor.hang_seconds, executor.build_seconds)
        for workers in (1, 2, 64)
        for executor in [Executor(square, workers, hang_seconds=60, build_seconds=300)]
    }
    assert waits == {1: (60, 300), 2: (60, 300), 64: (32 * 60, 32 * 300)}


@pytest.mark.slow
def test_sixty_four_workers_begin_and_end():
    with Executor(partial(partial, pow, 2), 64, **quiet) as executor:
        assert dict(executor.map_unordered(tasks(640))) == {i: 2**n for i, n in tasks(640)}
        processes = [worker.process.pid for worker in executor.workers]
    assert len(set(processes)) == 64 and not [pid for pid in processes if alive(pid)]


def test_at_least_one_worker():
    with pytest.raises(ValueError, match="--workers"):
        Executor(square, 0)


def test_breaking_off_leaves_no_busy_worker():
    with Executor(Trouble("hang"), 2, **quiet) as executor:
        for _ in executor.map_unordered([(i, i) for i in (1, 3, 3.5, 4)]):
            break
        assert len(dict(executor.map_unordered(tasks(3)))) == 3


def test_workers_outlive_the_thread_that_started_them():
    """The kernel's signal at a parent's death comes when the thread that forked them ends."""
    made, said = [], []

    def make():
        made.append(Executor(square, 2, say=said.append))
        assert len(dict(made[0].map_unordered(tasks(4)))) == 4  # they have asked for that signal

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    with made[0] as executor:
        before = {worker.process.pid for worker in executor.workers}
        found = dict(executor.map_unordered(tasks(40)))
    assert len(found) == 40 and {pid for _, pid in found.values()} <= before and said == []


def test_starts_in_two_threads_leave_the_environment_as_it_was():
    ours = worker.environment(threads=1)
    before = {name: os.environ.get(name) for name in ours}
    inside, leave = threading.Event(), threading.Event()

    def other():
        with worker._quiet_start(ours):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with worker._quiet_start(ours):
        thread.start()
        inside.wait(0.2)  # without a lock it comes inside at once
    leave.set()
    thread.join()
    assert {name: os.environ.get(name) for name in ours} == before


UNGUARDED = """
    from WorldModels import record
    print("imported", flush=True)
    record.main({arguments})
"""
GUARDED = """
    import threading
    from WorldModels import record
    if __name__ == "__main__":
        thread = threading.Thread(target=record.main, args=[{arguments}])
        thread.start()
        thread.join()
"""
OF_A_LIBRARY = """
    import sys
    sys.path.insert(0, {tests!r})
    from test_executors import square
    from WorldModels.control.executors import Executor
    with Executor(square, 1) as executor:
        list(executor.map_unordered([(0, 0)]))
"""


def run_script(text, folder, **how):
    """Run a user's script, which lies outside the repository."""
    flags = ["--record.episodes", "2", "--record.max-frames", "20", "--workers", "1"]
    place = ["--scale", "smoke", "--results", str(folder / "run")]
    script = folder / "drive.py"
    arguments = ["carracing", *place, *flags]
    script.write_text(textwrap.dedent(text.format(arguments=arguments, tests=str(ROOT / "tests"))))
    return subprocess.run(
        [sys.executable, str(script)] if "input" not in how else [sys.executable, "-"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        cwd=folder,
        **how,
    )


def test_a_script_without_a_main_guard_is_told_what_to_write(tmp_path):
    done = run_script(UNGUARDED, tmp_path)
    line = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and line.startswith(f"error: {tmp_path / 'drive.py'}: ")
    assert 'if __name__ == "__main__":' in line
    assert "Traceback" not in done.stderr and done.stderr.count("error") == 1, done.stderr
    assert "in use" not in done.stderr and done.stdout.count("imported") == 2


def test_an_executor_of_a_script_without_a_main_guard_says_the_same(tmp_path):
    done = run_script(OF_A_LIBRARY, tmp_path)
    assert f"ValueError: {tmp_path / 'drive.py'}: " in done.stderr
    assert "bootstrapping" not in done.stderr


def test_a_thread_of_a_guarded_script_records(tmp_path):
    done = run_script(GUARDED, tmp_path)
    assert done.returncode == 0 and "record: 2 episodes" in done.stdout, done.stderr


def test_a_program_that_is_no_file_records(tmp_path):
    """From standard input, or as the cells of a notebook: workers cannot import it."""
    words = ["carracing", "--scale", "smoke", "--results", str(tmp_path / "run")]
    words += ["--record.episodes", "2", "--record.max-frames", "20", "--workers", "1"]
    done = run_script("", tmp_path, input=f"from WorldModels import record\nrecord.main({words})\n")
    assert done.returncode == 0 and "record: 2 episodes" in done.stdout, done.stderr


PARENT = """
    import sys, time
    sys.path.insert(0, {tests!r})
    from test_executors import slow
    from WorldModels.control.executors import Executor
    if __name__ == "__main__":
        with Executor(slow, 2) as executor:
            for _, pid in executor.map_unordered([(i, 0.05 if i < 4 else 600) for i in range(6)]):
                print(pid, flush=True)
"""


def slow():
    return lambda seconds: (time.sleep(seconds), os.getpid())[1]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_their_parent(number, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT.format(tests=str(ROOT / "tests"))))
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=hears_signals,
    )
    workers = {int(parent.stdout.readline()) for _ in range(4)}
    assert all(alive(pid) for pid in workers)
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)  # Ctrl-C in a terminal goes to the whole group
    else:
        parent.send_signal(number)
    errors = parent.communicate(timeout=PATIENCE)[1]
    until = time.monotonic() + PATIENCE
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)
    if number == signal.SIGINT:
        assert errors.count("Traceback") == 1  # the parent's; the workers print nothing
