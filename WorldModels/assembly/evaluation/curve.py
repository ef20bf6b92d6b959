"""The learning curve of a driver evolved in a dream: does what it gains there carry over to the
game?

The means that were kept on the way play real games on seeds of their own; the curve chooses
nothing. Knows the files of an
evolution (control/generations.py) by name.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from WorldModels.experiment.files import read_rows
from WorldModels.experiment.run import Run, stage_facts

MOST = 10  # generations that play, spread evenly


def world_of(run: Run) -> str:
    """Where the run's driver was evolved: "real", "dream", or "mixed": in the dream and then on in
    the real world.
    """
    facts = stage_facts(run.path, "controller")
    return (
        facts["settings"].get("controller", {}).get("world", "real")
        if facts
        else run.experiment.controller.world
    )


def evolved_in(run: Run) -> Path:
    """The folder of the evolution in the dream."""
    return run.path / "controller" / ("dream" if world_of(run) == "mixed" else "")


def kept_means(folder: Path) -> dict[str, Path]:
    """Generation -> file, of at most MOST of the kept means of an evolution, the first and the last
    included.
    """
    from WorldModels.control.controller import Controller

    kept = {
        int(path.stem): path for path in folder.glob("generations/*.npz") if path.stem.isdigit()
    }
    if (folder / "mean.npz").exists():
        _, _, facts = Controller.load(folder / "mean.npz")
        kept.setdefault(int(facts.get("generation", 0)), folder / "mean.npz")
    generations = sorted(kept)
    places = np.unique(
        np.linspace(0, len(generations) - 1, min(MOST, len(generations))).round().astype(int)
    )
    return {str(generations[i]): kept[generations[i]] for i in places}


def curve(folder: Path, returns: Mapping[str, list[float]]) -> list[dict]:
    """Each generation's real games beside its validation in the dream.

    Args:
        folder: of the evolution.
        returns: generation -> returns of its real games.

    Returns:
        Of each: generation, real (see figures.scores.summary), dream and dream_sd, None where it
        was not validated.
    """
    from WorldModels.figures.scores import summary

    scored = {
        int(row["generation"]): row
        for row in read_rows(folder / "generations.csv")
        if row.get("validation")
    }
    points = []
    for generation, real in returns.items():
        row = scored.get(int(generation), {})
        points.append(
            {
                "generation": int(generation),
                "real": summary(real),
                "dream": _number(row.get("validation")),
                "dream_sd": _number(row.get("validation_sd")),
            }
        )
    return points


def _number(text: str | None) -> float | None:
    return float(text) if text else None
