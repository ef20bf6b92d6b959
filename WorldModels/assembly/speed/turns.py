"""Measures the speed of several networks or drivers in turns; see measure.py."""

from pathlib import Path

from WorldModels.experiment.games.registry import game_of


def training(tasks: list[dict], seconds: float, rounds: int) -> dict:
    """Tokens/s of training Ms by fit(): rates (rounds, tasks).

    Args:
        tasks: each has `settings`, fields of MemorySettings, and `series`, a folder.
        seconds: length of a turn.
        rounds: number of turns of each task.
    """
    from WorldModels.assembly.speed.networks import fit_rates

    prepared = [_prepared(**task) for task in tasks]

    def rate(model, batch) -> float:
        return fit_rates(model, lambda step: batch, batch["mask"].size, seconds, 1)[0]

    return {"rates": [[rate(*each) for each in prepared] for _ in range(rounds)]}


def _prepared(settings: dict, series: str):
    """A compiled, untrained M, and a batch for it."""
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.series import Series
    from WorldModels.experiment.settings.memory import MemorySettings
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.kinds import build_memory
    from WorldModels.memory.training import adam_of

    s = MemorySettings(**settings)
    some = [Series.load(path) for path in list_episodes(series)[: s.batch_size]]
    batch = SeriesBatches(some, "segments", s.batch_size, s.sequence_length)[0]
    model = build_memory(s, some[0].mean.shape[1], some[0].actions.shape[1], seed=0)
    model.compile(adam_of(s, 1000))
    return model, batch


def driving(tasks: list[dict], seconds: float, rounds: int) -> dict:
    """Steps/s of driving episodes: rates (rounds, tasks).

    A car is kept on the road, whatever its driver does, because what a frame shows decides what it
    costs.

    Args:
        tasks: each has `maker`, fields of a WorldMaker, `driver`, a file, and `steps`, the most in
            an episode.
        seconds: minimum length of a turn.
        rounds: number of turns of each task.
    """
    from WorldModels.assembly.speed.measure import blocks

    drives = [_drive(**task) for task in tasks]
    return {"rates": [[blocks(drive, seconds, 1)[0] for drive in drives] for _ in range(rounds)]}


def _drive(maker: dict, driver: str, steps: int):
    """A function that drives one episode and returns its number of steps."""
    from WorldModels.assembly.speed.road import TRACK, OnTheRoad
    from WorldModels.assembly.worlds import WorldMaker
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.control.rollout import rollout

    game = game_of(maker["env"]["id"])
    world = WorldMaker(**maker | {"env": game.env_settings(**maker["env"])})()
    policy = ControllerPolicy(*Controller.load(Path(driver))[:2])
    if game.has_road:
        policy = OnTheRoad(policy, world)
    return lambda: rollout(world, policy, TRACK, steps).length
