"""Runs tasks in this process, or in worker processes that are watched: one process, one thread, one
world.

A worker that dies or hangs is replaced and its task tried again; results are named by their task,
so they do not depend
on how many workers there are. Knows nothing of worlds or policies, only of `make_worker() ->
callable(task) -> result`.
"""

import os
import pickle
import statistics
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from multiprocessing import connection
from typing import Any

from WorldModels.control.worker import Worker


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SerialExecutor:
    """The same tasks, one after the other, in this process.

    Args:
        make_worker: builds a callable(task) -> result.
    """

    def __init__(self, make_worker: Callable[[], Callable[[Any], Any]]):
        self.work = make_worker()

    def map_unordered(
        self, tasks: Iterable[tuple[Hashable, Any]]
    ) -> Iterator[tuple[Hashable, Any]]:
        """Yield (task id, result) for every (task id, task)."""
        for task_id, task in tasks:
            yield task_id, self.work(task)

    def close(self) -> None:
        """Nothing is left running."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Executor:
    """Watched worker processes that share out tasks.

    Args:
        make_worker: picklable; called once in each worker, gives callable(task) -> result. Tasks
            and results are pickled.
        workers: processes; they start at once and build side by side.
        say: told, in a line, of every worker that is replaced.
        attempts: failures of one task after which everything stops.
        hang_seconds: a task may take this long, or `hang_factor` times the median task if that is
            longer; ten times this
            long while no task has finished yet.
        hang_factor: see `hang_seconds`.
        build_seconds: how long a worker may take to get ready.

    Raises:
        ValueError: workers below 1.
    """

    def __init__(
        self,
        make_worker: Callable[[], Callable[[Any], Any]],
        workers: int,
        *,
        say: Callable[[str], None] = print,
        attempts: int = 3,
        hang_seconds: float = 60.0,
        hang_factor: float = 10.0,
        build_seconds: float = 300.0,
    ):
        if workers < 1:
            raise ValueError(f"--workers: expected at least 1 worker process, received {workers}.")
        self.make_worker, self.size, self.say, self.attempts = (
            pickle.dumps(make_worker),
            workers,
            say,
            attempts,
        )
        self.hang_seconds, self.hang_factor, self.build_seconds = (
            hang_seconds,
            hang_factor,
            build_seconds,
        )
        self.durations: deque[float] = deque(maxlen=301)
        self.failed_builds = 0
        self.workers: list[Worker] = []
        self._fill()

    def map_unordered(
        self, tasks: Iterable[tuple[Hashable, Any]]
    ) -> Iterator[tuple[Hashable, Any]]:
        """Yield (task id, result) as they come, for every (task id, task); task ids differ.

        Raises:
            ValueError, OSError, ImportError: a task raised it (a user's mistake: trying again would
            not help).
            RuntimeError: a task failed `attempts` times, with the worker's own traceback.
        """
        queue, failures = _Queue(iter(tasks)), {}
        try:
            self._fill()
            while self._deal(queue):
                for worker, message in self._messages():
                    if message[0] == "result":
                        self.durations.append(message[2])
                        yield worker.finish(), message[1]
                    elif message[0] == "ready":
                        self.failed_builds = 0
                    else:
                        self._failed(worker, *message[1:], queue, failures)
        finally:
            for worker in [
                w for w in self.workers if w.tasks
            ]:  # left in the middle: nobody waits for these results
                self._remove(worker)

    def close(self) -> None:
        """End every worker; none is left when this returns."""
        for worker in self.workers:
            worker.dismiss()
        while self.workers:
            last = self.workers[-1]
            self._remove(last, patience=1.0 if last.ready and not last.tasks else 0.0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _fill(self) -> None:
        while len(self.workers) < self.size:
            self.workers.append(Worker(self.make_worker))

    def _remove(self, worker: Worker, patience: float = 0.0) -> None:
        worker.end(patience)
        self.workers.remove(worker)

    def _deal(self, queue: "_Queue") -> bool:
        """Give idle workers a task, and busy ones the next while there are plenty; False when all
        is done.
        """
        for depth in (1, 2):
            for worker in self.workers:
                if (
                    worker.ready
                    and len(worker.tasks) < depth
                    and queue.has(1 if depth == 1 else 2 * self.size)
                ):
                    entry = queue.take()
                    if not worker.give(entry):
                        queue.give_back([entry])
        return queue.has(1) or any(worker.tasks for worker in self.workers)

    def _messages(self) -> list[tuple[Worker, tuple]]:
        """What the workers have to tell, the dead and the hanging included; waits until there is
        something.
        """
        now = time.monotonic()
        limit = self._limit()
        deadlines = [
            w.since + (limit if w.ready else self.build_seconds)
            for w in self.workers
            if w.tasks or not w.ready
        ]
        wait = max(0.0, min(deadlines, default=now + 1.0) - now)
        heard = set(connection.wait([w.pipe for w in self.workers], min(wait, 5.0)))
        told = [(w, w.hear()) for w in self.workers if w.pipe in heard]
        now = time.monotonic()
        for worker in self.workers:
            allowed = limit if worker.ready else self.build_seconds
            if (
                worker.pipe not in heard
                and (worker.tasks or not worker.ready)
                and now - worker.since > allowed
            ):
                told.append((worker, ("error", None, f"it hung: no answer within {allowed:.0f} s")))
        return told

    def _limit(self) -> float:
        """Seconds after which a task counts as hanging."""
        if not self.durations:
            return 10 * self.hang_seconds
        return max(self.hang_seconds, self.hang_factor * statistics.median(self.durations))

    def _failed(
        self,
        worker: Worker,
        mistake: BaseException | None,
        reason: str,
        queue: "_Queue",
        failures: dict,
    ) -> None:
        """Replace a worker; give its tasks back; stop if the mistake is the user's or the task has
        failed too often.
        """
        tasks, built = list(worker.tasks), worker.ready
        self._remove(worker)
        if mistake is not None:
            mistake.add_note(f"In a worker process:\n{reason}")
            raise mistake
        queue.give_back(tasks)
        what = f"task {tasks[0][0]}" if tasks else "no task" if built else "starting"
        count = 1
        if tasks:
            count = failures[tasks[0][0]] = failures.get(tasks[0][0], 0) + 1
        elif not built:
            count = self.failed_builds = self.failed_builds + 1
        if count >= self.attempts:
            raise RuntimeError(
                f"a worker failed {count} times at {what}. What the last one said:\n{reason.rstrip()}"
            )
        self.say(f"worker replaced ({what}): {reason.strip().splitlines()[-1]}")
        self._fill()


class _Queue:
    """Tasks that no worker has yet; looks a little ahead into their source."""

    def __init__(self, source: Iterator):
        self.source, self.waiting = source, deque()

    def has(self, count: int) -> bool:
        while len(self.waiting) < count:
            entry = next(self.source, None)
            if entry is None:
                break
            self.waiting.append(entry)
        return len(self.waiting) >= count

    def take(self) -> tuple[Hashable, Any]:
        return self.waiting.popleft()

    def give_back(self, entries: list) -> None:
        self.waiting.extendleft(reversed(entries))
