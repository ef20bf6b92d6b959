"""The learning curve of a driver evolved in a dream: does it also get better at the game?

Means kept during evolution play real games, on seeds of their own. The curve is only shown; no
driver is chosen by it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from WorldModels.experiment.damage import checks
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import stage_facts
from WorldModels.experiment.settings.experiment import Experiment

MOST = 10  # generations that play, evenly spaced


def world_of(folder: Path, experiment: Experiment) -> str:
    """The world in which the driver in an iteration's folder was evolved, or will be.

    Returns:
        "real", "dream" or "mixed" (first in the dream, then in the real world).
    """
    facts = stage_facts(folder, "controller")
    if not facts:
        return experiment.controller.world
    return facts["settings"].get("controller", {}).get("world", "real")


def evolved_in(folder: Path, experiment: Experiment) -> Path:
    """The folder of the evolution in the dream, within an iteration's folder."""
    mixed = world_of(folder, experiment) == "mixed"
    return folder / "controller" / ("dream" if mixed else "")


def kept_means(folder: Path) -> dict[str, Path]:
    """Generation -> file, for at most MOST kept means of an evolution, including the last.

    Where there are more, those that were validated come first: their curve has both worlds.

    Raises:
        ValueError: one of them is damaged.
    """
    from WorldModels.control.controller import Controller

    kept = {
        int(path.stem): path for path in folder.glob("generations/*.npz") if path.stem.isdigit()
    }
    if (folder / "mean.npz").exists():
        _, _, facts = Controller.load(folder / "mean.npz")
        kept.setdefault(int(facts.get("generation", 0)), folder / "mean.npz")
    generations = sorted(kept)
    if len(kept) > MOST and (both := sorted(kept.keys() & _validations(folder).keys())):
        generations = sorted({*both, generations[-1]})
    spread = np.linspace(0, len(generations) - 1, min(MOST, len(generations)))
    places = np.unique(spread.round().astype(int))
    check = checks(folder)
    for i in places:
        check(kept[generations[i]])
    return {str(generations[i]): kept[generations[i]] for i in places}


def curve(folder: Path, returns: Mapping[str, list[float]]) -> list[dict]:
    """The score of each generation in real games, beside its validation in the dream.

    Args:
        folder: of the evolution.
        returns: generation -> returns of its real games.

    Returns:
        For each generation: generation, real (see figures.scores.summary), dream and dream_sd; the
        last two are None if it was not validated.
    """
    from WorldModels.figures.scores import summary

    validated, points = _validations(folder), []
    for generation, real in returns.items():
        row = validated.get(int(generation), {})
        points.append(
            {
                "generation": int(generation),
                "real": summary(real),
                "dream": _number(row.get("validation")),
                "dream_sd": _number(row.get("validation_sd")),
            }
        )
    return points


def _validations(folder: Path) -> dict[int, dict[str, str]]:
    """Generation -> its row of generations.csv, if it was validated."""
    rows = read_rows(folder / "generations.csv", ("generation",))
    return {int(row["generation"]): row for row in rows if row.get("validation")}


def _number(text: str | None) -> float | None:
    return float(text) if text else None
