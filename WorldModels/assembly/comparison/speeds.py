"""How fast the rows are: training of M, and driving; measured in processes of their own (see
measure.py), in turns.

Machines do other things too: numbers of one sitting can be compared with each other, those of two
can not.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from WorldModels.assembly.comparison.rows import Row
from WorldModels.assembly.speed.measure import measured
from WorldModels.experiment.fields import plain

ROUNDS = 3  # turns; the median of a row's counts
SECONDS = 1.0  # of a row in a turn


def measure_training(rows: list[Row], quick: bool) -> list[float] | None:
    """Tokens/s of training each row's M by fit(), on segments of the settings' number and length;
    None where it could not be measured.
    """
    tasks = [
        {"settings": plain(row.experiment.memory), "series": str(row.path / "series")}
        for row in rows
    ]
    return _medians("training", tasks, quick)


def measure_driving(rows: list[Row], quick: bool) -> list[float] | None:
    """Steps/s of each row's driver on one core: environment, V, M and C; None where it could not be
    measured.
    """
    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.controller import Controller

    tasks = []
    for row in rows:
        file = next(
            path
            for name in ("best.npz", "mean.npz")
            if (path := row.path / "controller" / name).exists()
        )
        shape = Controller.load(file)[0]
        maker = real_world(
            row.path, row.experiment.env, features=shape.features, latent=shape.latent
        )
        tasks.append(
            {
                "maker": asdict(maker),
                "driver": str(file),
                "steps": 40 if quick else row.experiment.env.max_steps,
            }
        )
    return _medians("driving", tasks, quick, one_thread=True)


def _medians(measure: str, tasks: list[dict], quick: bool, **how) -> list[float] | None:
    timing = {"seconds": 0.0 if quick else SECONDS, "rounds": 1 if quick else ROUNDS}
    try:
        return np.median(measured(measure, tasks=tasks, **timing, **how)["rates"], axis=0).tolist()
    except RuntimeError:
        return None


def training(tasks: list[dict], seconds: float, rounds: int) -> dict:
    """Tokens/s of fit(), a row a turn: rates (rounds, tasks); each task names MemorySettings and a
    folder of series.
    """
    from WorldModels.assembly.speed.networks import fit_rates

    prepared = [_prepared(**task) for task in tasks]
    return {
        "rates": [
            [
                fit_rates(model, lambda step, batch=batch: batch, batch["mask"].size, seconds, 1)[0]
                for model, batch in prepared
            ]
            for _ in range(rounds)
        ]
    }


def _prepared(settings: dict, series: str):
    """A compiled M, untrained, and a batch of whole rows for it."""
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.series import Series
    from WorldModels.experiment.machine import cpu_has_bfloat16
    from WorldModels.experiment.settings.memory import MemorySettings
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.kinds import build_memory
    from WorldModels.memory.optimizer import adam_of

    s = MemorySettings(**settings)
    dtype = s.dtype if s.dtype != "auto" else "mixed_bfloat16" if cpu_has_bfloat16() else "float32"
    some = [Series.load(path) for path in list_episodes(series)[: s.batch_size]]
    batch = SeriesBatches(some, "segments", s.batch_size, s.sequence_length)[0]
    model = build_memory(s, some[0].mean.shape[1], some[0].actions.shape[1], 0, dtype)
    model.compile(adam_of(s, 1000))
    return model, batch


def driving(tasks: list[dict], seconds: float, rounds: int) -> dict:
    """Steps/s of episodes, a row a turn: rates (rounds, tasks); each task names the fields of a
    WorldMaker, a driver and steps.

    A car is kept on the road, whatever its driver says, since what a picture costs depends on what
    is in it.
    """
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.assembly.speed.worlds import TRACK, OnTheRoad
    from WorldModels.assembly.worlds import WorldMaker
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.control.rollout import rollout

    def episodes(maker: dict, driver: str, steps: int):
        world, policy = WorldMaker(**maker)(), ControllerPolicy(*Controller.load(Path(driver))[:2])
        if maker["id"].startswith("CarRacing"):
            policy = OnTheRoad(policy, world)
        return lambda: rollout(world, policy, TRACK, steps).length

    drives = [episodes(**task) for task in tasks]
    return {"rates": [[blocks(drive, seconds, 1)[0] for drive in drives] for _ in range(rounds)]}
