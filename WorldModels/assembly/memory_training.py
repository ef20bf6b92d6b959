"""Trains M, for the driver or as a judge of its dreams, and scores it on held-out episodes.

An iteration may hold two: memory.keras, which the driver sees through, and judge.keras, trained as
long on half of the episodes, whose dreams choose among drivers (memory/judged.py).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WorldModels.assembly.checkpoint import check_checkpoint
from WorldModels.assembly.weights import as_asked, take_weights, warmup_steps
from WorldModels.episodes.series import of_tiles, read_split
from WorldModels.episodes.split import split_and_list, upper_half
from WorldModels.experiment.choice import TRAINS_IN, choose
from WorldModels.experiment.files import atomic
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import JUDGE

USUAL_FLOOR = -6.0  # the --memory.log-std-floor that errors suggest; that of the smaller scales
MEMORY = "memory"  # the stage; its files, as those of JUDGE, are called like it

Rows = list[dict[str, float]]


@dataclass(frozen=True)
class Training:
    """One M that is trained in a run.

    Args:
        run: the open run.
        stage: its stage, MEMORY or JUDGE.
    """

    run: Run
    stage: Any

    @property
    def file(self) -> Path:
        """The trained M."""
        return self.run.path / f"{self.stage.name}.keras"

    def train(self, before: Path | None = None) -> tuple[Any, Rows]:
        """Train up to the present budget; the stage begins, but does not end.

        Args:
            before: the file whose weights it starts from; None: it starts afresh.

        Returns:
            The trained network, and the rows of its CSV.

        Raises:
            FileNotFoundError: there are no series.
            ValueError: a series is damaged, or the loss is not finite.
        """
        from WorldModels.memory.kinds import build_memory  # which imports Keras

        training, held_out = self._split()
        remedy = self._remedy(training)
        latent_size, action_size = training[0].mean.shape[1], training[0].actions.shape[1]
        settings, choice = self.run.experiment.memory, self._choice(training)
        memory = build_memory(settings, latent_size, action_size, self._seed("weights"), **choice)
        if before:
            take_weights(memory, before)
            self.run.say(f"{self._label}: continues from {before}.")
        return memory, self._fit(memory, training, held_out, bool(before), remedy)

    def save(self, memory: Any) -> Any:
        """Write the trained network in float32, and return it."""
        from WorldModels.memory.kinds import float32_copy

        memory = as_asked(float32_copy(memory), self.run.experiment.memory.weights)
        with atomic(self.file) as temporary:
            memory.save(temporary)
        return memory

    @property
    def _label(self) -> str:
        return self.run.verb if self.stage.name == MEMORY else f"{self.run.verb} ({JUDGE})"

    def _seed(self, purpose: str) -> int:
        own = purpose if self.stage.name == MEMORY else f"{purpose} of the {JUDGE}"
        return int(self.run.rng(own).integers(2**30))

    def _split(self) -> tuple[list, list]:
        """The series to train on, and those held out."""
        run, older = self.run, self.stage.settings["memory"].get("validation_share")

        def parts(paths: Sequence[Path]) -> tuple:
            training, held_out = split_and_list(paths, run, "memory", older)
            if self.stage.name == JUDGE:
                training = upper_half(training, run.path, run.experiment)
            return training, held_out

        found = read_split(run.path, run.experiment, parts)
        if not found[0]:
            raise FileNotFoundError(
                f"{run.path / 'series'} has no sound series; make them first: "
                f"{run.command('encode')}"
            )
        return of_tiles(found) if self.run.experiment.memory.counts_tiles else found

    def _remedy(self, training: list) -> str:
        """What helps if the loss is not finite; it names the latents that do not vary.

        Raises:
            ValueError: a latent does not vary, and M's densities have no floor.
        """
        from WorldModels.memory.baselines import constant_latents

        floor = self.run.experiment.memory.log_std_floor
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
            raise ValueError(
                f"{self.run.path / 'series'}: expected latents that vary, but {remedy}."
            )
        return remedy

    def _choice(self, training: list) -> dict[str, str]:
        """The dtype that M trains in."""
        import keras

        from WorldModels.memory.training import to_time

        s, batches = self.run.experiment.memory, self._batches(training)
        amount = _steps(s, batches) * batches.batch_size * batches.length
        timed = to_time(s, batches[0])
        return choose(self.run, self.stage, {"dtype": s.dtype}, amount, keras, *timed)

    def _batches(self, training: list) -> Any:
        from WorldModels.memory.batches import batches_of

        return batches_of(self.run.experiment.memory, training, self._seed("batches"))

    def _fit(
        self, memory: Any, training: list, held_out: list, continues: bool, remedy: str
    ) -> Rows:
        from WorldModels.assembly.fit import fit_with_checkpoints
        from WorldModels.memory.training import compiled

        run, name, s = self.run, self.stage.name, self.run.experiment.memory
        batches = self._batches(training)
        steps = _steps(s, batches)
        model = compiled(memory, s, batches.batch_size, steps, warmup_steps(steps) * continues)
        checkpoint = run.path / "checkpoints" / name / "state.npz"
        if not self.stage.anew:
            check_checkpoint(checkpoint)
        self.stage.begin(**{TRAINS_IN: {"dtype": memory.dtype_policy.name}})
        run.say(
            f"{self._label}: {steps} steps of {batches.batch_size} x {batches.length} in "
            f"{memory.dtype_policy.name}, {len(training)} episodes, {len(held_out)} held out."
        )
        return fit_with_checkpoints(
            model,
            batches,
            steps=steps,
            validate=self._validation(memory, training, held_out),
            checkpoint=checkpoint,
            csv_file=run.path / f"{name}.csv",
            tensorboard=run.path / "tensorboard" / name,
            say=run.say,
            label=self._label,
            remedy=remedy,
            plateau=s.learning_rate if s.schedule == "plateau" else 0.0,
            patience=s.patience,
        )

    def _validation(
        self, memory: Any, training: list, held_out: list
    ) -> Callable[[int], dict[str, float]] | None:
        """Scores M on a fixed draw of z of the held-out episodes, beside baselines."""
        if not held_out:
            return None
        from WorldModels.memory.baselines import (
            GaussianBaselines,
            held_out_batches,
            unconditional,
        )

        batches = held_out_batches(held_out, self._seed("held-out noise"))
        floor = self.run.experiment.memory.log_std_floor
        baselines = GaussianBaselines(training, floor).score(batches)
        baselines |= unconditional(memory, training, batches, self._seed("without inputs"))

        def validate(epoch: int) -> dict[str, float]:
            # Unlike test_on_batch, which starts anew with each batch.
            logs = memory.evaluate(batches, verbose=0, return_dict=True)
            # Keras' own mean of the loss counts batches alike, whatever number of steps they hold.
            logs["loss"] = sum(value for name, value in logs.items() if name != "loss")
            return {f"val_{name}": float(value) for name, value in logs.items()} | baselines

        return validate


def _steps(settings: Any, batches: Any) -> int:
    return settings.epochs * len(batches) if settings.epochs else settings.steps
