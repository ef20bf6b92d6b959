"""Train M to predict what V sees next: 0/series -> 0/memory.keras, memory.csv and exports.

    python -m WorldModels.train_memory carracing
    python -m WorldModels.train_memory carracing --memory.epochs 3

Each row of memory.csv has the held-out loss beside what it must beat: the previous latent, a
static Gaussian, and M's own head fitted without inputs. A killed run, started again with the same
command, ends with the same weights bit for bit.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from WorldModels.experiment.choice import TRAINS_IN, choose
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.damage import is_sound
from WorldModels.experiment.files import atomic
from WorldModels.experiment.lineage import require_own_series
from WorldModels.experiment.run import Run

CHECKPOINT = "checkpoints/memory/state.npz"
USUAL_FLOOR = -6.0  # the --memory.log-std-floor that errors suggest; that of the smaller scales


def train_memory(run: Run) -> None:
    """Train M into 0/memory.keras, up to the present budget."""
    from WorldModels.assembly.weights import take_weights, weights_before
    from WorldModels.experiment.reuse import inputs_of

    run.need("series", "encode")
    vision_file = run.need("vision.keras", "train_vision")
    require_own_series(run)
    before = weights_before(run, "memory.keras", "train_memory")
    inputs = inputs_of(run, "memory") | (run.hashes_of(before) if before else {})
    stage, file = run.stage("memory", inputs), run.path / "memory.keras"
    if stage.complete and is_sound(file, run.say):
        _export_again(run, stage, file, vision_file)
        return run.say(
            f"train_memory: {file} is there already; a larger --memory.steps or --memory.epochs "
            "continues."
        )
    from WorldModels.memory.kinds import build_memory  # which imports Keras

    training, held_out = _split(run, stage)
    remedy = _remedy(run, training)
    latent_size, action_size = training[0].mean.shape[1], training[0].actions.shape[1]
    choice, settings = _choice(run, stage, training), run.experiment.memory
    memory = build_memory(settings, latent_size, action_size, _seed(run, "weights"), **choice)
    if before:
        take_weights(memory, before)
        run.say(f"train_memory: continues from {before}.")
    rows = _fit(run, stage, memory, (training, held_out), bool(before), remedy)
    _save(run, memory, vision_file)
    stage.finish()
    if rows and held_out:
        run.say(_against_baselines(rows[-1]))
    run.say(f"train_memory: {file} after {rows[-1]['step'] if rows else 0} steps.")


def _split(run: Run, stage: Any) -> tuple[list, list]:
    """The series to train on, and those held out.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a series is damaged.
    """
    from WorldModels.episodes.series import read_split
    from WorldModels.episodes.split import split_and_list

    folder, older = run.path / "series", stage.settings["memory"].get("validation_share")
    parts = read_split(
        run.path, run.experiment, lambda paths: split_and_list(paths, run, "memory", older)
    )
    if not parts[0]:
        raise FileNotFoundError(
            f"{folder} has no sound series; make them first: {run.command('encode')}"
        )
    return parts


def _remedy(run: Run, training: list) -> str:
    """What helps if the loss is not finite; it names the latents that do not vary.

    Raises:
        ValueError: a latent does not vary, and M's densities have no floor.
    """
    from WorldModels.memory.baselines import constant_latents

    floor = run.experiment.memory.log_std_floor
    constant = [] if floor >= USUAL_FLOOR else constant_latents(training)
    if not constant:
        return "lower the learning rate"
    remedy = (
        f"z does not vary over the training series in {len(constant)} of its dimensions "
        f"({', '.join(map(str, constant))}), so their likelihood grows without end; give "
        f"--memory.log-std-floor {USUAL_FLOOR:g} with --force, or train V with another "
        "--vision.kl-weight"
    )
    if floor == -math.inf:
        raise ValueError(f"{run.path / 'series'}: expected latents that vary, but {remedy}.")
    return remedy


def _against_baselines(row: dict[str, float]) -> str:
    return (
        f"train_memory: held-out loss {row['val_nll']:.3f} nats per dimension (previous latent: "
        f"{row['copy_previous_nll']:.3f}, static Gaussian: {row['static_nll']:.3f}, the head "
        f"without inputs: {row['unconditional_nll']:.3f})."
    )


def _choice(run: Run, stage: Any, training: list) -> dict[str, str]:
    """The dtype that M trains in."""
    import keras

    from WorldModels.memory.optimizer import to_time

    s, batches = run.experiment.memory, _batches(run, training)
    amount = _steps(s, batches) * batches.batch_size * batches.length
    return choose(run, stage, {"dtype": s.dtype}, amount, keras, *to_time(s, batches[0]))


def _seed(run: Run, purpose: str) -> int:
    return int(run.rng(purpose).integers(2**30))


def _fit(
    run: Run, stage: Any, memory: Any, series: tuple[list, list], continues: bool, remedy: str
) -> list[dict[str, float]]:
    """Train M on the first series and score it on the second; `continues` from trained weights.

    `remedy` is what helps if the loss is not finite.
    """
    from WorldModels.assembly.checkpoint import check_checkpoint
    from WorldModels.assembly.fit import fit_with_checkpoints
    from WorldModels.assembly.weights import warmup_steps
    from WorldModels.memory.optimizer import compiled

    s, (training, held_out) = run.experiment.memory, series
    batches = _batches(run, training)
    steps = _steps(s, batches)
    warmup = warmup_steps(steps) if continues else 0
    model = compiled(memory, s, batches.batch_size, steps, warmup)
    if not stage.anew:
        check_checkpoint(run.path / CHECKPOINT)
    stage.begin(**{TRAINS_IN: {"dtype": memory.dtype_policy.name}})
    run.say(
        f"train_memory: {steps} steps of {batches.batch_size} x {batches.length} in "
        f"{memory.dtype_policy.name}, {len(training)} episodes, {len(held_out)} held out."
    )
    return fit_with_checkpoints(
        model,
        batches,
        steps=steps,
        validate=_validation(run, memory, training, held_out),
        checkpoint=run.path / CHECKPOINT,
        csv_file=run.path / "memory.csv",
        tensorboard=run.path / "tensorboard" / "memory",
        say=run.say,
        label="train_memory",
        remedy=remedy,
    )


def _batches(run: Run, training: list) -> Any:
    from WorldModels.memory.batches import batches_of

    return batches_of(run.experiment.memory, training, _seed(run, "batches"))


def _steps(settings: Any, batches: Any) -> int:
    return settings.epochs * len(batches) if settings.epochs else settings.steps


def _validation(
    run: Run, memory: Any, training: list, held_out: list
) -> Callable[[int], dict[str, float]] | None:
    """A function that scores M on a fixed draw of z of the held-out episodes, beside baselines."""
    if not held_out:
        return None
    from WorldModels.memory.baselines import GaussianBaselines, held_out_batches, unconditional

    batches = held_out_batches(held_out, _seed(run, "held-out noise"))
    floor = run.experiment.memory.log_std_floor
    baselines = GaussianBaselines(training, floor).score(batches)
    baselines |= unconditional(memory, training, batches, _seed(run, "without inputs"))

    def validate(epoch: int) -> dict[str, float]:
        memory.reset_metrics()
        for batch in batches:
            logs = memory.test_on_batch(batch, return_dict=True)
        # Keras' own mean of the loss counts batches alike, whatever number of steps they hold.
        logs["loss"] = sum(value for name, value in logs.items() if name != "loss")
        return {f"val_{name}": float(value) for name, value in logs.items()} | baselines

    return validate


def _save(run: Run, memory: Any, vision_file: Path) -> None:
    """Write M in float32, and its exports for TensorFlow Serving, the workers and a browser."""
    from WorldModels.memory.kinds import float32_copy

    memory = float32_copy(memory)
    with atomic(run.path / "memory.keras") as temporary:
        memory.save(temporary)
    _export(run, memory, vision_file)


def _export(run: Run, memory: Any, vision_file: Path) -> None:
    from WorldModels.assembly.models import Imagination, Perception, load_vision
    from WorldModels.export.files import export_memory

    perception = Perception(load_vision(vision_file), memory)
    try:
        export_memory(memory, perception, Imagination(memory), run.path)
    except ImportError as error:
        run.say(str(error))


def _export_again(run: Run, stage: Any, file: Path, vision_file: Path) -> None:
    """Export M again where an exported file is missing, damaged or holds other weights."""
    from WorldModels.export.files import MEMORY_FILES, outdated, unavailable

    if unavailable() or not (names := outdated(run.path, MEMORY_FILES)):
        return
    from WorldModels.assembly.models import load_memory  # which imports Keras

    run.say(f"train_memory: exported again, as {', '.join(names)} did not hold {file}.")
    _export(run, load_memory(file), vision_file)
    stage.sum_again()


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("train_memory", train_memory, argv, __doc__)


if __name__ == "__main__":
    main()
