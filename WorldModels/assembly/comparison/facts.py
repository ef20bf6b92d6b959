"""Measures a contestant's M, V and driver, as plain numbers by name.

Slow measurements are kept in the contestant's folder until its files change.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from WorldModels.assembly.comparison.contestants import Contestant
from WorldModels.assembly.weights import num_parameters
from WorldModels.experiment.draws import rng
from WorldModels.experiment.files import hash_files, read_json, write_json
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.rows import read_rows

# Column of memory.csv -> its name here.
NLL = {
    "val_nll": "held_out",
    "copy_previous_nll": "copy_previous",
    "static_nll": "static",
    "unconditional_nll": "unconditional",
}
SHOWN_FRAMES = 10  # held-out frames in the picture that compares Vs


def kept(file: Path, made_with: dict, make: Callable[[], dict]) -> dict:
    """What `make` returns, cached in a JSON file for as long as `made_with` stays the same."""
    there = read_json(file)
    if not there or there["made_with"] != made_with:
        there = {"made_with": made_with, **make()}
        write_json(file, there)
    return there


def memory_facts(contestant: Contestant) -> dict:
    """The facts of a contestant's M.

    Returns:
        parameters; nll, M's and the baselines', in nats per dimension of held-out latents;
        horizon, see evaluation.truth.horizon_errors.
    """
    path = contestant.path
    nll = {name: float(value) for name, value in _last_row(path / "memory.csv", NLL).items()}

    def make() -> dict:
        from WorldModels.assembly.models import load_memory

        memory = load_memory(path / "memory.keras")
        horizon = _horizon(contestant)
        found = {} if "unconditional" in nll else _unconditional(contestant, memory)
        return {"parameters": num_parameters(memory), "horizon": horizon} | found

    made_with = {"memory": hash_files([path / "memory.keras"])}
    facts = kept(path / "compare" / "memory.json", made_with, make)
    nll |= {"unconditional": facts["unconditional"]} if "unconditional" in facts else {}
    return {"parameters": facts["parameters"], "nll": nll, "horizon": facts["horizon"]}


def _last_row(file: Path, names: dict[str, str]) -> dict[str, str]:
    """The columns in `names` that have a value in the last row of a CSV, renamed."""
    last = (read_rows(file) or [{}])[-1]
    return {name: last[column] for column, name in names.items() if last.get(column)}


def _horizon(contestant: Contestant) -> dict | None:
    from WorldModels.assembly.evaluation.truth import held_out_series, horizon_errors

    with contestant.open("compare") as run:
        series = held_out_series(run.path, run.experiment)
        return horizon_errors(run.path, series, run.rng)


def _unconditional(contestant: Contestant, memory) -> dict:
    """The baseline that an earlier version's memory.csv lacks, with train_memory's random draws."""
    from WorldModels.episodes.series import read_split
    from WorldModels.memory.baselines import held_out_batches, unconditional

    experiment = contestant.experiment
    training, held_out = read_split(contestant.path, experiment)
    if not held_out:
        return {}

    def seed(purpose: str) -> int:
        return int(rng(experiment.seed, "train_memory", purpose, 0).integers(2**30))

    batches = held_out_batches(held_out, seed("held-out noise"))
    found = unconditional(memory, training, batches, seed("without inputs"))
    return {NLL[column]: value for column, value in found.items()}


def vision_facts(contestant: Contestant) -> dict:
    """The facts of a contestant's V on held-out frames.

    Returns:
        parameters; frames, their number; squared_error, summed over a frame; ssim; history, from
        the last row of vision.csv.
    """
    path = contestant.path
    made_with = {"vision": hash_files([path / "vision.keras"])}
    facts = kept(path / "compare" / "vision.json", made_with, lambda: _quality(contestant))
    last = (read_rows(path / "vision.csv") or [{}])[-1]
    history = {
        name: float(value)
        for name, value in last.items()
        if name.startswith(("val_", "fake_")) and value
    }
    names = ("parameters", "frames", "squared_error", "ssim")
    return {name: facts[name] for name in names} | {"history": history}


def _quality(contestant: Contestant) -> dict:
    from WorldModels.assembly.models import load_vision
    from WorldModels.assembly.opening import open_reconstruction
    from WorldModels.vision.quality import ssim

    frames = held_out_frames(contestant)
    real = frames.astype(np.float32) / 255
    reconstructed = open_reconstruction(contestant.path)(frames)
    error = np.square(reconstructed - real).sum(axis=(1, 2, 3), dtype=np.float64).mean()
    return {
        "parameters": num_parameters(load_vision(contestant.path / "vision.keras")),
        "frames": len(frames),
        "squared_error": float(error),
        "ssim": float(ssim(real, reconstructed).mean()),
    }


def held_out_frames(contestant: Contestant, most: int = 0) -> np.ndarray:
    """Evenly spaced frames (N, H, W, 3) uint8 that the contestant's V was not trained on.

    Args:
        contestant: one with a V.
        most: the most frames; 0: --vision.max-validation-frames.

    Raises:
        ValueError: nothing was held out.
    """
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.frames import spread_frames
    from WorldModels.episodes.split import older_share, split

    path, experiment = contestant.path, contestant.experiment
    older = older_share(path, "vision")
    validation = split(list_episodes(path / "episodes"), path, "vision", experiment, older)[1]
    return spread_frames(validation, most or experiment.vision.max_validation_frames)


def picture_of(contestant: Contestant) -> np.ndarray:
    """SHOWN_FRAMES held-out frames as V reconstructs them: (N, H, W, 3) float32 in 0..1."""
    from WorldModels.assembly.opening import open_reconstruction

    return open_reconstruction(contestant.path)(held_out_frames(contestant, SHOWN_FRAMES))


def driver_facts(contestant: Contestant, tracks: int) -> dict:
    """The facts of a contestant's driver.

    Returns:
        figures.scores.summary of its returns on test tracks; tracks, those returns; the frames,
        generations and minutes of its evolution; best_generation, whose mean drives; curve.
        The curve has frames and validation of the validated generations, and population, the
        frames and mean return of every generation.
    """
    from WorldModels.figures.scores import summary

    rows = read_rows(contestant.path / "controller" / "generations.csv")
    validated = [row for row in rows if row["validation"]]
    best = max(validated, key=lambda row: float(row["validation"]), default=None)
    returns = tested(contestant, tracks)
    return summary(returns) | {
        "tracks": returns,
        "frames": int(rows[-1]["frames"]),
        "generations": int(rows[-1]["generation"]),
        "best_generation": int(best["generation"]) if best else None,
        "minutes": float(rows[-1]["elapsed_seconds"]) / 60,
        "curve": {
            "frames": [int(row["frames"]) for row in validated],
            "validation": [float(row["validation"]) for row in validated],
            "population": [[int(row["frames"]), float(row["mean"])] for row in rows],
        },
    }


def tested(contestant: Contestant, tracks: int) -> list[float]:
    """Returns of a contestant's driver on test tracks, under the rule in force.

    The tracks played no part in training or choosing the driver. Each is driven only once; its
    result is kept.

    Args:
        contestant: one with a driver.
        tracks: how many.
    """
    from WorldModels.assembly.evaluation.examination import examine
    from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
    from WorldModels.assembly.worlds import controller_file

    with contestant.open("compare") as run:
        env, file = run.experiment.env, controller_file(run)
        files = [file, run.path / "vision.keras", run.path / "memory.keras"]
        folder = run.path / "compare" / f"driver-{hash_files(files)[:12]}"  # one for each driver
        wanted = [("tracks", DRIVER, number) for number in range(tracks)]
        how = {"workers": run.experiment.workers, "say": run.say, "label": run.verb}
        rows = examine(Examiner(run.path, env, {DRIVER: file}), wanted, folder, **how)
    column = f"return{game_of(env.id).rules[env.rule]}"
    return [float(rows[key][column]) for key in wanted]
