"""Teach M to predict what V sees next: 0/series -> 0/memory.keras, memory.csv, and its files for
others

    python -m WorldModels.train_memory carracing
    python -m WorldModels.train_memory carracing --memory.epochs 3

Each row of memory.csv has the held-out loss beside what it must beat: a Gaussian around the latent
before, one that never moves,
and M's own head, fit without inputs. A killed run, started again with the same command, gives the
same weights bit for bit.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import atomic, hash_files
from WorldModels.experiment.run import Run, rng

LEAST_EPOCH = 25  # steps between two rows where steps are counted and one pass is shorter
HELD_OUT_BATCH = 50  # episodes at a time


def train_memory(run: Run) -> None:
    """Have a trained M in 0/memory.keras."""
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.iterations import hashes, take_weights, weights_before

    files = list_episodes(run.need("series", "encode"))
    vision_file = run.need("vision.keras", "train_vision")
    before = weights_before(run, "memory.keras", "train_memory")
    stage = run.stage(
        "memory", {"series": hash_files(files)} | (hashes(run, before) if before else {})
    )
    if stage.complete and (run.path / "memory.keras").exists():
        return run.say(
            f"train_memory: {run.path / 'memory.keras'} is there already; a larger --memory.steps or --memory.epochs goes on."
        )
    training, held_out = split_series(run)
    memory = _memory(run, training[0])
    if before:
        take_weights(memory, before)
        run.say(f"train_memory: goes on from {before}.")
    rows = _fit(run, stage, memory, training, held_out, goes_on=bool(before))
    _save(run, memory, vision_file)
    stage.finish()
    if rows and held_out:
        last = rows[-1]
        run.say(
            f"train_memory: held-out loss {last['val_nll']:.3f} nats a dimension (latent before: {last['copy_previous_nll']:.3f}, "
            f"never moving: {last['static_nll']:.3f}, the head without inputs: {last['unconditional_nll']:.3f})."
        )
    run.say(
        f"train_memory: {run.path / 'memory.keras'} after {rows[-1]['step'] if rows else 0} steps."
    )


def split_series(run: Run) -> tuple[list, list]:
    """Series to train on, and whole episodes held out: of every iteration's those that it held out
    itself.
    """
    from WorldModels.episodes.series import read_series
    from WorldModels.iterations import iteration_of

    paths, series = read_series(run.path / "series", run.say)
    if not series:
        raise FileNotFoundError(
            f"{run.path / 'series'} has no sound series; make them first: {run.command('encode')}"
        )
    share = run.experiment.memory.validation_share
    held_out, iterations = (
        set(),
        np.array([iteration_of(path.stem, run.iteration) for path in paths]),
    )
    for iteration in set(iterations.tolist()):
        own = np.flatnonzero(iterations == iteration)
        count = min(max(round(share * len(own)), share > 0), len(own) - 1)
        held_out |= set(
            rng(run.experiment.seed, "train_memory", "held-out", iteration)
            .permutation(own)[:count]
            .tolist()
        )
    return [s for i, s in enumerate(series) if i not in held_out], [
        series[i] for i in sorted(held_out)
    ]


def _memory(run: Run, series):
    """M, untrained, for latents and actions as the series have them."""
    from WorldModels.experiment.machine import cpu_has_bfloat16
    from WorldModels.memory.kinds import build_memory

    s = run.experiment.memory
    dtype = s.dtype if s.dtype != "auto" else "mixed_bfloat16" if cpu_has_bfloat16() else "float32"
    return build_memory(
        s, series.mean.shape[1], series.actions.shape[1], _seed(run, "weights"), dtype
    )


def _seed(run: Run, purpose: str) -> int:
    return int(run.rng(purpose).integers(2**30))


def _fit(
    run: Run, stage, memory, training: list, held_out: list, goes_on: bool
) -> list[dict[str, float]]:
    from WorldModels.assembly.fit import fit_with_checkpoints
    from WorldModels.iterations import warmup_steps
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.optimizer import adam_of
    from WorldModels.memory.streams import StreamTraining

    s = run.experiment.memory
    batches = SeriesBatches(
        training,
        s.batching,
        s.batch_size,
        s.sequence_length,
        _seed(run, "batches"),
        least_steps=0 if s.epochs else LEAST_EPOCH,
    )
    steps = s.epochs * len(batches) if s.epochs else s.steps
    model = StreamTraining(memory, batches.batch_size) if s.batching == "streams" else memory
    for compiled in {id(m): m for m in (model, memory)}.values():
        compiled.compile(adam_of(s, steps, warmup_steps(steps) if goes_on else 0))
    stage.begin()
    run.say(
        f"train_memory: {steps} steps of {batches.batch_size} x {batches.length} in {memory.dtype_policy.name}, "
        f"{len(training)} episodes, {len(held_out)} held out."
    )
    return fit_with_checkpoints(
        model,
        batches,
        steps=steps,
        validate=_validation(run, memory, training, held_out),
        checkpoint=run.path / "checkpoints" / "memory" / "state.npz",
        csv_file=run.path / "memory.csv",
        tensorboard=run.path / "tensorboard" / "memory",
        say=run.say,
        label="train_memory",
    )


def _validation(
    run: Run, memory, training: list, held_out: list
) -> Callable[[int], dict[str, float]] | None:
    """Scores M on the held-out episodes, the same draw of z each time, with what it must beat
    beside it.
    """
    if not held_out:
        return None
    from WorldModels.memory.baselines import GaussianBaselines

    batches = held_out_batches(run, held_out)
    baselines = GaussianBaselines(training).score(batches) | unconditional(
        run, memory, training, batches
    )

    def validate(epoch: int) -> dict[str, float]:
        memory.reset_metrics()
        for batch in batches:
            logs = memory.test_on_batch(batch, return_dict=True)
        return {f"val_{name}": float(value) for name, value in logs.items()} | baselines

    return validate


def held_out_batches(run: Run, held_out: list) -> list[dict[str, np.ndarray]]:
    """The held-out episodes as M is scored on them: see memory.batches.SeriesBatches; always the
    same draw of z.
    """
    from WorldModels.memory.batches import SeriesBatches

    longest = max(len(s) for s in held_out)
    chosen = SeriesBatches(
        held_out, "episodes", HELD_OUT_BATCH, longest, _seed(run, "held-out noise")
    )
    return [chosen[i] for i in range(len(chosen))]


def unconditional(run: Run, memory, training: list, batches: list) -> dict[str, float]:
    """What the head of this kind of memory reaches on held-out batches without inputs: see
    memory.baselines.Unconditional.
    """
    from WorldModels.memory.baselines import Unconditional

    density = Unconditional(memory)
    density.fit_latents(training, _seed(run, "without inputs"))
    return density.score(batches)


def _save(run: Run, memory, vision_file: Path) -> None:
    """Write M in float32, and the files that TensorFlow Serving, the workers and a browser take."""
    from WorldModels.assembly.models import Imagination, Perception, load_vision
    from WorldModels.export import files as export
    from WorldModels.memory.kinds import float32_copy

    memory = float32_copy(memory)
    with atomic(run.path / "memory.keras") as temporary:
        memory.save(temporary)
    vision = load_vision(vision_file)
    try:
        export.export_memory(memory, Perception(vision, memory), Imagination(memory), run.path)
    except ImportError as error:
        run.say(str(error))


def main(argv: list[str] | None = None) -> None:
    run_verb("train_memory", train_memory, argv, __doc__)


if __name__ == "__main__":
    main()
