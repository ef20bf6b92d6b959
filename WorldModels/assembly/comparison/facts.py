"""What is measured of a row: its M, its V, its driver; whatever takes time is kept beside the row
until the row is another.

Gives plain numbers by name. Knows which file lies where, and what a network promises.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from WorldModels.assembly.comparison.rows import Row, tested
from WorldModels.experiment.files import hash_files, read_json, read_rows, write_json

# Columns of the last row of memory.csv, and what they are called here.
NLL = {
    "val_nll": "held_out",
    "copy_previous_nll": "copy_previous",
    "static_nll": "static",
    "unconditional_nll": "unconditional",
}
SHOWN_FRAMES = 10  # held-out frames in the picture of visions


def kept(file: Path, made_with: dict, make: Callable[[], dict]) -> dict:
    """What `make` gives, made once: read from a JSON file as long as it was made with the same."""
    there = read_json(file)
    if not there or there["made_with"] != made_with:
        there = {"made_with": made_with, **make()}
        write_json(file, there)
    return there


def memory_facts(row: Row) -> dict:
    """Of the row's M: parameters; nll, in nats a dimension of held-out latents, beside what it must
    beat; horizon, see
    evaluation.truth.horizon_errors (None where no held-out episode is long enough)."""
    last = (read_rows(row.path / "memory.csv") or [{}])[-1]
    nll = {name: float(last[column]) for column, name in NLL.items() if last.get(column)}

    def make() -> dict:
        from WorldModels.assembly.evaluation.truth import horizon_errors
        from WorldModels.assembly.models import load_memory

        memory = load_memory(row.path / "memory.keras")
        with row.open("compare") as run:
            horizon = horizon_errors(run)
        return {"parameters": num_parameters(memory), "horizon": horizon} | (
            {} if "unconditional" in nll else _unconditional(row, memory)
        )

    facts = kept(
        row.path / "compare" / "memory.json",
        {"memory": hash_files([row.path / "memory.keras"])},
        make,
    )
    nll |= {"unconditional": facts["unconditional"]} if "unconditional" in facts else {}
    return {"parameters": facts["parameters"], "nll": nll, "horizon": facts["horizon"]}


def _unconditional(row: Row, memory) -> dict:
    """The baseline that a memory.csv of an earlier version lacks."""
    from WorldModels.train_memory import held_out_batches, split_series, unconditional

    with row.open("train_memory") as run:
        training, held_out = split_series(run)
        if not held_out:
            return {}
        found = unconditional(run, memory, training, held_out_batches(run, held_out))
    return {NLL[column]: value for column, value in found.items()}


def num_parameters(model) -> int:
    """Numbers that training moves."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def vision_facts(row: Row) -> dict:
    """Of the row's V, on held-out frames: parameters; squared_error, summed over a frame; ssim; and
    the last row of vision.csv.
    """

    def make() -> dict:
        from WorldModels.assembly.models import load_vision
        from WorldModels.assembly.opening import open_reconstruction
        from WorldModels.vision.quality import ssim

        frames = held_out_frames(row)
        seen, shown = open_reconstruction(row.path)(frames), frames.astype(np.float32) / 255
        error = np.square(seen - shown).sum(axis=(1, 2, 3), dtype=np.float64).mean()
        return {
            "parameters": num_parameters(load_vision(row.path / "vision.keras")),
            "frames": len(frames),
            "squared_error": float(error),
            "ssim": float(ssim(shown, seen).mean()),
        }

    facts = kept(
        row.path / "compare" / "vision.json",
        {"vision": hash_files([row.path / "vision.keras"])},
        make,
    )
    last = (read_rows(row.path / "vision.csv") or [{}])[-1]
    history = {
        name: float(value)
        for name, value in last.items()
        if name.startswith(("val_", "fake_")) and value
    }
    return {name: facts[name] for name in ("parameters", "frames", "squared_error", "ssim")} | {
        "history": history
    }


def held_out_frames(row: Row, most: int = 0) -> np.ndarray:
    """Frames (N, H, W, 3) uint8 that the row's V was not trained on, spread evenly; at most `most`,
    or --vision.max-validation-frames.

    Raises:
        ValueError: nothing was held out.
    """
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.frames import held_out, spread_frames

    settings = row.experiment.vision
    validation = held_out(list_episodes(row.path / "episodes"), settings.validation_share)[1]
    return spread_frames(validation, most or settings.max_validation_frames)


def picture_of(row: Row) -> np.ndarray:
    """What the row's V makes of SHOWN_FRAMES held-out frames: (N, H, W, 3) float32 in 0..1."""
    from WorldModels.assembly.opening import open_reconstruction

    return open_reconstruction(row.path)(held_out_frames(row, SHOWN_FRAMES))


def driver_facts(row: Row, tracks: int) -> dict:
    """Of the row's driver: what figures.scores.summary gives of its returns on test tracks, frames
    and generations that it was
    evolved on, whose mean it is, and its curve: frames, and the validation score of the mean then;
    of every generation the
    frames and the mean return of its drivers."""
    from WorldModels.figures.scores import summary

    rows = read_rows(row.path / "controller" / "generations.csv")
    scored = [r for r in rows if r["validation"]]
    curve = {
        "frames": [int(r["frames"]) for r in scored],
        "validation": [float(r["validation"]) for r in scored],
        "population": [[int(r["frames"]), float(r["mean"])] for r in rows],
    }
    best = max(scored, key=lambda r: float(r["validation"]), default=None)
    returns = tested(row, tracks)
    return summary(returns) | {
        "tracks": returns,
        "frames": int(rows[-1]["frames"]),
        "generations": int(rows[-1]["generation"]),
        "best_generation": int(best["generation"]) if best else None,
        "minutes": float(rows[-1]["elapsed_seconds"]) / 60,
        "curve": curve,
    }


def speed_facts(rows: list[Row], noun: str, file: Path, quick: bool) -> dict[str, dict]:
    """Speeds of the rows, all measured in one sitting and in turns; again for all where one has
    joined or changed.

    Args:
        rows: those that are whole.
        noun: of memories the training is measured too.
        file: where the speeds are kept.
        quick: for a moment only: the numbers say little.

    Returns:
        kind -> driving, steps/s of the environment with perception and driver on one core, and
        training, tokens/s; a measure
        that failed is missing.
    """
    names = [row.kind.name for row in rows]
    made_with = {
        row.kind.name: hash_files([row.path / "vision.keras", row.path / "memory.keras"])
        for row in rows
    }

    def make() -> dict:
        from WorldModels.assembly.comparison import speeds

        measures = [speeds.measure_driving, *[speeds.measure_training] * (noun == "memory")]
        found = {
            measure.__name__.removeprefix("measure_"): measure(rows, quick) for measure in measures
        }
        return {
            "speeds": {
                name: {what: rates[i] for what, rates in found.items() if rates}
                for i, name in enumerate(names)
            }
        }

    return kept(file, made_with, make)["speeds"]
