"""The tasks of an executor that no worker has yet."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any


class TaskQueue:
    """Takes tasks from their source as they are needed; looks only a little ahead.

    Args:
        source: (task id, task).
    """

    def __init__(self, source: Iterator[tuple[Hashable, Any]]):
        self.source, self.waiting = source, deque()

    def has(self, count: int) -> bool:
        """Whether so many tasks are waiting."""
        while len(self.waiting) < count:
            entry = next(self.source, None)
            if entry is None:
                break
            self.waiting.append(entry)
        return len(self.waiting) >= count

    def take(self) -> tuple[Hashable, Any]:
        """The next task."""
        return self.waiting.popleft()

    def give_back(self, entries: list[tuple[Hashable, Any]]) -> None:
        """Put tasks back, to be next."""
        self.waiting.extendleft(reversed(entries))
