"""Plays the games and the dreams of a test in worker processes; each episode becomes a row.

A row depends only on its driver, its seed and the run's files, not on the number of workers or on
interruptions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WorldModels.assembly.evaluation.tasks import DREAMT, DRIVER, SEEDS, Task, key_columns
from WorldModels.experiment.games.game import Game
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.settings.env import EnvSettings

# The driver with a blindfold (envs/blindfold.py), which hides its own game from it.
ANOTHER, FROZEN = "another game's frames", "a frozen frame"
BLINDFOLDS = (ANOTHER, FROZEN)
ANOTHER_GAMES = 8  # recorded episodes whose frames ANOTHER shows to the driver
FPS = 50  # frames a second, if neither the game nor the environment says


@dataclass(frozen=True)
class Examiner:
    """Makes a function from a Task to its rows in a worker process; picklable.

    Attributes:
        folder: the iteration's folder with V and M.
        env: settings of the environment, before Game.scored changes them for a test.
        controllers: driver -> file; includes DRIVER wherever a controller drives.
        dream: makes dreams (worlds.DreamMaker), if the test has any.
        shown: files of recorded episodes, for ANOTHER.
        tested: the kind of the test's games: tracks or final.
    """

    folder: Path
    env: EnvSettings
    controllers: dict[str, Path]
    dream: Any = None
    shown: tuple[Path, ...] = ()
    tested: str = "tracks"

    def __call__(self) -> Callable[[Task], list[dict]]:
        return _Player(self)

    @property
    def game(self) -> Game:
        """The game that is played."""
        return game_of(self.env.id)

    def view(self, driver: str) -> str:
        """What a driver sees: DRIVER for features, one of BLINDFOLDS, or "" for the bare world."""
        if driver in BLINDFOLDS:
            return driver
        return DRIVER if driver in self.controllers else ""

    def world(self, view: str = DRIVER, env: EnvSettings | None = None):
        """The world, with the observations that a driver gets.

        Args:
            view: see the method `view`.
            env: settings of the environment; by default those of a scored game.
        """
        from WorldModels.assembly.worlds import driven
        from WorldModels.envs.blindfold import AnotherGame, FrozenFrame
        from WorldModels.episodes.episode import Episode

        world = self.bare(env or self.game.scored(self.env))
        if not view:
            return world
        if view == ANOTHER:
            world = AnotherGame(world, [Episode.load(path).observations for path in self.shown])
        elif view == FROZEN:
            world = FrozenFrame(world)
        return driven(world, self.controllers[DRIVER], self.folder)[0]

    def bare(self, env: EnvSettings):
        """The world without V and M."""
        from WorldModels.assembly.worlds import real_world

        return real_world(self.folder, env)()

    def frames_a_second(self) -> float:
        """Frames a second of the game, from the Game or else from the environment."""
        if self.game.fps:
            return self.game.fps
        world = self.bare(self.game.shown(self.env))
        world.close()
        return world.metadata.get("render_fps", FPS)

    def policy(self, driver: str):
        """The driver as a policy."""
        from WorldModels.assembly.worlds import actions_in
        from WorldModels.control.controller import Controller, ControllerPolicy
        from WorldModels.control.policies import POLICIES

        file = self.controllers.get(DRIVER if driver in BLINDFOLDS else driver)
        if file:
            return ControllerPolicy(*Controller.load(file)[:2])
        return POLICIES[driver](actions_in(self.env))

    def dreams(
        self, driver: str, numbers: Sequence[int], first_seed: int, watch: Callable | None = None
    ):
        """Have a driver dream in several lanes, in lockstep.

        Args:
            driver: see Task.
            numbers: numbers of the N dreams, one per lane.
            first_seed: the seed of dream 0.
            watch: see control.lockstep.lockstep.

        Returns:
            Returns (N,) and steps (N,).
        """
        from WorldModels.control.lockstep import lockstep

        env = self.dream(len(numbers))
        policies = [self.policy(driver) for _ in numbers]
        return lockstep(env, policies, [first_seed + n for n in numbers], watch)

    def dream_rows(self, task: Task) -> list[dict]:
        """The rows of a task's dreams."""
        first_seed = SEEDS[task.kind]
        returns, steps = self.dreams(task.driver, task.numbers, first_seed)
        return [
            _named(task, n) | {"return": float(return_), "steps": int(length)}
            for n, return_, length in zip(task.numbers, returns, steps, strict=True)
        ]

    def game_row(self, task: Task, number: int, world) -> dict:
        """The row of one game of a task."""
        from WorldModels.control.rollout import rollout

        policy = self.policy(task.driver)
        result = rollout(world, policy, SEEDS[task.kind] + number, self.env.max_steps)
        return _named(task, number) | scores_of(result, self.game) | {"steps": result.length}


class _Player:
    """Plays tasks, with one world open at a time: engines and sessions take a lot of memory."""

    def __init__(self, examiner: Examiner):
        self.examiner, self.view, self.world = examiner, "", None

    def __call__(self, task: Task) -> list[dict]:
        if task.kind in DREAMT:
            return self.examiner.dream_rows(task)
        self._open(self.examiner.view(task.driver))
        return [self.examiner.game_row(task, number, self.world) for number in task.numbers]

    def _open(self, view: str) -> None:
        if self.world is not None and self.view == view:
            return
        if self.world is not None:
            self.world.close()
        self.view, self.world = view, self.examiner.world(view)


def _named(task: Task, number: int) -> dict:
    who, which = key_columns(task.kind)
    return {who: task.driver, which: number, "seed": SEEDS[task.kind] + number}


def scores_of(result, game: Game) -> dict:
    """The return of a game; in a game with laps, return and lap under both rules.

    One drive under the later rule gives both scores: until the earlier rule would have ended it,
    the two drives are the same.
    """
    if not game.has_laps:
        return {"return": result.return_}
    earlier, later = game.rules.values()
    return {
        f"return{earlier}": result.return_095,
        f"return{later}": result.return_,
        f"lap{earlier}": int(result.lap_095),
        f"lap{later}": int(result.lap),
    }
