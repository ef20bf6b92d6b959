"""The episodes of a test, and the tasks into which they are grouped for worker processes."""

from collections.abc import Iterable
from dataclasses import dataclass

Key = tuple[str, str, int]  # kind, driver and number of an episode
# First seed of each kind of episode. Training's seeds start at 10 million, validation's at 2
# million, and those of human players at 8 million.
SEEDS = {
    "tracks": 5_000_000,
    "final": 9_000_000,  # in place of "tracks" with --evaluate.seeds final
    "curve": 3_000_000,
    "calibration": 4_000_000,  # fits a dream to the game
    "gates": 4_000_050,  # judges that fit
    "dreams": 5_000_000,
    "gate_dreams": 4_000_000,
}
TESTED = {"test": "tracks", "final": "final"}  # --evaluate.seeds -> kind of the test's games
DRIVER = "controller"
MOST_GAMES = 50  # of each policy by which a dream is compared with the game
# Of each policy at each temperature, when a dream is fitted to the game.
CALIBRATING_DREAMS = 64
TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
GATES = "gates.json"
LANES = 50  # dreams that run in lockstep
DREAMT = ("dreams", "gate_dreams")
# Columns of a CSV that name the driver and the episode, if they are not `driver` and `track`.
KEYS = {
    "curve": ("generation", "game"),
    "dreams": ("driver", "dream"),
    "gate_dreams": ("driver", "dream"),
}


@dataclass(frozen=True)
class Task:
    """Episodes that one driver plays together: a single game, or dreams in lockstep.

    Attributes:
        kind: a key of SEEDS.
        driver: a key of Examiner.controllers, one of BLINDFOLDS, or a blind policy
            (control/policies.py).
        numbers: of the episodes, from 0.
    """

    kind: str
    driver: str
    numbers: tuple[int, ...]


def shown_name(policy: str) -> str:
    """A policy's name in a comparison of dream and game, where DRIVER is an earlier one."""
    return "the driver before" if policy == DRIVER else policy


def key_columns(kind: str) -> tuple[str, str]:
    """The columns that name the driver and the episode in the CSV of a kind."""
    return KEYS.get(kind, ("driver", "track"))


def tasks_of(missing: Iterable[Key]) -> list[Task]:
    """A task for each game, and one for every LANES dreams of a driver, in the order wanted."""
    groups: dict[tuple[str, str], list[int]] = {}
    for kind, driver, number in missing:
        groups.setdefault((kind, driver), []).append(number)
    tasks = []
    for (kind, driver), numbers in groups.items():
        size = LANES if kind in DREAMT else 1
        starts = range(0, len(numbers), size)
        tasks += [Task(kind, driver, tuple(numbers[i : i + size])) for i in starts]
    return tasks
