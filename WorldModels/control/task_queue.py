"""The tasks of an executor that no worker has yet."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any


class TaskQueue:
    """Takes tasks from their source as they are needed; never looks far ahead.

    Args:
        source: yields (task id, task).
    """

    def __init__(self, source: Iterator[tuple[Hashable, Any]]):
        self.source, self.waiting = source, deque()

    def has(self, count: int) -> bool:
        """Whether at least `count` tasks are waiting."""
        while len(self.waiting) < count:
            entry = next(self.source, None)
            if entry is None:
                break
            self.waiting.append(entry)
        return len(self.waiting) >= count

    def take(self) -> tuple[Hashable, Any]:
        """Remove and return the next task."""
        return self.waiting.popleft()

    def give_back(self, entries: list[tuple[Hashable, Any]]) -> None:
        """Put tasks back at the front."""
        self.waiting.extendleft(reversed(entries))
