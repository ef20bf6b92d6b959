"""Tries a run's own networks, and what its search and test do beside playing; see measure.py."""

import importlib
import time

from WorldModels.assembly.speed.trial import memory, search, vision
from WorldModels.assembly.speed.trial.small_run import SmallRun, timed
from WorldModels.experiment.command import parse
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stored import with_values


def own_networks(
    folder: str, settings: dict, plan: dict, stages: list[str], seconds: float, spawned: float
) -> dict:
    """Try them in a small run, which then has what workers open, untrained.

    Args:
        folder: an empty one, for the small run.
        settings: of the run that is tried, plain values by dotted name.
        plan: see SmallRun.
        stages: those whose work is timed.
        seconds: how long to repeat what can be repeated.
        spawned: time.time() when this process was started.

    Returns:
        paces: kind of work -> [once, each], see paces.Trial; memory_epoch: the steps in an epoch of
        M's training in each iteration.
    """
    experiment, own, epochs = with_values(Experiment(), settings), {}, []
    parse("estimate", [experiment.name, "--scale", experiment.scale, "--results", folder])
    start = time.time() - spawned
    keras = timed(lambda: importlib.import_module("WorldModels.assembly.models"))
    run = Run(experiment, "estimate")
    small = SmallRun(run, plan, seconds)
    small.paces |= {"start": [start, 0.0], "keras": [keras, 0.0]}
    own["vision"] = vision.try_vision(small) if "vision" in stages else None
    vision.write_vision(small, own["vision"])
    if "series" in stages:
        vision.try_series(small)
    if "memory" in stages:
        own["memory"], epochs = memory.try_memory(small)
    memory.write_memory(small, own.get("memory"))
    for name, tried in (
        ("controller", search.try_generation),
        ("controller", search.try_dream if experiment.controller.world != "real" else None),
        ("evaluation", search.try_films),
    ):
        small.paces |= tried(run) if tried and name in stages else {}
    run.close()
    return {"paces": small.paces, "memory_epoch": epochs}
