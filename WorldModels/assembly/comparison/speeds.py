"""Measures how fast the contestants' Ms train, and how fast they drive.

The contestants take turns in one process. The machine may be busy with other things, so rates from
one sitting can be compared with each other, but not with those from another.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from WorldModels.assembly.comparison.contestants import Contestant
from WorldModels.assembly.comparison.facts import kept
from WorldModels.assembly.speed.measure import measured
from WorldModels.experiment.choice import TRAINS_IN
from WorldModels.experiment.fields import plain
from WorldModels.experiment.files import hash_files
from WorldModels.experiment.stages import stage_facts

ROUNDS = 3  # turns of each contestant; their median counts
SECONDS = 1.0  # length of a turn


def speed_facts(
    contestants: Sequence[Contestant], noun: str, file: Path, quick: bool
) -> dict[str, dict]:
    """Speeds of all contestants, measured in turns in one sitting.

    All are measured again when one of them joins or changes.

    Args:
        contestants: those that are complete.
        noun: a key of NOUNS; for memories, training is measured too.
        file: where the speeds are kept.
        quick: measure only for a moment; the numbers mean little.

    Returns:
        kind -> driving, steps/s of the environment with perception and driver on one core, and
        training, tokens/s. A measurement that failed is missing.
    """
    names = [contestant.kind.name for contestant in contestants]

    def make() -> dict:
        found = {"driving": driving(contestants, quick)}
        if noun == "memory":
            found["training"] = training(contestants, quick)
        by_kind = {
            name: {what: rates[i] for what, rates in found.items() if rates}
            for i, name in enumerate(names)
        }
        return {"speeds": by_kind}

    made_with = {
        contestant.kind.name: hash_files(
            [contestant.path / "vision.keras", contestant.path / "memory.keras"]
        )
        for contestant in contestants
    }
    return kept(file, made_with, make)["speeds"]


def training(contestants: Sequence[Contestant], quick: bool) -> list[float] | None:
    """Tokens/s of training each contestant's M; None if the measurement failed.

    fit() trains M on segments, as many per batch and as long as the settings say, in the dtype that
    M trained in.
    """
    tasks = []
    for contestant in contestants:
        choice = (stage_facts(contestant.path, "memory") or {}).get(TRAINS_IN, {})
        settings = plain(contestant.experiment.memory) | choice
        tasks.append({"settings": settings, "series": str(contestant.path / "series")})
    return _medians("training", tasks, quick)


def driving(contestants: Sequence[Contestant], quick: bool) -> list[float] | None:
    """Steps/s of the environment, V, M and C together on one core; None if that failed."""
    tasks = [_drive(contestant, quick) for contestant in contestants]
    return _medians("driving", tasks, quick, one_thread=True)


def _drive(contestant: Contestant, quick: bool) -> dict:
    """A contestant's task for turns.driving."""
    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.controller import Controller

    folder, env = contestant.path / "controller", contestant.experiment.env
    files = (folder / name for name in ("best.npz", "mean.npz"))
    file = next(path for path in files if path.exists())
    shape = Controller.load(file)[0]
    maker = real_world(contestant.path, env, features=shape.features, latent=shape.latent)
    steps = 40 if quick else env.max_steps
    return {"maker": asdict(maker), "driver": str(file), "steps": steps}


def _medians(measure: str, tasks: list[dict], quick: bool, **how) -> list[float] | None:
    timing = {"seconds": 0.0 if quick else SECONDS, "rounds": 1 if quick else ROUNDS}
    try:
        rates = measured(measure, tasks=tasks, **timing, **how)["rates"]
    except RuntimeError:
        return None
    return np.median(rates, axis=0).tolist()
