"""Runs tasks in worker processes, which have one thread each if not asked for more.

A worker that dies or hangs is replaced and its task tried again. Each result comes with the id of
its task, so results do not depend on the number of workers. `make_worker` is picklable, takes no
arguments and returns a callable(task) -> result.
"""

import pickle
import statistics
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection
from typing import Any

from WorldModels.control.task_queue import TaskQueue
from WorldModels.control.worker import DIED, Worker
from WorldModels.experiment.errors import ForeignError
from WorldModels.experiment.machine import cores
from WorldModels.experiment.main_guard import leave_if_worker


def open_executor(
    make_worker: Callable[[], Callable[[Any], Any]],
    workers: int = 0,
    tasks: int | None = None,
    **how: Any,
) -> "Executor":
    """Start as many worker processes as --workers asks for.

    Args:
        make_worker: see Executor.
        workers: number of processes; 0: one per core, or as many as a container's CPU quota.
        tasks: number of tasks, if known; no more workers than that are started.
        how: further arguments of Executor.
    """
    size = workers or cores()
    return Executor(make_worker, size if tasks is None else min(size, max(tasks, 1)), **how)


class Executor:
    """Worker processes that share the tasks, and are replaced when they die or hang.

    Any thread may make it or use it: a thread of its own starts the workers, which end with it.

    Args:
        make_worker: picklable; called once in each worker, makes a callable(task) -> result. Tasks
            and results are pickled.
        workers: number of processes; they start at once and build in parallel. Where fewer fit,
            these do the work.
        threads: of each process.
        say: receives a line about every worker that is replaced or does not fit.
        attempts: everything stops once one task, or starting a worker, has failed this many times.
        hang_seconds: a task may take this long, or `hang_factor` times the median if that is
            longer; until the first task has finished, ten times this long.
        hang_factor: see `hang_seconds`.
        build_seconds: how long a worker may take to get ready. Where several workers share a core,
            this and `hang_seconds` are as many times as long.

    Raises:
        ValueError: workers below 1, or not a single one fits.
    """

    def __init__(
        self,
        make_worker: Callable[[], Callable[[Any], Any]],
        workers: int,
        *,
        threads: int = 1,
        say: Callable[[str], None] = print,
        attempts: int = 3,
        hang_seconds: float = 60.0,
        hang_factor: float = 10.0,
        build_seconds: float = 300.0,
    ):
        leave_if_worker()
        if workers < 1:
            raise ValueError(f"--workers: expected at least 1 worker process, received {workers}.")
        self.make_worker = pickle.dumps(make_worker)
        self.size, self.threads, self.say, self.attempts = workers, threads, say, attempts
        crowd = max(1.0, workers / cores())
        self.hang_seconds, self.hang_factor = crowd * hang_seconds, hang_factor
        self.build_seconds = crowd * build_seconds
        self.durations: deque[float] = deque(maxlen=301)
        self.failed_builds, self.told = 0, set()
        self.workers: list[Worker] = []
        self._starter = ThreadPoolExecutor(1)
        self._fill()

    def map_unordered(
        self, tasks: Iterable[tuple[Hashable, Any]]
    ) -> Iterator[tuple[Hashable, Any]]:
        """Yield (task id, result) for every (task id, task), as they finish; task ids are unique.

        Raises:
            ValueError, OSError, ImportError: a task raised it (a user's mistake, so it is not
                tried again), or a script without a main guard started the workers.
            RuntimeError: a task, or starting a worker, failed `attempts` times; the message has the
                worker's traceback. If somebody else's code failed, it is the last ForeignError.
        """
        queue, failures = TaskQueue(iter(tasks)), {}
        try:
            self._fill()
            while self._deal(queue):
                for worker, message in self._messages():
                    if message[0] == "result":
                        self.durations.append(message[2])
                        yield worker.finish(), message[1]
                    elif message[0] == "ready":
                        self.failed_builds = 0
                    elif worker in self.workers:  # otherwise it did not fit
                        self._failed(worker, *message[1:], queue, failures)
        finally:
            # After an error or an early stop, nobody wants the results of workers still busy.
            for worker in [w for w in self.workers if w.tasks]:
                self._remove(worker)

    def close(self) -> None:
        """End every worker before returning."""
        for worker in self.workers:
            worker.dismiss()
        while self.workers:
            last = self.workers[-1]
            self._remove(last, patience=1.0 if last.ready and not last.tasks else 0.0)
        self._starter.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _fill(self) -> None:
        while len(self.workers) < self.size:
            try:
                start = self._starter.submit(Worker, self.make_worker, self.threads)
                self.workers.append(start.result())
            except OSError as error:
                return self._shrink(f"the system refuses another one ({error})")

    def _shrink(self, why: str) -> None:
        """Go on with the workers there are, less an idle one: this process needs room too."""
        for worker in [w for w in self.workers if not w.tasks][1:][-1:]:
            self._remove(worker)
        if not self.workers:
            raise ValueError(f"--workers: expected room for one, but {why}; raise it (see ulimit).")
        wanted, self.size = self.size, len(self.workers)
        self.say(f"--workers: {self.size} of {wanted} fit here and do the work, since {why}.")

    def _remove(self, worker: Worker, patience: float = 0.0) -> None:
        worker.end(patience)
        self.workers.remove(worker)

    def _deal(self, queue: TaskQueue) -> bool:
        """Give idle workers a task, and busy workers their next one if many are waiting.

        Returns:
            False when everything is done.
        """
        for depth, least in ((1, 1), (2, 2 * self.size)):
            for worker in self.workers:
                if worker.ready and len(worker.tasks) < depth and queue.has(least):
                    entry = queue.take()
                    if not worker.give(entry):
                        queue.give_back([entry])
        return queue.has(1) or any(worker.tasks for worker in self.workers)

    def _messages(self) -> list[tuple[Worker, tuple]]:
        """Wait for the workers' next messages, with an error for each dead or hanging worker."""
        now, task_seconds = time.monotonic(), self._task_seconds()
        limits = {w: task_seconds if w.ready else self.build_seconds for w in self.workers}
        due = min((w.since + limits[w] for w in self.workers if w.busy), default=now + 1.0)
        wait = min(max(0.0, due - now), 5.0)
        heard = set(connection.wait([w.pipe for w in self.workers], wait))
        told = [(w, w.hear()) for w in self.workers if w.pipe in heard]
        now = time.monotonic()
        for worker, limit in limits.items():
            if worker.pipe not in heard and worker.busy and now - worker.since > limit:
                told.append((worker, ("error", None, f"it hung: no answer within {limit:.0f} s")))
        return told

    def _task_seconds(self) -> float:
        """Seconds after which a task counts as hanging."""
        if not self.durations:
            return 10 * self.hang_seconds
        return max(self.hang_seconds, self.hang_factor * statistics.median(self.durations))

    def _failed(
        self,
        worker: Worker,
        mistake: BaseException | None,
        reason: str,
        queue: TaskQueue,
        failures: dict[Hashable, int],
    ) -> None:
        """Replace a worker and put its tasks back, or stop.

        Raises:
            BaseException: the user's mistake, if it is one.
            RuntimeError: the task, or starting a worker, has failed `attempts` times.
        """
        tasks, built = list(worker.tasks), worker.ready
        self._remove(worker)
        if mistake is not None:
            mistake.add_note(f"In a worker process:\n{reason}")
        if not isinstance(mistake, ForeignError | None):
            raise mistake
        queue.give_back(tasks)
        what = f"task {tasks[0][0]}" if tasks else "no task" if built else "starting"
        if reason.endswith("(SIGKILL)") and len(self.workers) >= cores():
            return self._shrink(f"one {reason} at {what}, as when memory runs out")
        count = self._count_failure(tasks, built, failures)
        if count >= self.attempts:
            if mistake is None and reason.startswith(DIED):
                mistake = ForeignError(
                    f"a worker failed {count} times at {what}: it {reason}; the fault is in the "
                    "environment or another library, which ended the process."
                )
            raise mistake or RuntimeError(
                f"a worker failed {count} times at {what}. The last failure:\n{reason.rstrip()}"
            )
        why = str(mistake or reason.strip().splitlines()[-1])
        if mistake is None or why not in self.told:  # a ForeignError is told once
            self.say(f"worker replaced ({what}): {why}")
        self.told.add(why)
        self._fill()

    def _count_failure(self, tasks: list, built: bool, failures: dict[Hashable, int]) -> int:
        """How many times the failed task, or starting a worker, has failed by now."""
        if tasks:
            task_id = tasks[0][0]
            failures[task_id] = failures.get(task_id, 0) + 1
            return failures[task_id]
        if built:
            return 1
        self.failed_builds += 1
        return self.failed_builds
