"""The settings of a run that lies in a folder, read back from its config.json. Knows no environment
and no network.
"""

import dataclasses
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import pairs
from WorldModels.experiment.files import read_json
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.presets import SCALES, preset
from WorldModels.experiment.settings.experiment import Experiment


def stored_experiment(folder: str | Path) -> Experiment:
    """The settings of the verb that wrote in a run's folder last; what a file of an earlier version
    lacks is as in its preset.

    Raises:
        FileNotFoundError: there is no run in the folder.
        ValueError: config.json is damaged, or of an unknown experiment.
    """
    path = Path(folder) / "config.json"
    stored = read_json(path)
    if stored is None:
        raise FileNotFoundError(
            f"{path} is missing: expected the folder of a run; make one: python -m WorldModels.record carracing"
        )
    stored = stored if isinstance(stored, dict) else {}
    if stored.get("name") not in GAMES or stored.get("scale") not in SCALES:
        raise ValueError(
            f"{path}: expected an experiment among {', '.join(GAMES)}, received {stored.get('name')!r}."
        )
    try:
        return _filled(preset(stored["name"], stored["scale"]), stored)
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected the settings of a run, received a damaged file ({error}); record or train again."
        ) from None


def typed(experiment: Experiment) -> list[str]:
    """What to type after a verb to have these settings: name, scale, and a flag for each that
    differs from their preset.
    """
    kinds = {"vision": experiment.vision.kind, "memory": experiment.memory.preset_kind}
    words = [experiment.name, "--scale", experiment.scale]
    for name, field, mine, default in pairs(
        experiment, preset(experiment.name, experiment.scale, kinds)
    ):
        if mine != default and field.metadata["role"] != "free":
            words += _flag(name, mine)
    return words


def _flag(name: str, value: Any) -> list[str]:
    if value is False:
        noun, dot, last = name.rpartition(".")
        name = f"{noun}{dot}no-{last}"
    values = () if isinstance(value, bool) else value if isinstance(value, tuple) else (value,)
    return [f"--{name}".replace("_", "-"), *map(str, values)]


def _filled(default: Any, stored: dict) -> Any:
    """A dataclass with the stored values for those of its fields that are stored."""
    changes = {}
    for field in dataclasses.fields(default):
        if field.name in stored:
            here = getattr(default, field.name)
            changes[field.name] = (
                _filled(here, stored[field.name])
                if dataclasses.is_dataclass(here)
                else _as(here, stored[field.name])
            )
    return dataclasses.replace(default, **changes)


def _as(here: Any, value: Any) -> Any:
    # JSON knows no tuple, and an infinite number is written as its name.
    if isinstance(here, tuple):
        return tuple(value)
    return float(value) if isinstance(here, float) else value
