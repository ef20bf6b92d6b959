"""Estimates how long each stage takes, from its amount of work and the machine's speed.

The constants here are known relative speeds of the stages; a game's own are in its Game. The rest
is measured on the machine in question (`measure`).
"""

from pathlib import Path
from typing import Any

from WorldModels.assembly.speed.suite import SIZE
from WorldModels.assembly.speed.suite import WORK as OPERATIONS
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.machine import cpu_has_bfloat16
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import stage_facts
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import stage_settings

# Steps/s of a stage with all its workers, over those of the official environment in as many
# processes (`benchmark`, environment and rollouts). Recording runs no network, evaluation draws the
# official frame, and at the end of a generation of the controller some workers are idle.
SPEED = {"episodes": 14.0, "controller": 8.5, "evaluation": 0.9}
# FLOP/s of a stage, as a share of those of numpy's matrix product with all threads (`benchmark`):
# with AVX512_BF16 and without.
SHARE = {"vision": (1.2, 0.45), "series": (1.1, 0.8), "memory": (0.85, 0.4)}
# MFLOP per image of training, per frame encoded, per token of training.
WORK = {
    "vision": OPERATIONS["vision"],
    "series": OPERATIONS["encoder"],
    "memory": OPERATIONS["memory"],
}
# Fixed seconds of a stage (imports, compiling, exporting, films), on a machine that runs the
# official environment at REFERENCE steps/s on one core.
START = {"episodes": 1, "vision": 12, "series": 5, "memory": 11, "controller": 5, "evaluation": 13}
REFERENCE = 200.0
# Share of the longest possible episode that is driven: in recordings that limit the time off the
# road; in training that stops hopeless episodes; in other training and in tests.
RECORDED, STOPPED, SCORED = 0.83, 0.6, 0.95
# Time of a stage relative to 64x64 pixels. With 96x96, the convolutions take more operations, and
# every step draws the official picture. With vectors, a training step costs little more than
# the call itself.
WHOLE = {"vision": 2.3, "series": 2.9, "episodes": 3.6, "controller": 3.0}
VECTORS = {"vision": 0.02, "series": 0.01}
# The same for other kinds of networks, at laptop scale (`compare`).
KIND = {
    "vae_gan": {"vision": 11.0, "series": 2.0, "memory": 6.0, "controller": 3.9},
    "transformer": {"controller": 1.3},
    "trade": {"memory": 1.1, "controller": 1.25},
    "trade:paper": {"memory": 5.5, "controller": 1.2},
}
# A VAE-GAN's training time grows with its depth, relative to the laptop scale's, to this power.
LAPTOP_DEPTH, GROWTH = 16, 1.5
# Dreams: share of the matrix product's FLOP/s; share of the longest dream, if M can end it.
DREAM_SHARE, DREAMT = 0.7, 0.6
UNKNOWN_ACTIONS = 3  # numbers in an action, if the game does not say


def amounts(experiment: Experiment, iteration: int = 0) -> dict[str, float]:
    """The amount of work in each stage of an iteration.

    Args:
        experiment: all settings.
        iteration: its number; later ones may also train on all earlier episodes.

    Returns:
        Stage -> steps of the environment, images, frames or tokens; dreams -> MFLOP.
    """
    vision, memory, iterate = experiment.vision, experiment.memory, experiment.iterate
    frames, trained = _recorded(experiment), 1 - experiment.record.held_out_share
    seen = frames * (iteration + 1 if iterate.episodes == "all" else 1)
    # A V that continues from earlier weights takes only as many steps as its own episodes need.
    epoch = (frames if iterate.networks == "previous" else seen) * trained
    passes = memory.epochs * seen * trained
    return {
        "episodes": frames,
        "vision": epoch * vision.epochs,
        "series": seen,
        "memory": passes or memory.steps * memory.batch_size * memory.sequence_length,
        "controller": _driven(experiment),
        "dreams": _dreamt(experiment),
        "evaluation": _tested(experiment),
    }


def _recorded(experiment: Experiment) -> float:
    """Steps of the recorded episodes."""
    record = experiment.record
    longest = record.max_frames * (1.0 if record.full_episode else RECORDED)
    return record.episodes * (game_of(experiment.env.id).random_steps or longest)


def _tested(experiment: Experiment) -> float:
    """Steps of the test, by the driver and the blind policies."""
    evaluate, game = experiment.evaluate, game_of(experiment.env.id)
    baselines = len(evaluate.baselines.split(",")) * evaluate.baseline_tracks
    longest = experiment.env.max_steps * SCORED
    own, others = game.driven_steps or longest, game.random_steps or longest
    return evaluate.tracks * own + baselines * others


def _driven(experiment: Experiment) -> float:
    """Steps of the real environment that the controller's evolution takes."""
    c, max_steps = experiment.controller, experiment.env.max_steps
    if c.world == "dream":
        return 0.0
    share = STOPPED if c.hopeless_steps else SCORED
    generation = c.population_size * c.rollouts * max_steps * share
    steps = c.steps or c.generations * generation
    validation = c.validation_rollouts * max_steps * SCORED
    return steps + steps / generation / c.validation_every * validation


