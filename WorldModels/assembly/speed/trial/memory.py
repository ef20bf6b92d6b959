"""Tries M: some training steps, what follows an epoch, what it is compared with, its export."""

import itertools
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from WorldModels.assembly.speed.trial.small_run import SmallRun, timed, twice

SHARE = 0.2  # of the usual time, for which the head without inputs is fit
# M's exports, in exports of imagination, which is a step and a sample: itself, a step and a sample
# in files of their own and in the SavedModel, and a sequence, which is about a step, likewise.
IMAGINED = 4


def try_memory(small: SmallRun) -> tuple[Any, list[int]]:
    """Train M, score it as after an epoch, and fit what it is compared with.

    Args:
        small: its paces memory, memory scored and baselines are set.

    Returns:
        M, and the steps in an epoch of its training in each iteration.
    """
    from WorldModels.memory.batches import batches_of
    from WorldModels.memory.kinds import build_memory
    from WorldModels.memory.training import compiled, to_time

    s, counts = small.settings.memory, small.plan["training"]
    every = [batches_of(s, small.series(count), 0) for count in counts]
    epochs, first = [len(batches) for batches in every], every[0]
    amount = (s.epochs * epochs[0] if s.epochs else s.steps) * first.batch_size * first.length
    choice = small.choice("memory", {"dtype": s.dtype}, amount, *to_time(s, first[0]))
    began = time.perf_counter()
    memory = build_memory(s, *small.sizes, seed=0, **choice)
    model = compiled(memory, s, first.batch_size, 1000)
    built = time.perf_counter() - began
    once, each = small.fitted(model, _batches_of(first))
    small.paces["memory"] = [built + once, each]
    if small.plan["held_out"]:
        _compare(small, memory, s.epochs > 1 or s.steps > epochs[0])
    return memory, epochs


def _batches_of(batches: Any) -> Iterator[dict]:
    """SeriesBatches, epoch after epoch."""
    for epoch in itertools.count():
        batches.begin_epoch(epoch)
        yield from (batches[i] for i in range(len(batches)))


def _compare(small: SmallRun, memory: Any, again: bool) -> None:
    """Score M on held-out series, twice if the run does it `again`; fit its head without inputs."""
    from WorldModels.memory import baselines

    held_out = small.series(min(small.plan["held_out"], baselines.HELD_OUT_BATCH))
    (batch,) = baselines.held_out_batches(held_out, 0)
    once, each = twice(lambda: memory.test_on_batch(batch), again)
    small.paces["memory scored"] = [once, each / len(held_out)]
    latents = sum(map(len, small.series(small.plan["training"][0])))
    steps, began = baselines.fit_steps(latents), time.perf_counter()
    density = baselines.Unconditional(memory)
    density.compile(baselines.fit_adam(steps))
    built = time.perf_counter() - began
    z = small.draw.standard_normal((baselines.FIT_BATCH, small.sizes[0]), np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gradients do not exist")  # outside the head
        once, each = small.fitted(density, itertools.repeat(z), share=SHARE)
    scored = timed(lambda: density.score([batch]))
    small.paces["baselines"] = [built + once + each * steps + scored, 0.0]


def write_memory(small: SmallRun, memory: Any = None) -> None:
    """Write M and its exports, a driver, and the latents where dreams begin.

    Args:
        small: its folder has V; its pace memory export is set.
        memory: M; None: a new one.
    """
    from WorldModels.assembly.beginnings import controller_shape
    from WorldModels.assembly.models import Imagination, Perception, load_vision
    from WorldModels.export.files import unavailable
    from WorldModels.memory.kinds import build_memory, float32_copy

    memory, path = memory or build_memory(small.settings.memory, *small.sizes, seed=0), small.path
    published = float32_copy(memory)
    published.save(path / "memory.keras")
    if not unavailable():
        from WorldModels.export import endpoints, onnx

        def export(model: Any, end: Any) -> float:
            return timed(lambda: onnx.export_onnx(model, path / f"{end.name}.onnx", end))

        perception = Perception(load_vision(path / "vision.keras"), published)
        imagination = Imagination(published)
        imagined = export(imagination, endpoints.of_imagination(imagination))
        seen = export(perception, endpoints.of_perception(perception))
        small.paces["memory export"] = [IMAGINED * imagined + seen, 0.0]
    first = small.draw.standard_normal((2, 100, small.sizes[0]), np.float32)
    np.savez(path / "first_latents.npz", mean=first[0], log_var=first[1])
    controller = controller_shape(small.run)
    parameters = small.draw.normal(0, 0.1, controller.num_parameters)
    controller.save(path / "controller" / "best.npz", parameters)
