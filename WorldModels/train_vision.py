"""Train V, which turns what is seen into a latent and back, on the recorded frames: 0/episodes/ ->
0/vision.keras

    python -m WorldModels.train_vision carracing
    python -m WorldModels.train_vision carracing --vision.epochs 6          # goes on from the
    epochs that are there

Also writes vision.csv, tensorboard/vision, a picture an epoch and the curves of all losses
(vision_epochs/), and V for others: a
SavedModel and ONNX files.
The order of the frames, the noise and the first weights follow from the seed, so an interrupted run
ends with the same weights.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import read_rows
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.vision import VisionSettings

BACKGROUND = 1000, 100  # frames of the median frame, from so many episodes at most
PICTURES = 16  # held-out frames in an epoch's picture, and prior samples
SAMPLES = 128  # of the prior, whose differences are measured
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
    "val_sample_spread",
)


def train_vision(run: Run) -> None:
    """Have a vision.keras that has seen as many epochs as the settings ask for."""
    from WorldModels.iterations import hashes, take_weights, weights_before

    before = weights_before(run, "vision.keras", "train_vision")
    stage = run.stage("vision", hashes(run, before) if before else {})
    folders = run.need_episodes()
    if stage.complete and (run.path / "vision.keras").exists():
        return run.say(
            f"train_vision: {run.path / 'vision.keras'} is there already, after {stage.done['epochs']} epochs."
        )
    from WorldModels.episodes.episode import sound_episodes
    from WorldModels.episodes.frames import held_out, spread_frames
    from WorldModels.episodes.stream import FrameStream

    settings = run.experiment.vision
    episodes = [path for folder in folders for path in sound_episodes(folder, run.say, frames=True)]
    training, validation = held_out(episodes, settings.validation_share)
    frames = FrameStream(
        training,
        settings.batch_size,
        settings.buffer_frames,
        lambda epoch: run.rng("batches", epoch),
    )
    looked_at = spread_frames(validation or training[:8], settings.max_validation_frames)
    vision = build_vision(settings, frames.frame_shape, int(run.rng("weights").integers(2**31)))
    if before:
        take_weights(vision, before)
        run.say(f"train_vision: goes on from {before}.")
    if hasattr(vision, "background"):
        vision.background.assign(
            median_frame(training)
        )  # a checkpoint brings the one that it was trained with
    stage.begin()
    run.say(
        f"train_vision: {len(training)} episodes of {frames.num_frames} frames, {len(validation)} held out; "
        f"{_size(vision):,} parameters, {vision.dtype_policy.name}"
        + (f", decoder by {vision.decoder_form}." if hasattr(vision, "decoder_form") else ".")
    )
    rows = _fit(
        run,
        vision,
        frames,
        looked_at if validation else None,
        looked_at,
        len(folders) if before else 0,
    )
    _write(run, vision)
    stage.finish()
    run.say(
        f"train_vision: {run.path / 'vision.keras'}, "
        + ", ".join(f"{k} {rows[-1][k]:.4g}" for k in SAID if k in rows[-1])
        + "."
    )


def build_vision(settings: VisionSettings, observation_shape: tuple[int, ...], seed: int):
    """V as the settings ask for it, in the number type and the form that this machine trains
    fastest.

    Args:
        settings: of V.
        observation_shape: (H, W, 3), or (D,), which is computed in float32 wherever nothing else is
            asked for.
        seed: of the first weights and the noise.

    Raises:
        ValueError: there is no network for such observations.
    """
    from WorldModels.experiment.machine import cpu_has_bfloat16
    from WorldModels.vision.kinds import build

    fast = (
        cpu_has_bfloat16() and len(observation_shape) == 3
    )  # bfloat16 would round a vector's numbers, and gain nothing
    dtype = {"auto": "mixed_bfloat16" if fast else "float32"}.get(settings.dtype, settings.dtype)
    form = {"auto": "depth_to_space" if fast else "transpose"}.get(
        settings.decoder_form, settings.decoder_form
    )
    return build(settings, observation_shape, seed, dtype=dtype, decoder_form=form)


def _size(model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def median_frame(paths: Sequence[Path]) -> np.ndarray:
    """What most frames of some episodes show at each pixel: their median (H, W, 3), float32 in
    0..1.

    Raises:
        ValueError: no files, files of different frames, or a damaged file.
    """
    from WorldModels.episodes.frames import spread_frames

    frames, episodes = BACKGROUND
    return (
        np.median(spread_frames(paths[:: -(-len(paths) // episodes)], frames), axis=0) / 255
    ).astype(np.float32)


def learning_rate(settings: VisionSettings, steps: int):
    """The learning rate by step: constant or falling as a cosine over all steps, after a warm-up
    from 0 if there is one.
    """
    import keras

    if settings.schedule == "constant" and not settings.warmup_steps:
        return settings.learning_rate
    final = (
        settings.final_learning_rate if settings.schedule == "cosine" else settings.learning_rate
    )
    warmup = min(settings.warmup_steps, steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        steps - warmup,
        alpha=final / settings.learning_rate,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _fit(run: Run, vision, frames, validation, looked_at, goes_on: int) -> list[dict]:
    """Train V; where it goes on with trained weights, `goes_on` counts the iterations whose
    episodes it sees, else it is 0.
    """
    import keras

    from WorldModels.assembly.fit import fit_with_checkpoints
    from WorldModels.assembly.tensorboard_files import event_writer, image_writer
    from WorldModels.figures import curves
    from WorldModels.figures.losses import loss_curves
    from WorldModels.iterations import warmup_steps
    from WorldModels.vision.batches import FrameBatches
    from WorldModels.vision.progress import LossRows
    from WorldModels.vision.quality import validate

    settings = run.experiment.vision
    # The older episodes were learned from before, so they add none to the steps that the
    # iteration's own would take.
    steps = max(settings.epochs * frames.num_batches // max(goes_on, 1), 1)
    if goes_on:
        settings = replace(settings, warmup_steps=max(settings.warmup_steps, warmup_steps(steps)))
    vision.compile(keras.optimizers.Adam(learning_rate(settings, steps)))
    pictures = (
        looked_at
        if looked_at.ndim == 2
        else looked_at[:: max(1, len(looked_at) // PICTURES)][:PICTURES]
    )
    noise = run.rng("prior").standard_normal((SAMPLES, settings.latent_size), "float32")
    folder, events = run.path / "vision_epochs", run.path / "tensorboard" / "vision"
    show, every_few_steps = (
        image_writer(events / "images"),
        event_writer(events / "steps", lambda line: None, "step"),
    )

    def after_epoch(epoch: int) -> dict[str, float]:
        write_picture(folder / f"{epoch:03}.png", vision, pictures, noise[:PICTURES])
        show("frames, reconstructions, samples", epoch, (folder / f"{epoch:03}.png").read_bytes())
        return (
            {} if validation is None else validate(vision, validation, settings.batch_size, noise)
        )

    rows = fit_with_checkpoints(
        vision,
        FrameBatches(frames),
        checkpoint=run.path / "checkpoints" / "vision" / "state.npz",
        csv_file=run.path / "vision.csv",
        epochs=settings.epochs,
        steps=steps,
        validate=after_epoch,
        callbacks=[_rate(settings.batch_size), LossRows(folder / "losses.csv", every_few_steps)],
        tensorboard=events,
        say=run.say,
        label="train_vision",
    )
    curves.save(loss_curves(read_rows(folder / "losses.csv"), rows), folder / "losses.png")
    return rows


def write_picture(path: Path, vision, frames, noise) -> None:
    """Write a picture: rows of frames, each over its reconstruction from the mean, then samples of
    the prior; of vectors a chart.

    Args:
        path: of the .png.
        vision: V.
        frames: (n, H, W, 3) uint8, or (n, D) float32.
        noise: (n, Z) standard normal, decoded as it is.
    """
    from WorldModels.figures.frames import grid, write_png

    seen = np.asarray(vision.decode(vision.encode(frames)[0]))
    if frames.ndim == 2:
        from WorldModels.figures import curves, vectors

        return curves.save(vectors.reconstruction_chart(frames, seen), path)
    rows, columns = [], PICTURES // 2
    for start in range(0, len(frames), columns):
        blank = [np.ones_like(seen[0])] * (columns - len(frames[start : start + columns]))
        rows += [*frames[start : start + columns], *blank, *seen[start : start + columns], *blank]
    write_png(path, grid([*rows, *np.asarray(vision.decode(noise))], columns, scale=2))


def _rate(batch_size: int):
    """A callback that adds images_per_second to an epoch's log, from the end of its first step on
    (which compiles).
    """
    import time

    import keras

    class Rate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.steps, self.first = 0, 0.0

        def on_train_batch_end(self, batch, logs=None):
            self.steps, self.last = self.steps + 1, time.monotonic()
            self.first = self.first or self.last

        def on_epoch_end(self, epoch, logs=None):
            if self.steps > 1:
                logs["images_per_second"] = (
                    (self.steps - 1) * batch_size / max(self.last - self.first, 1e-9)
                )

    return Rate()


def _write(run: Run, vision) -> None:
    """Write vision.keras in its published form, and from it the files for others."""
    from WorldModels.experiment.files import atomic
    from WorldModels.export import files as export
    from WorldModels.vision.kinds import published_form

    published = published_form(vision)
    with atomic(run.path / "vision.keras") as temporary:
        published.save(temporary)
    if export.unavailable():
        return run.say(f"train_vision: {export.unavailable()}")
    export.export_vision(published, run.path)


def main(argv: list[str] | None = None) -> None:
    run_verb("train_vision", train_vision, argv, __doc__)


if __name__ == "__main__":
    main()