def _dreamt(experiment: Experiment) -> float:
    """MFLOP of the dreams that the controller's evolution takes."""
    dream, m = experiment.dream, experiment.memory
    if experiment.controller.world == "real":
        return 0.0
    z, units = experiment.vision.latent_size, m.h_size
    actions = len(game_of(experiment.env.id).actions) or UNKNOWN_ACTIONS
    work = 2e-6 * (4 * units * (z + actions + units) + units * 3 * m.num_mixtures * z)
    trained = dream.population_size * dream.rollouts
    lanes = dream.generations * (trained + dream.validation_rollouts / dream.validation_every)
    share = DREAMT if m.terminated_head else 1.0
    return work * lanes * (dream.max_steps or experiment.env.max_steps) * share


def left(path: Path, experiment: Experiment, stage: str) -> float:
    """The share of a stage's work that remains.

    Args:
        path: the iteration's folder.
        experiment: all settings.
        stage: its name.

    Returns:
        From 1 to 0; 0 only if the stage is complete at the present budget.
    """
    facts, (_, budgets) = stage_facts(path, stage) or {}, stage_settings(experiment, stage)
    if experiment.force or not facts:
        return 1.0
    done = facts["budgets"]
    if facts["complete"] and all(_covers(done.get(k, 0), v) for k, v in budgets.items()):
        return 0.0
    if stage == "episodes":
        recorded = len(list((path / "episodes").glob("*.npz")))
        return 1 - min(0.99, recorded / experiment.record.episodes)
    if stage == "controller" and (rows := read_rows(path / "controller" / "generations.csv")):
        return 1 - min(0.99, _evolved(experiment, rows[-1]))
    return 1.0


def _covers(done: Any, wanted: Any) -> bool:
    """Whether a spent budget covers the wanted one; those that are not numbers must be equal."""
    try:
        return float(done) >= float(wanted)
    except ValueError:
        return done == wanted


def _evolved(experiment: Experiment, row: dict) -> float:
    """The share of the evolution that is done after a row of generations.csv."""
    c = experiment.controller
    if c.world == "dream":
        return int(row["generation"]) / experiment.dream.generations
    if c.steps:
        return int(row["frames"]) / c.steps
    return int(row["generation"]) / c.generations


def seconds(
    experiment: Experiment, steps_a_second: float, gflops: float, processes: int, iteration: int = 0
) -> dict[str, float]:
    """The seconds that each stage takes from its beginning.

    Args:
        experiment: all settings.
        steps_a_second: of the official environment, in all processes together.
        gflops: GFLOP/s of the float32 matrix product with all threads.
        processes: number of those processes.
        iteration: its number.
    """
    machine, speed = REFERENCE * processes / steps_a_second, game_of(experiment.env.id).speed
    found = {}
    for stage, amount in amounts(experiment, iteration).items():
        if stage in SPEED:
            rate = SPEED[stage] * speed.get(stage, 1.0) * steps_a_second
        elif stage == "dreams":
            rate = DREAM_SHARE * gflops * 1000
        else:
            share = SHARE[stage][0 if cpu_has_bfloat16() else 1]
            rate = share * gflops * 1000 / WORK[stage]
        found[stage] = amount * _longer(experiment, stage) / rate + START.get(stage, 0) * machine
    found["controller"] += found.pop("dreams")
    return found


def _longer(experiment: Experiment, stage: str) -> float:
    """The time of a stage relative to 64x64 pixels and the default networks."""
    env, vision, memory = experiment.env, experiment.vision, experiment.memory
    sizes = VECTORS if env.observation == "vector" else WHOLE if env.frame_size == 96 else {}
    factor = sizes.get(stage, 1.0)
    for kind in (vision.kind, memory.preset_kind):
        factor *= KIND.get(kind, {}).get(stage, 1.0)
    if (vision.kind, stage) == ("vae_gan", "vision"):
        factor *= (vision.depth / LAPTOP_DEPTH) ** GROWTH
    return factor


def measure(processes: int) -> tuple[float, float]:
    """Measure this machine's speed, in about five seconds.

    Returns:
        Steps/s of the official environment in this many processes at once, and GFLOP/s of the
        matrix product.
    """
    from concurrent.futures import ThreadPoolExecutor
    from statistics import median

    from WorldModels.assembly.speed.measure import measured

    product = measured("matrix_product", size=SIZE, seconds=0.3, repeats=3)
    how = {"seconds": 1, "repeats": 1, "steps": 300, "renderers": ["official"]}
    with ThreadPoolExecutor(processes) as pool:
        drives = [pool.submit(measured, "environment", True, **how) for _ in range(processes)]
        steps = sum(drive.result()["rates"]["official"][0] for drive in drives)
    return steps, median(product["rates"]) * product["work"]
