"""Is the dream true? M held against episodes that it was not trained on: whether it foresees their
ends, and how long its own
dreaming follows what came.

Knows which file lies where; M is a network for the first question, and an imagination for the
second.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from WorldModels.experiment.run import Run
from WorldModels.interfaces import LATENT, REWARD

HORIZONS = (1, 2, 5, 10, 20, 50, 100)  # steps dreamt since the last frame that was seen
WARM = 20  # steps of true history before
WINDOWS = 128  # places in held-out episodes from which M dreams on
BATCH = 25  # episodes at a time
MODE, SAMPLED, CONSTANT = "mode", "sampled", "last frame kept"


def held_out_series(run: Run) -> list:
    """The series that M was not trained on; none where there are no series, or none were held out."""
    from WorldModels.train_memory import split_series

    try:
        return split_series(run)[1]
    except FileNotFoundError:
        return []


def foresight(run: Run) -> dict | None:
    """How well M foresees the end of held-out episodes, at every step of their true history.

    Returns:
        What memory.terminal.terminal_scores gives, and the number of episodes; None where M has no
        terminated head or nothing
        was held out.
    """
    series = held_out_series(run) if run.experiment.memory.terminated_head else []
    if not series:
        return None
    from WorldModels.assembly.models import load_memory
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.terminal import terminal_scores, terminated_logits

    memory, logits, targets = load_memory(run.need("memory.keras", "train_memory")), [], []
    for start in range(0, len(series), BATCH):
        some = series[start : start + BATCH]
        batches = SeriesBatches(some, "episodes", len(some), max(map(len, some)))
        found = terminated_logits(memory, [batches[0]])
        logits, targets = logits + found[0], targets + found[1]
    return terminal_scores(logits, targets) | {"episodes": len(series)}


def horizon_errors(run: Run) -> dict | None:
    """How far M's dreaming on from the true history, with the true actions, is from what came, step
    by step.

    The truth is the mean of V's posterior, and the frame that V decodes from it. The dream is drawn
    at temperature 1, and at 0,
    where each dimension is the mean of its heaviest component. Beside it stands the last frame that
    was seen, kept for ever.

    Returns:
        horizons; windows, their number; latent and frame: for "mode", "sampled" and "last frame
        kept" the mean squared difference
        at each horizon, of z and of pixels in 0..1. None where no held-out episode is long enough.
    """
    from WorldModels.assembly.opening import open_decode, open_imagination

    series = held_out_series(run)
    longest = max((h for h in HORIZONS for s in series if len(s) >= WARM + h), default=0)
    if not longest:
        return None
    horizons = [h for h in HORIZONS if h <= longest]
    windows = _windows([s for s in series if len(s) >= WARM + longest], longest, run.rng("windows"))
    truth = windows["mean"][:, [WARM + h for h in horizons]]
    seen = np.repeat(windows["mean"][:, WARM : WARM + 1], len(horizons), axis=1)
    imagination = open_imagination(run.path)
    dreams = {
        name: dreamt_on(imagination, windows, longest, temperature, run.rng("noise"))[
            :, [h - 1 for h in horizons]
        ]
        for name, temperature in ((MODE, 0.0), (SAMPLED, 1.0))
    } | {CONSTANT: seen}
    decode = open_decode(run.path)
    frames = {name: _decoded(decode, z) for name, z in dreams.items()}
    shown = _decoded(decode, truth)
    return {
        "horizons": horizons,
        "windows": len(truth),
        "latent": {name: _error(z, truth) for name, z in dreams.items()},
        "frame": {name: _error(frame, shown) for name, frame in frames.items()},
    }


def _windows(
    series: Sequence[Any], longest: int, draw: np.random.Generator
) -> dict[str, np.ndarray]:
    """Pieces of episodes, WARM + longest steps each, from places drawn evenly: mean, z (drawn),
    actions and rewards before each step.
    """
    length, parts = WARM + longest, {"mean": [], "z": [], "actions": [], "rewards": []}
    places = [(s, t) for s in series for t in range(len(s) - length + 1)]
    for i in draw.choice(len(places), min(WINDOWS, len(places)), replace=False):
        s, t = places[i]
        here = slice(t, t + length + 1)
        parts["mean"].append(s.mean[here])
        parts["z"].append(
            s.mean[here]
            + np.exp(s.log_var[here] / 2) * draw.standard_normal(s.mean[here].shape, np.float32)
        )
        parts["actions"].append(s.actions[t : t + length])
        parts["rewards"].append(
            np.concatenate([[s.rewards[t - 1] if t else 0.0], s.rewards[t : t + length - 1]])
        )
    return {name: np.stack(part).astype(np.float32) for name, part in parts.items()}


def dreamt_on(
    imagination: Any,
    windows: dict[str, np.ndarray],
    longest: int,
    temperature: float,
    draw: np.random.Generator,
) -> np.ndarray:
    """What M dreams after WARM steps of true history, with the true actions.

    Args:
        imagination: see interfaces.Imagination.
        windows: z (N, WARM + longest + 1, Z), actions (N, WARM + longest, A), rewards (N, WARM +
            longest): the one before each step.
        longest: steps to dream.
        temperature: from 0, which gives the mode.
        draw: of the noise.

    Returns:
        z (N, longest, Z).
    """
    count, size = len(windows["z"]), windows["z"].shape[-1]
    state = {
        name: np.zeros((count, *shape), np.float32)
        for name, shape in imagination.state_spec.items()
    }
    temperatures, dreamt = np.full(count, temperature, np.float32), []
    for t in range(WARM + longest):
        if t <= WARM:
            state |= {LATENT: windows["z"][:, t], REWARD: windows["rewards"][:, t]}
        noise = {
            "component": draw.random((count, size), np.float32),
            "normal": draw.standard_normal((count, size), np.float32),
            "terminated": np.ones(count, np.float32),
        }
        z, _, _, _, _, state = imagination(windows["actions"][:, t], temperatures, noise, state)
        state = dict(state)
        dreamt.append(z)
    return np.stack(dreamt[WARM:], axis=1)


def _decoded(decode: Any, z: np.ndarray) -> np.ndarray:
    """Frames (N, K, H, W, 3) of latents (N, K, Z)."""
    return np.stack([decode(latents) for latents in z])


def _error(guess: np.ndarray, truth: np.ndarray) -> list[float]:
    """The mean squared difference at each horizon, of arrays (N, K, ...)."""
    return [
        float(np.mean((guess[:, k] - truth[:, k]) ** 2, dtype=np.float64))
        for k in range(guess.shape[1])
    ]
