"""How long an experiment will take on this machine: measures it for a few seconds, and counts the
work that is left.

    python -m WorldModels.estimate carracing                 # laptop scale
    python -m WorldModels.estimate carracing --scale paper --controller.generations 300

Says minutes a stage and in all, of all iterations where --iterations asks for several. A stage that
is complete at the
present budget counts nothing, one that is under way only the rest. What it knows of the stages'
speeds is in the constants
below; all else is measured here and now.
"""

from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import read_rows
from WorldModels.experiment.machine import cpu_has_bfloat16
from WorldModels.experiment.run import Run, stage_facts
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import stage_settings

# Steps/s of a stage with all its workers : the official environment's with as many processes
# (`benchmark`, environment
# and rollouts). Recording looks through no network; evaluation draws the official frame; the
# controller's has something
# taken off for generations whose last episodes leave workers idle.
SPEED = {"episodes": 14.0, "controller": 8.5, "evaluation": 0.9}
# Work done, as a share of numpy's matrix product with all threads (`benchmark`): with AVX512_BF16
# and without.
SHARE = {"vision": (1.2, 0.45), "series": (1.1, 0.8), "memory": (0.85, 0.4)}
# MFLOP an image trained on, a frame encoded, a token trained on (`benchmark`).
WORK = {"vision": 230.0, "series": 29.6, "memory": 2.5}
# Seconds of a stage whatever its size, on a machine whose official environment gives 200 steps/s on
# one core: imports,
# compiling, exporting, films.
START = {"episodes": 1, "vision": 12, "series": 5, "memory": 11, "controller": 5, "evaluation": 13}
REFERENCE = 200.0  # steps/s
# Share of the longest possible episode that is driven: while recording with a limit off the road,
# in training where the
# hopeless are stopped, and in training else and by a driver that is being scored.
RECORDED, STOPPED, SCORED = 0.83, 0.6, 0.95


# Take Cover against CarRacing: its steps are so many times faster, while recording and with V and M
# in the loop, and a
# game is so long: of who plays at random, and of who was evolved.
DOOM_SPEED = {"episodes": 2.0, "controller": 1.2, "evaluation": 11.0}
# How many times as long as with 64x64 pixels: with 96x96 by the convolutions' operations, and as
# the official picture is drawn at
# each step; with vectors a step of training costs little more than its call.
WHOLE = {"vision": 2.3, "series": 2.9, "episodes": 3.6, "controller": 3.0}
VECTORS = {"vision": 0.02, "series": 0.01}
# The same with other kinds of networks as the laptop scale has them (`compare`); a VAE-GAN's
# training grows with its depth.
KIND = {
    "vae_gan": {"vision": 11.0, "series": 2.0, "memory": 6.0, "controller": 3.9},
    "transformer": {"controller": 1.3},
    "trade": {"memory": 1.1, "controller": 1.25},
    "trade:paper": {"memory": 5.5, "controller": 1.2},
}
LAPTOP_DEPTH, GROWTH = 16, 1.5
RANDOM_GAME, DRIVEN_GAME = 280, 700  # steps
# A dream's lane-steps: share of the limit, and of the longest dream that lanes live for where M
# ends it.
DREAM_SHARE, DREAMT = 0.7, 0.6


