"""What plays the games and the dreams of a test, in worker processes: each gives a row of a CSV,
kept as it comes.

A row follows from its driver, its seed and the files of the run alone, so an interrupted test goes
on where it stopped, whatever
the number of workers. Knows worlds and drivers by their files; what the rows are good for it does
not know.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from WorldModels.experiment.files import append_row, read_rows
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.env import EnvSettings

DRIVER = "controller"
ANOTHER, FROZEN = (
    "another game's frames",
    "a frozen frame",
)  # the driver with its eyes bound: see envs/blindfold.py
BOUND = (ANOTHER, FROZEN)
RENDERER = "exact"  # CarRacing's official picture bit for bit (tests/test_carracing.py), drawn faster; scores never come from `fast`
# First seed of each kind of episode. Training draws from 10 million on, validation from 2, people
# drive from 8 million on.
SEEDS = {
    "tracks": 5_000_000,
    "curve": 3_000_000,
    "gates": 4_000_000,
    "dreams": 5_000_000,
    "gate_dreams": 4_000_000,
}
COLUMNS = {
    "curve": ("generation", "game"),
    "dreams": ("driver", "dream"),
    "gate_dreams": ("driver", "dream"),
}  # else driver, track
DREAMT = ("dreams", "gate_dreams")
LANES = 50  # dreams side by side
HANG_SECONDS = 600  # the longest dreams side by side, on a machine that does other things too
SHOWN_GAMES = 8  # recorded games whose frames are shown to the driver of another


@dataclass(frozen=True)
class Task:
    """Episodes of one driver that are played together: a game alone, dreams side by side.

    Attributes:
        kind: a key of SEEDS.
        driver: a key of Examiner.controllers, one of BOUND, or a policy that does not look
            (control/policies.py).
        numbers: of the episodes, from 0.
    """

    kind: str
    driver: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Examiner:
    """Makes, in a worker process, a function from a Task to its rows; picklable.

    Attributes:
        folder: the iteration's folder with V and M.
        env: settings of the environment; renderer and lap rule are replaced.
        controllers: driver to file; DRIVER among them wherever one drives.
        dream: makes dreams: worlds.DreamMaker.
        shown: files of recorded episodes, for ANOTHER.
    """

    folder: Path
    env: EnvSettings
    controllers: dict[str, Path]
    dream: Any = None
    shown: tuple[Path, ...] = ()

    def __call__(self) -> Callable[[Task], list[dict]]:
        here: dict = {"seen": None, "world": None}

        def examine(task: Task) -> list[dict]:
            if task.kind in DREAMT:
                return self._dream(task)
            seen = (
                task.driver
                if task.driver in BOUND
                else DRIVER
                if task.driver in self.controllers
                else ""
            )
            if here["seen"] != seen:  # one world at a time: a game's engine and a session are large
                if here["world"] is not None:
                    here["world"].close()
                here["seen"], here["world"] = seen, self.world(seen)
            return [
                self._play(task.kind, task.driver, number, here["world"]) for number in task.numbers
            ]

        return examine

    def world(self, seen: str = DRIVER, lap_complete: str = "1.0"):
        """The official world: of features, as the driver sees it or one of BOUND; with nothing
        `seen` the bare one.
        """
        from WorldModels.assembly.worlds import driven
        from WorldModels.envs.blindfold import AnotherGame, FrozenFrame
        from WorldModels.episodes.episode import Episode

        world = self.bare(lap_complete, RENDERER)
        if not seen:
            return world
        if seen == ANOTHER:
            world = AnotherGame(world, [Episode.load(path).observations for path in self.shown])
        elif seen == FROZEN:
            world = FrozenFrame(world)
        return driven(world, self.controllers[DRIVER], self.folder)[0]

    def bare(self, lap_complete: str, renderer: str):
        """The world without V and M."""
        from WorldModels.assembly.worlds import real_world

        return real_world(
            self.folder, replace(self.env, renderer=renderer, lap_complete=lap_complete)
        )()

    def policy(self, driver: str, action_size: int):
        """The driver as a policy."""
        from WorldModels.control.controller import Controller, ControllerPolicy
        from WorldModels.control.policies import POLICIES
        from WorldModels.experiment.games.registry import game_of

        file = self.controllers.get(DRIVER if driver in BOUND else driver)
        if file:
            return ControllerPolicy(*Controller.load(file)[:2])
        return POLICIES[driver](game_of(self.env.id).named_actions(action_size))

    def dreams(
        self, driver: str, numbers: Sequence[int], first_seed: int, watch: Callable | None = None
    ):
        """Dream with a driver, side by side; returns (N,) and steps (N,). For `watch` see
        control/lockstep.py.
        """
        from WorldModels.control.lockstep import lockstep

        env = self.dream(len(numbers))
        policies = [self.policy(driver, env.single_action_space.shape[0]) for _ in numbers]
        return lockstep(env, policies, [first_seed + n for n in numbers], watch)

    def _dream(self, task: Task) -> list[dict]:
        first_seed = SEEDS[task.kind]
        returns, steps = self.dreams(task.driver, task.numbers, first_seed)
        return [
            _named(task.kind, task.driver, n, first_seed + n)
            | {"return": float(r), "steps": int(s)}
            for n, r, s in zip(task.numbers, returns, steps, strict=True)
        ]

    def _play(self, kind: str, driver: str, number: int, world) -> dict:
        from WorldModels.control.rollout import rollout

        seed = SEEDS[kind] + number
        result = rollout(
            world, self.policy(driver, world.action_space.shape[0]), seed, self.env.max_steps
        )
        row = _named(kind, driver, number, seed)
        if not has_laps(self.env):
            return row | {"return": result.return_, "steps": result.length}
        return row | {
            "return_095": result.return_095,
            "return_100": result.return_,
            "lap_095": int(result.lap_095),
            "lap_100": int(result.lap),
            "steps": result.length,
        }


def has_laps(env: EnvSettings) -> bool:
    """Whether the game is a lap, which ends by either of two rules."""
    return env.id.startswith("CarRacing")


def _named(kind: str, driver: str, number: int, seed: int) -> dict:
    who, which = COLUMNS.get(kind, ("driver", "track"))
    return {who: driver, which: number, "seed": seed}


def examined(
    run: Run, examiner: Examiner, wanted: Iterable[tuple[str, str, int]], folder: Path | None = None
) -> dict[tuple, dict]:
    """The rows of all episodes that are wanted; those that are not there yet are played.

    Args:
        run: the open run; --workers counts.
        examiner: who plays.
        wanted: (kind, driver, number).
        folder: of KIND.csv, where rows are read and kept; None: nowhere.

    Returns:
        (kind, driver, number) -> row; the numbers in it may be text, as a CSV gives them.
    """
    from tqdm import tqdm

    from WorldModels.control.executors import Executor, cores

    wanted, rows = list(wanted), {}
    for kind in {kind for kind, _, _ in wanted} if folder else ():
        who, which = COLUMNS.get(kind, ("driver", "track"))
        rows |= {
            (kind, row[who], int(row[which])): row for row in read_rows(folder / f"{kind}.csv")
        }
    missing = _tasks([key for key in wanted if key not in rows])
    if missing:
        left, workers = (
            sum(len(task.numbers) for task in missing),
            min(run.experiment.workers or cores(), len(missing)),
        )
        bar = tqdm(
            total=len(wanted),
            initial=len(wanted) - left,
            unit="episode",
            desc=run.verb,
            smoothing=0.05,
        )
        with Executor(examiner, workers, say=run.say, hang_seconds=HANG_SECONDS) as executor, bar:
            for task, found in executor.map_unordered((task, task) for task in missing):
                for number, row in zip(task.numbers, found, strict=True):
                    if folder:
                        append_row(folder / f"{task.kind}.csv", row)
                    rows[task.kind, task.driver, number] = row
                    bar.update()
    return {key: rows[key] for key in wanted}


def _tasks(missing: list[tuple[str, str, int]]) -> list[Task]:
    """A task for every game, and one for every LANES dreams of a driver; in the order in which they
    are wanted.
    """
    groups: dict = {}
    for kind, driver, number in missing:
        groups.setdefault((kind, driver), []).append(number)
    return [
        Task(kind, driver, tuple(numbers[i : i + size]))
        for (kind, driver), numbers in groups.items()
        for size in [LANES if kind in DREAMT else 1]
        for i in range(0, len(numbers), size)
    ]
