"""How V's learning rate changes over its training."""

from typing import Any

import keras


def learning_rate(settings: Any, steps: int) -> float | keras.optimizers.schedules.CosineDecay:
    """The learning rate by step: constant, or falling as a cosine; after a warm-up if there is one.

    Args:
        settings: settings.vision.VisionSettings.
        steps: of the whole training.
    """
    if settings.schedule == "constant" and not settings.warmup_steps:
        return settings.learning_rate
    cosine = settings.schedule == "cosine"
    final = settings.final_learning_rate if cosine else settings.learning_rate
    warmup = min(settings.warmup_steps, steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        steps - warmup,
        alpha=final / settings.learning_rate,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