def amounts(experiment: Experiment, iteration: int = 0) -> dict[str, float]:
    """How much each stage of an iteration has to do: steps of the environment, images, frames,
    tokens, MFLOP of dreams.
    """
    record, vision, memory, evaluate = (
        experiment.record,
        experiment.vision,
        experiment.memory,
        experiment.evaluate,
    )
    doom = experiment.env.id == "TakeCover"
    frames = record.episodes * (
        RANDOM_GAME if doom else record.max_frames * (1.0 if record.full_episode else RECORDED)
    )
    seen = frames * (iteration + 1 if experiment.iterate.episodes == "all" else 1)
    # A V that goes on takes the steps that the iteration's own episodes would.
    epoch = (frames if experiment.iterate.networks == "previous" else seen) * (
        1 - vision.validation_share
    )
    passes, chosen = (
        memory.epochs * seen * (1 - memory.validation_share),
        memory.steps * memory.batch_size * memory.sequence_length,
    )
    baselines = len(evaluate.baselines.split(",")) * evaluate.baseline_tracks
    scored = experiment.env.max_steps * SCORED
    tested = evaluate.tracks * (DRIVEN_GAME if doom else scored) + baselines * (
        RANDOM_GAME if doom else scored
    )
    return {
        "episodes": frames,
        "vision": epoch * vision.epochs,
        "series": seen,
        "memory": passes or chosen,
        **_evolution(experiment),
        "evaluation": tested,
    }


def _evolution(experiment: Experiment) -> dict[str, float]:
    """Steps of the environment, and MFLOP of dreams, that the controller takes."""
    c, dream, m, max_steps = (
        experiment.controller,
        experiment.dream,
        experiment.memory,
        experiment.env.max_steps,
    )
    found = {"controller": 0.0, "dreams": 0.0}
    if c.world != "dream":
        generation = (
            c.population_size * c.rollouts * max_steps * (STOPPED if c.hopeless_steps else SCORED)
        )
        steps = c.steps or c.generations * generation
        found["controller"] = (
            steps
            + steps / generation / c.validation_every * c.validation_rollouts * max_steps * SCORED
        )
    if c.world != "real":
        z, units = experiment.vision.latent_size, m.h_size
        work = 2e-6 * (4 * units * (z + 3 + units) + units * 3 * m.num_mixtures * z)
        lanes = dream.generations * (
            dream.population_size * dream.rollouts
            + dream.validation_rollouts / dream.validation_every
        )
        found["dreams"] = (
            work * lanes * (dream.max_steps or max_steps) * (DREAMT if m.terminated_head else 1.0)
        )
    return found


def left(path: Path, experiment: Experiment, stage: str) -> float:
    """Share of a stage's work that is still to be done, from 1 to 0; 0 only where it is complete at
    the present budget.
    """
    facts, (_, budgets) = stage_facts(path, stage) or {}, stage_settings(experiment, stage)
    if experiment.force or not facts:
        return 1.0
    if facts["complete"] and all(
        float(facts["budgets"].get(name, 0)) >= float(wanted) for name, wanted in budgets.items()
    ):
        return 0.0
    if stage == "episodes":
        return 1 - min(
            0.99, len(list((path / "episodes").glob("*.npz"))) / experiment.record.episodes
        )
    if stage == "controller" and (rows := read_rows(path / "controller" / "generations.csv")):
        c, dreams = experiment.controller, experiment.controller.world == "dream"
        generations = experiment.dream.generations if dreams else c.generations
        share = (
            int(rows[-1]["frames"]) / c.steps
            if c.steps and not dreams
            else int(rows[-1]["generation"]) / generations
        )
        return 1 - min(0.99, share)
    return 1.0


def seconds(
    experiment: Experiment, steps_a_second: float, gflops: float, processes: int, iteration: int = 0
) -> dict[str, float]:
    """How long each stage takes from its beginning.

    Args:
        experiment: all settings.
        steps_a_second: of the official environment, all processes together.
        gflops: of the float32 matrix product with all threads.
        processes: how many drove.
        iteration: which one.
    """
    machine, env = REFERENCE * processes / steps_a_second, experiment.env
    found = {}
    for stage, amount in amounts(experiment, iteration).items():
        amount *= _longer(experiment, stage)
        if stage in SPEED:
            doom = DOOM_SPEED[stage] if env.id == "TakeCover" else 1.0
            own = amount / (SPEED[stage] * doom * steps_a_second)
        elif stage == "dreams":
            own = amount / 1000 / (DREAM_SHARE * gflops)
        else:
            own = (
                amount
                * WORK[stage]
                / 1000
                / (SHARE[stage][0 if cpu_has_bfloat16() else 1] * gflops)
            )
        found[stage] = own + START.get(stage, 0) * machine
    found["controller"] += found.pop("dreams")
    return found


