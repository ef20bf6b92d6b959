"""How much of the processor other programs take while something is measured."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from WorldModels.experiment.machine import allowed, cores

BUSY = 0.25  # share of the processor above which other programs disturb a measurement
IDLE = (3, 4)  # columns of /proc/stat: idle, and waiting for a disk (proc(5))


@dataclass
class Others:
    """What other programs took.

    Attributes:
        share: of the time of all cores that this process may use.
    """

    share: float = 0.0


@contextlib.contextmanager
def others(stat: str = "/proc/stat") -> Iterator[Others]:
    """Watch the processor; when the block ends, the Others that it gives are known.

    What this process and its children took is left out, if they have ended by then. Where the
    system does not say how busy its cores are, the load of the last minute counts.

    Args:
        stat: the file with the time that each core spent.
    """
    found, before, began = Others(), _busy(stat), time.monotonic()
    own = sum(os.times()[:4])
    load = os.getloadavg()[0] / cores()
    yield found
    after, seconds = _busy(stat), max(time.monotonic() - began, 1e-9)
    if before and after:
        found.share = (sum(after) - sum(before) - (sum(os.times()[:4]) - own)) / (
            seconds * len(after)
        )
    else:
        found.share = load
    found.share = min(max(found.share, 0.0), 1.0)


def _busy(stat: str) -> list[float]:
    """Seconds that each core has worked that this process may use; empty if unknown."""
    ours = allowed()
    try:
        lines = [line.split() for line in Path(stat).read_text().splitlines()]
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return []
    found = []
    for name, *times in lines:
        number = name.removeprefix("cpu")
        if name.startswith("cpu") and number.isdigit():
            if not ours or int(number) in ours:
                # Guests' time, after the first eight columns, is in the user's already.
                worked = [int(x) for i, x in enumerate(times[:8]) if i not in IDLE]
                found.append(sum(worked) / ticks)
    return found
