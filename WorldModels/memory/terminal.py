"""How well M predicts the end of an episode: its logits on recorded episodes, and their scores."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops


def terminated_logits(
    memory: Any, batches: Iterable[dict[str, np.ndarray]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """M's logit for the end, and whether it came, at every step of some episodes.

    Args:
        memory: with a terminated head.
        batches: from SeriesBatches of kind "episodes": each row an episode from its first step.

    Returns:
        Two lists with an array (T,) per episode: logits, float32, and targets, 1 at a step that
        ended the episode, else 0.

    Raises:
        ValueError: M has no terminated head.
    """
    if memory.terminated is None:
        raise ValueError(
            "memory: expected one that predicts the end of an episode, received one without that "
            "head; train it with --memory.terminated-head."
        )
    logits, targets = [], []
    for batch in batches:
        state = memory.initial_state(len(batch["mask"]))
        hidden, _ = memory.sequence(batch["z"], batch["actions"], batch["last_rewards"], state)
        rows = ops.convert_to_numpy(memory.terminated(hidden))[..., 0]
        steps = batch["mask"].sum(axis=1).astype(int)
        logits += [row[:n] for row, n in zip(rows, steps, strict=True)]
        targets += [row[:n] for row, n in zip(batch["terminated"], steps, strict=True)]
    return logits, targets


def terminal_scores(
    logits: Sequence[np.ndarray], targets: Sequence[np.ndarray], threshold: float = 0.0
) -> dict[str, float | None]:
    """Recall, false alarms and the area under the curve of predictions of the end.

    Args:
        logits: an array (T,) per episode; or probabilities, with a threshold to match.
        targets: an array (T,) per episode, 1 at a step that ended the episode, else 0.
        threshold: the end is predicted above it.

    Returns:
        terminal_recall: the share of ends that are predicted at that very step, None where no
            episode ended;
        false_alarms: steps per episode at which an end is predicted that does not come;
        terminal_auc: see `area_under_curve`.
    """
    scores, ends = np.concatenate(list(logits)), np.concatenate(list(targets)) > 0.5
    alarms = scores > threshold
    return {
        "terminal_recall": float(alarms[ends].mean()) if ends.any() else None,
        "false_alarms": float(alarms[~ends].sum() / len(targets)),
        "terminal_auc": area_under_curve(scores, ends),
    }


def area_under_curve(scores: np.ndarray, ends: np.ndarray) -> float | None:
    """The probability that a step that ended an episode scores higher than one that did not.

    A tie counts half (Mann and Whitney 1947).

    Args:
        scores: (N,).
        ends: (N,) bool, whether a step ended its episode.

    Returns:
        0 to 1; None unless there are steps of both kinds.
    """
    if ends.all() or not ends.any():
        return None
    others = np.sort(scores[~ends])
    below, at_most = (np.searchsorted(others, scores[ends], side) for side in ("left", "right"))
    return float((below + at_most).mean() / 2 / len(others))