def _longer(experiment: Experiment, stage: str) -> float:
    """How many times as long a stage takes with what is not the default: the size of the pictures,
    the kinds of networks.
    """
    env, vision, memory = experiment.env, experiment.vision, experiment.memory
    factor = (
        VECTORS if env.observation == "vector" else WHOLE if env.frame_size == 96 else {}
    ).get(stage, 1.0)
    for kind in (vision.kind, memory.preset_kind):
        factor *= KIND.get(kind, {}).get(stage, 1.0)
    return factor * (
        (vision.depth / LAPTOP_DEPTH) ** GROWTH
        if (vision.kind, stage) == ("vae_gan", "vision")
        else 1.0
    )


def measure(processes: int) -> tuple[float, float]:
    """This machine, in about five seconds: the official environment's steps/s in so many processes
    at once, and GFLOP/s.
    """
    from concurrent.futures import ThreadPoolExecutor
    from statistics import median

    from WorldModels.assembly.speed.measure import measured

    product = measured("matrix_product", size=2048, seconds=0.3, repeats=3)
    with ThreadPoolExecutor(processes) as pool:
        drives = [
            pool.submit(
                measured,
                "environment",
                True,
                seconds=1,
                repeats=1,
                steps=300,
                renderers=["official"],
            )
            for _ in range(processes)
        ]
        steps = sum(drive.result()["rates"]["official"][0] for drive in drives)
    return steps, median(product["rates"]) * product["work"]


def estimate(run: Run) -> None:
    """Print minutes a stage and in all."""
    from WorldModels.control.executors import cores
    from WorldModels.experiment.stages import VERBS

    iterations, processes = _iterations(run), run.experiment.workers or cores()
    steps, gflops = measure(processes)
    rest = dict.fromkeys((stage for stage in VERBS if stage != "temperatures"), 0.0)
    for iteration in iterations:
        for stage, whole in seconds(run.experiment, steps, gflops, processes, iteration).items():
            rest[stage] += whole * left(run.folder / str(iteration), run.experiment, stage) / 60
    run.say(
        f"estimate: {steps:.0f} steps/s of the official environment in {processes} processes, {gflops:.0f} GFLOP/s in a matrix product."
    )
    for stage, minutes in rest.items():
        run.say(f"  {VERBS[stage]:17} {_span(minutes) if minutes else 'done'}")
    if not any(rest.values()):
        return run.say("estimate: nothing is left to do.")
    several = f", for {len(iterations)} iterations" if len(iterations) > 1 else ""
    run.say(f"estimate: about {_span(sum(rest.values()))} on this machine{several}.")


def _iterations(run: Run) -> range:
    """Those that a launch script goes through with the flags given: as many as --iterations asks
    for, or one.
    """
    count, iteration = run.experiment.iterations, run.experiment.iteration
    if count == 1:
        return range(run.iteration, run.iteration + 1)
    if iteration >= 0:
        raise ValueError(
            f"--iteration: expected none beside --iterations {count}, which goes through all from 0 on, received {iteration}."
        )
    return range(count)


def _span(minutes: float) -> str:
    """Minutes; also in hours or days where that is more readable."""
    text = f"{minutes:,.0f} minutes" if minutes >= 10 else f"{minutes:.1f} minutes"
    if minutes >= 48 * 60:
        return f"{text} ({minutes / 60 / 24:.0f} days)"
    return f"{text} ({minutes / 60:.0f} hours)" if minutes >= 120 else text


def main(argv: list[str] | None = None) -> None:
    run_verb("estimate", estimate, argv, __doc__)


if __name__ == "__main__":
    main()
