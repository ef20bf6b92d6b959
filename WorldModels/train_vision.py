"""Train V, which turns observations into latents and back: 0/episodes/ -> 0/vision.keras.

    python -m WorldModels.train_vision carracing
    python -m WorldModels.train_vision carracing --vision.epochs 6          # continues

Also writes vision.csv, tensorboard/vision, a picture per epoch and the curves of all losses
(vision_epochs/), and exports of V: a SavedModel and ONNX files. The order of the frames, the noise
and the initial weights follow from the seed, so an interrupted run ends with the same weights.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.choice import TRAINS_IN, choose, in_words
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.damage import is_sound
from WorldModels.experiment.rows import read_rows
from WorldModels.experiment.run import Run

CHECKPOINT = "checkpoints/vision/state.npz"
PICTURES = 16  # held-out frames in an epoch's picture, and samples of the prior
SAMPLES = 128  # drawn from the prior, to measure their spread
# Columns of vision.csv that are printed at the end.
SAID = (
    "epoch",
    "seconds",
    "loss",
    "reconstruction",
    "kl",
    "fake_probability",
    "images_per_second",
    "val_loss",
    "val_reconstruction",
    "val_kl",
    "val_reconstruction_of_mean",
    "val_ssim",
    "val_rare_error",
    "val_latents_in_use",
    "val_sample_spread",
)


def train_vision(run: Run) -> None:
    """Train V into 0/vision.keras, for as many epochs as the settings ask for."""
    from WorldModels.assembly.weights import num_parameters, take_weights, weights_before

    before = weights_before(run, "vision.keras", "train_vision")
    stage = run.stage("vision", run.hashes_of(before) if before else {})
    folders = run.need_episodes()
    file = run.path / "vision.keras"
    _fit_latents(run, stage, folders)
    if stage.complete and is_sound(file, run.say):
        epochs = len(read_rows(run.path / "vision.csv")) or stage.done["epochs"]
        _export_again(run, stage, file)
        return run.say(f"train_vision: {file} is there already, after {epochs} epochs.")
    from WorldModels.assembly.checkpoint import check_checkpoint  # which imports Keras
    from WorldModels.vision.kinds import build_vision
    from WorldModels.vision.quality import warnings_of

    settings = run.experiment.vision
    frames, training, held_out = _frames(run, stage, folders)
    choice, seed = _choice(run, stage, frames), int(run.rng("weights").integers(2**31))
    vision = build_vision(settings, frames.frame_shape, seed, **choice)
    if before:
        take_weights(vision, before)
        run.say(f"train_vision: continues from {before}.")
    _begin_from_frames(vision, training, settings.median_start, before)
    if not stage.anew:
        check_checkpoint(run.path / CHECKPOINT)
    stage.begin(**{TRAINS_IN: choice})
    run.say(
        f"train_vision: {len(training)} episodes of {frames.num_frames} frames, {len(held_out)} "
        f"held out; {num_parameters(vision):,} parameters, {in_words(choice)}."
    )
    rows = _fit(run, vision, frames, (training, held_out), len(folders) if before else 0)
    _write(run, vision)
    stage.finish()
    last = ", ".join(f"{key} {rows[-1][key]:.4g}" for key in SAID if key in rows[-1])
    run.say(f"train_vision: {run.path / 'vision.keras'}, {last}.")
    for line in warnings_of(rows[-1], settings.rare_weight if settings.kind == "vae" else None):
        run.say(f"train_vision: {line}")


def _fit_latents(run: Run, stage: Any, folders: list[Path]) -> None:
    """Use no more latents than a vector has numbers, unless more were typed.

    Raises:
        ValueError: they were.
    """
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.frames import FrameFile

    settings = run.experiment.vision
    paths = list_episodes(folders[-1]) if settings.kind == "dense" and not stage.facts else []
    shape = FrameFile(paths[0]).shape[1:] if paths else ()
    if len(shape) != 1 or settings.latent_size <= shape[0]:
        return
    if "vision.latent_size" in (run.typed or ()):
        raise ValueError(
            f"--vision.latent-size: expected at most {shape[0]}, the numbers of an observation, "
            f"received {settings.latent_size}."
        )
    vision = replace(settings, latent_size=shape[0])
    run.experiment = replace(run.experiment, vision=vision)
    stage.take_settings()
    run.say(f"train_vision: {shape[0]} latents, as many as an observation has numbers.")


def _frames(run: Run, stage: Any, folders: list[Path]) -> tuple[Any, list[Path], list[Path]]:
    """The stream of frames to train on, the episodes behind it, and those held out."""
    from WorldModels.episodes.frames import sound_episodes
    from WorldModels.episodes.split import split_and_list
    from WorldModels.episodes.stream import FrameStream

    settings = run.experiment.vision
    episodes = [path for folder in folders for path in sound_episodes(folder, run.say)]
    older = stage.settings["vision"].get("validation_share")
    training, validation = split_and_list(episodes, run, "vision", older)
    how = settings.batch_size, settings.buffer_frames, lambda epoch: run.rng("batches", epoch)
    return FrameStream(training, *how), training, validation


def _choice(run: Run, stage: Any, frames: Any) -> dict[str, str]:
    """The dtype that V trains in, and the form of its decoder."""
    import keras

    from WorldModels.vision.kinds import asked_choice
    from WorldModels.vision.training import to_time

    settings, shape = run.experiment.vision, frames.frame_shape
    asked, amount = asked_choice(settings, shape), settings.epochs * frames.num_frames
    return choose(run, stage, asked, amount, keras, *to_time(settings, shape))


def _begin_from_frames(vision: Any, training: list[Path], start: bool, before: Path | None) -> None:
    """Give V what it takes from the recordings before it trains; a checkpoint brings its own.

    That is the median frame if it uses one, the weights to begin with where `start` asks, and the
    mean and spread of vectors, unless the V `before` has brought them.
    """
    from WorldModels.episodes.frames import usual_frames

    start = start and not before and hasattr(vision, "start_from")
    measures = not before and hasattr(vision, "measure")
    if not (start or measures or hasattr(vision, "background")):
        return
    frames, median = usual_frames(training)
    if measures:
        vision.measure(frames)
    if hasattr(vision, "background"):
        vision.background.assign(median)
    if start:
        vision.start_from(frames, median)


def _fit(
    run: Run, vision: Any, frames: Any, episodes: tuple[list[Path], list[Path]], continues: int
) -> list[dict]:
    """Train V.

    Args:
        run: the open run.
        vision: V, built.
        frames: the stream to train on.
        episodes: files to train on, and files held out.
        continues: 0; or, if V continues from trained weights, the number of iterations whose
            episodes it trains on.
    """
    from WorldModels.assembly.fit import fit_with_checkpoints
    from WorldModels.assembly.tensorboard_files import event_writer
    from WorldModels.figures.losses import loss_curves
    from WorldModels.figures.style import save
    from WorldModels.vision.batches import FrameBatches
    from WorldModels.vision.training import ImageRate, LossRows

    settings, steps = run.experiment.vision, _compile(run, vision, frames, continues)
    folder, events = run.path / "vision_epochs", run.path / "tensorboard" / "vision"
    each_step = event_writer(events / "steps", lambda line: None, "step")
    rows = fit_with_checkpoints(
        vision,
        FrameBatches(frames, flips=_seed_of_flips(run)),
        checkpoint=run.path / CHECKPOINT,
        csv_file=run.path / "vision.csv",
        epochs=settings.epochs,
        steps=steps,
        validate=_after_epoch(run, vision, *episodes),
        callbacks=[ImageRate(settings.batch_size), LossRows(folder / "losses.csv", each_step)],
        tensorboard=events,
        say=run.say,
        label="train_vision",
        plateau=settings.learning_rate if settings.schedule == "plateau" else 0.0,
        patience=settings.patience,
    )
    save(loss_curves(read_rows(folder / "losses.csv"), rows), folder / "losses.png")
    return rows


def _seed_of_flips(run: Run) -> int | None:
    return int(run.rng("flips").integers(2**31)) if run.experiment.vision.flip else None


def _compile(run: Run, vision: Any, frames: Any, continues: int) -> int:
    """Give V its optimizer; return the steps of its complete training."""
    import keras

    from WorldModels.assembly.weights import warmup_steps
    from WorldModels.vision.training import learning_rate

    settings = run.experiment.vision
    # The older episodes were learned from before, so they add no steps to the iteration's own.
    steps = max(settings.epochs * frames.num_batches // max(continues, 1), 1)
    if continues:
        warmup = max(settings.warmup_steps, warmup_steps(steps))
        settings = replace(settings, warmup_steps=warmup)
    vision.compile(keras.optimizers.Adam(learning_rate(settings, steps)))
    return steps


def _after_epoch(
    run: Run, vision: Any, training: list[Path], held_out: list[Path]
) -> Callable[[int], dict[str, float]]:
    """A function that, after an epoch, draws a picture and scores V on held-out frames."""
    from WorldModels.assembly.tensorboard_files import image_writer
    from WorldModels.episodes.frames import spread_frames
    from WorldModels.figures.epochs import write_epoch
    from WorldModels.vision.quality import validate

    settings = run.experiment.vision
    seen = spread_frames(held_out or training[:8], settings.max_validation_frames)
    shown = seen if seen.ndim == 2 else seen[:: max(1, len(seen) // PICTURES)][:PICTURES]
    noise = run.rng("prior").standard_normal((SAMPLES, settings.latent_size), "float32")
    show = image_writer(run.path / "tensorboard" / "vision" / "images")

    def after_epoch(epoch: int) -> dict[str, float]:
        path = run.path / "vision_epochs" / f"{epoch:03}.png"
        rebuilt = np.asarray(vision.decode(vision.encode(shown)[0]))
        write_epoch(path, shown, rebuilt, np.asarray(vision.decode(noise[:PICTURES])))
        show("frames, reconstructions, samples", epoch, path.read_bytes())
        return validate(vision, seen, settings.batch_size, noise) if held_out else {}

    return after_epoch


def _write(run: Run, vision: Any) -> None:
    """Write vision.keras in its published form, and the exports made from it."""
    from WorldModels.assembly.weights import as_asked
    from WorldModels.experiment.files import atomic
    from WorldModels.export.files import export_vision, unavailable
    from WorldModels.vision.kinds import published_form

    published = as_asked(published_form(vision), run.experiment.vision.weights)
    with atomic(run.path / "vision.keras") as temporary:
        published.save(temporary)
    if unavailable():
        return run.say(f"train_vision: {unavailable()}")
    export_vision(published, run.path)


def _export_again(run: Run, stage: Any, file: Path) -> None:
    """Export V again where an exported file is missing, damaged or holds other weights."""
    from WorldModels.export.files import VISION_FILES, export_vision, outdated, unavailable

    if unavailable() or not (names := outdated(run.path, VISION_FILES)):
        return
    import keras

    from WorldModels.vision import kinds

    kinds.register()
    run.say(f"train_vision: exported again, as {', '.join(names)} did not hold {file}.")
    export_vision(keras.models.load_model(file, compile=False, safe_mode=True), run.path)
    stage.sum_again()


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("train_vision", train_vision, argv, __doc__)


if __name__ == "__main__":
    main()
