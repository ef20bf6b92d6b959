"""Records episodes in worker processes, each complete or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from WorldModels.experiment.draws import rng
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.settings.experiment import Experiment

MAX_ATTEMPTS = 1000  # tries before the verb gives up on an episode that is too short
FIRST_SEED, LAST_SEED = 10_000_000, 2**31  # seeds of the episodes


class Recorded(NamedTuple):
    """An episode that was recorded: its steps and return, who drove, and its extreme rewards."""

    steps: int
    return_: float
    policy: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class Recorder:
    """Makes a function from an episode's index to what was Recorded; picklable.

    Called in a worker process.

    Attributes:
        experiment: all settings.
        iteration: the one that the episodes belong to.
        folder: where they are written.
        shares: driver -> its share of the episodes.
        controller: file of the trained controller that drives the share "controller", and the
            folder of the V and M that it sees through; None if there is none.
    """

    experiment: Experiment
    iteration: int
    folder: Path
    shares: dict[str, float]
    controller: tuple[Path, Path] | None = None

    def __call__(self) -> Callable[[int], Recorded]:
        from WorldModels.control.policies import POLICIES, policy_of_episode

        worlds: dict[tuple[bool, bool], tuple[Any, Any]] = {}
        game = game_of(self.experiment.env.id)
        settings = self.experiment.record

        def record_one(index: int) -> Recorded:
            name = policy_of_episode(self.shares, index)
            random_start = settings.random_start and index % settings.line_start_every != 0
            key = (name == "controller", random_start)
            if key not in worlds:
                worlds[key] = self.world(random_start, name == "controller")
            world, driver = worlds[key]
            actions = game.actions_of(world.action_space)
            return self.record(index, world, driver or POLICIES[name](actions))

        return record_one

    def record(self, index: int, world: Any, policy: Any) -> Recorded:
        """Record an episode.

        Raises:
            ValueError: every attempt was too short.
        """
        from WorldModels.control.rollout import rollout

        settings = self.experiment.record
        for attempt in range(MAX_ATTEMPTS):
            indices = self.iteration, index, attempt
            draw = rng(self.experiment.seed, "record", "episode", *indices)
            seed = int(draw.integers(FIRST_SEED, LAST_SEED))
            result = rollout(world, policy, seed, settings.max_frames, keep="episode")
            if result.length >= settings.min_frames:
                result.episode.save(self.folder / f"{index:06}.npz")
                rewards = result.episode.rewards
                extremes = float(rewards.min()), float(rewards.max())
                return Recorded(result.length, result.return_, policy.name, *extremes)
        raise ValueError(
            f"--record.min-frames: expected episodes of {settings.min_frames} steps, received "
            f"{MAX_ATTEMPTS} shorter ones by {policy.name}; give a smaller number, or another "
            "driver in --record.policies."
        )

    def world(self, random_start: bool, by_controller: bool) -> tuple[Any, Any]:
        """The world of an episode, and the trained driver if it drives, otherwise None."""
        from WorldModels.assembly.worlds import driven, real_world
        from WorldModels.envs.recording import IgnoreTermination, OffRoadLimit

        settings, env = self.experiment.record, self.experiment.env
        how = {"random_start": random_start, "max_steps": settings.max_frames}
        world = real_world("", env, **how)()
        if settings.full_episode:
            world = IgnoreTermination(world)
        if settings.off_road_limit and game_of(env.id).has_road:
            world = OffRoadLimit(world, settings.off_road_limit)
        return driven(world, *self.controller) if by_controller else (world, None)
