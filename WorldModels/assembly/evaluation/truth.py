"""Tests how faithful M's dreams are, on held-out episodes.

One test asks whether M predicts the end of an episode, the other how soon M's dream strays from it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.interfaces import LATENT, REWARD, STEPPED

HORIZONS = (1, 2, 5, 10, 20, 50, 100)  # steps dreamt since the last frame that M saw
WARM = 20  # steps of true history before the dream
WINDOWS = 128  # places in held-out episodes at which M starts to dream
BATCH = 25  # episodes in a batch
MODE, SAMPLED, CONSTANT = "mode", "sampled", "last frame kept"
Draw = Callable[[str], np.random.Generator]  # purpose -> its random generator


def held_out_series(folder: Path, experiment: Experiment) -> list:
    """The Series that M was not trained on; empty if there are none.

    Args:
        folder: of an iteration; its name is the iteration's number.
        experiment: all settings.

    Raises:
        ValueError: a series is damaged.
    """
    from WorldModels.episodes.series import read_split

    return read_split(folder, experiment)[1]


def foresight_of(folder: Path, experiment: Experiment) -> dict | None:
    """`foresight` of the M in a folder on its held-out series; arguments: see held_out_series.

    Returns:
        None if M has no terminated head or nothing was held out.
    """
    if not experiment.memory.terminated_head:
        return None
    series = held_out_series(folder, experiment)
    return foresight(folder / "memory.keras", series) if series else None


def foresight(memory_file: Path, series: Sequence[Any]) -> dict:
    """How well M predicts the end of an episode at each step of its true history.

    Args:
        memory_file: .keras file of an M with a terminated head.
        series: held-out Series.

    Returns:
        The scores of memory.terminal.terminal_scores, and the number of episodes.
    """
    from WorldModels.assembly.models import load_memory
    from WorldModels.memory.batches import SeriesBatches
    from WorldModels.memory.terminal import terminal_scores, terminated_logits

    memory, logits, targets = load_memory(memory_file), [], []
    for start in range(0, len(series), BATCH):
        some = series[start : start + BATCH]
        batches = SeriesBatches(some, "episodes", len(some), max(map(len, some)))
        found = terminated_logits(memory, [batches[0]])
        logits, targets = logits + found[0], targets + found[1]
    return terminal_scores(logits, targets) | {"episodes": len(series)}


def horizon_errors(folder: Path, series: Sequence[Any], draw: Draw) -> dict | None:
    """How far M's dream strays from an episode that it continues, given the true actions.

    The truth is the mean of V's posterior, and the frame that V decodes from it. M dreams at
    temperature 1, and at 0, where each dimension of z is the mean of its heaviest component. The
    baseline repeats the last frame that was seen.

    Args:
        folder: an iteration's folder with V and M.
        series: held-out Series.
        draw: gives the random generators of "windows" and "noise".

    Returns:
        horizons; windows, their number; latent and frame, the mean squared difference of z and of
        pixels in 0..1 at each horizon, for "mode", "sampled" and "last frame kept". None if no
        episode is long enough.
    """
    longest = max((h for h in HORIZONS for s in series if len(s) >= WARM + h), default=0)
    if not longest:
        return None
    horizons = [h for h in HORIZONS if h <= longest]
    long_enough = [s for s in series if len(s) >= WARM + longest]
    windows = _windows(long_enough, longest, draw("windows"))
    truth = windows["mean"][:, [WARM + h for h in horizons]]
    last_seen = np.repeat(windows["mean"][:, WARM : WARM + 1], len(horizons), axis=1)
    guesses = _dreams(folder, windows, horizons, draw) | {CONSTANT: last_seen}
    return {"horizons": horizons, "windows": len(truth)} | _errors(folder, guesses, truth)


def _dreams(
    folder: Path, windows: dict[str, np.ndarray], horizons: list[int], draw: Draw
) -> dict[str, np.ndarray]:
    """Latents (N, horizons, Z) that M dreams at temperatures 0 and 1, with the same noise."""
    from WorldModels.assembly.opening import open_imagination

    imagination, places = open_imagination(folder), [h - 1 for h in horizons]
    return {
        name: dreamt_on(imagination, windows, horizons[-1], temperature, draw("noise"))[:, places]
        for name, temperature in ((MODE, 0.0), (SAMPLED, 1.0))
    }


def _errors(folder: Path, guesses: dict[str, np.ndarray], truth: np.ndarray) -> dict[str, dict]:
    """Mean squared differences of latents (N, horizons, Z), and of the frames decoded from them."""
    from WorldModels.assembly.opening import open_decode

    decode = open_decode(folder)
    shown = _decoded(decode, truth)
    return {
        "latent": {name: _error(z, truth) for name, z in guesses.items()},
        "frame": {name: _error(_decoded(decode, z), shown) for name, z in guesses.items()},
    }


def _windows(
    series: Sequence[Any], longest: int, draw: np.random.Generator
) -> dict[str, np.ndarray]:
    """Windows of WARM + longest steps, at places drawn uniformly from all episodes.

    Returns:
        mean and z (drawn) of every frame (N, WARM + longest + 1, Z); actions
        (N, WARM + longest, A); rewards (N, WARM + longest), each received before its step; and
        stepped (N, 1), 1 where the window begins within its episode.
    """
    names = ("mean", "z", "actions", "rewards", STEPPED)
    length, parts = WARM + longest, {name: [] for name in names}
    places = [(s, t) for s in series for t in range(len(s) - length + 1)]
    for i in draw.choice(len(places), min(WINDOWS, len(places)), replace=False):
        s, t = places[i]
        mean, log_var = s.mean[t : t + length + 1], s.log_var[t : t + length + 1]
        z = mean + np.exp(log_var / 2) * draw.standard_normal(mean.shape, np.float32)
        before = [s.rewards[t - 1] if t else 0.0]
        parts[STEPPED].append([t > 0])
        parts["mean"].append(mean)
        parts["z"].append(z)
        parts["actions"].append(s.actions[t : t + length])
        parts["rewards"].append(np.concatenate([before, s.rewards[t : t + length - 1]]))
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
        windows: see `_windows`.
        longest: number of steps to dream.
        temperature: 0 or more; 0 gives the mode.
        draw: generator of the noise.

    Returns:
        z (N, longest, Z).
    """
    z, dreamt = windows["z"], []
    temperatures = np.full(len(z), temperature, np.float32)
    state = {
        name: np.zeros((len(z), *shape), np.float32)
        for name, shape in imagination.state_spec.items()
    }
    if STEPPED in state:
        state[STEPPED] = windows[STEPPED]
    for t in range(WARM + longest):
        if t <= WARM:
            state |= {LATENT: z[:, t], REWARD: windows["rewards"][:, t]}
        noise = _noise(len(z), z.shape[-1], draw)
        latent, *_, state = imagination(windows["actions"][:, t], temperatures, noise, state)
        state = dict(state)
        dreamt.append(latent)
    return np.stack(dreamt[WARM:], axis=1)


def _noise(count: int, size: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """The noise of one step; the constant 1 keeps every dream from ending."""
    return {
        "component": draw.random((count, size), np.float32),
        "normal": draw.standard_normal((count, size), np.float32),
        "terminated": np.ones(count, np.float32),
    }


def _decoded(decode: Callable[[np.ndarray], np.ndarray], z: np.ndarray) -> np.ndarray:
    """Frames (N, K, H, W, 3), or vectors (N, K, D), of latents (N, K, Z)."""
    return np.stack([decode(latents) for latents in z])


def _error(guess: np.ndarray, truth: np.ndarray) -> list[float]:
    """The mean squared difference of two arrays (N, K, ...) at each of K horizons."""
    squares = [(guess[:, k] - truth[:, k]) ** 2 for k in range(guess.shape[1])]
    return [float(np.mean(square, dtype=np.float64)) for square in squares]
