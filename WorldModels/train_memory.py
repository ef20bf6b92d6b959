"""Train M to predict what V sees next: 0/series -> 0/memory.keras, memory.csv and exports.

    python -m WorldModels.train_memory carracing
    python -m WorldModels.train_memory carracing --memory.epochs 3

Each row of memory.csv has the held-out loss beside what it must beat: the previous latent, a
static Gaussian, and M's own head fitted without inputs. With --dream.judge other it trains a
second M, judge.keras, on half of the episodes. A killed run, started again with the same command,
ends with the same weights bit for bit.
"""

from pathlib import Path
from typing import Any

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.damage import is_sound
from WorldModels.experiment.lineage import require_own_series
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import JUDGE


def train_memory(run: Run) -> None:
    """Train M into 0/memory.keras, up to the present budget; then the judge if one is wanted."""
    run.need("series", "encode")
    vision_file = run.need("vision.keras", "train_vision")
    require_own_series(run)
    _train(run, "memory", vision_file)
    if run.experiment.needs_judge:
        _train(run, JUDGE, vision_file)


def _train(run: Run, name: str, vision_file: Path) -> None:
    """Train one of the two networks, each a stage of its own."""
    from WorldModels.assembly.weights import weights_before
    from WorldModels.experiment.reuse import inputs_of

    before = weights_before(run, f"{name}.keras", "train_memory")
    inputs = inputs_of(run, "memory") | (run.hashes_of(before) if before else {})
    stage, file = run.stage(name, inputs), run.path / f"{name}.keras"
    if stage.complete and is_sound(file, run.say):
        if name == "memory":
            _export_again(run, stage, file, vision_file)
        return run.say(
            f"train_memory: {file} is there already; a larger --memory.steps or --memory.epochs "
            "continues."
        )
    from WorldModels.assembly.memory_training import Training

    training = Training(run, stage)
    memory, rows = training.train(before)
    memory = training.save(memory)
    if name == "memory":
        _export(run, memory, vision_file)
    stage.finish()
    if rows and "val_nll" in rows[-1]:
        run.say(_against_baselines(rows[-1]))
    run.say(f"train_memory: {file} after {rows[-1]['step'] if rows else 0} steps.")


def _against_baselines(row: dict[str, float]) -> str:
    return (
        f"train_memory: held-out loss {row['val_nll']:.3f} nats per dimension (previous latent: "
        f"{row['copy_previous_nll']:.3f}, static Gaussian: {row['static_nll']:.3f}, the head "
        f"without inputs: {row['unconditional_nll']:.3f})."
    )


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
