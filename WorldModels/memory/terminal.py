"""How well M foresees the end of an episode: its logits on recorded episodes, and three numbers
about them.

Knows a memory's interface and the batches that it is trained on, and no file.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops


def terminated_logits(
    memory: Any, batches: Iterable[dict[str, np.ndarray]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """M's logit of the end, and whether it came, at every step of some episodes.

    Args:
        memory: with a terminated head.
        batches: dicts as SeriesBatches of kind "episodes" makes them: a row an episode from its
            first step on.

    Returns:
        Two lists with an array (T,) an episode: logits float32, and targets, 1 at a step that ended
        it and else 0.

    Raises:
        ValueError: M has no terminated head.
    """
    if memory.terminated is None:
        raise ValueError(
            "memory: expected one that predicts the end of an episode, received one without that head; "
            "train it with --memory.terminated-head."
        )
    logits, targets = [], []
    for batch in batches:
        state = memory.initial_state(len(batch["mask"]))
        hidden, _ = memory.sequence(batch["z"], batch["actions"], batch["rewards"], state)
        rows = ops.convert_to_numpy(memory.terminated(hidden))[..., 0]
        steps = batch["mask"].sum(axis=1).astype(int)
        logits += [row[:n] for row, n in zip(rows, steps, strict=True)]
        targets += [row[:n] for row, n in zip(batch["terminated"], steps, strict=True)]
    return logits, targets


def terminal_scores(
    logits: Sequence[np.ndarray], targets: Sequence[np.ndarray], threshold: float = 0.0
) -> dict[str, float | None]:
    """Recall, false alarms and the area under the curve of a prediction of the end.

    Args:
        logits: an array (T,) an episode; probabilities do as well, with a threshold among them.
        targets: an array (T,) an episode, 1 at a step that ended it and else 0.
        threshold: the end is predicted above it.

    Returns:
        terminal_recall: share of the ends that are predicted at their very step, None where no
            episode ended;
        false_alarms: steps an episode at which an end is predicted that does not come;
        terminal_auc: the probability that a step that ended an episode has a higher logit than one
            that did not, a tie counting
        half (Mann and Whitney 1947); None where there are not both.
    """
    scores, ends = np.concatenate(list(logits)), np.concatenate(list(targets)) > 0.5
    alarms, num_ends, num_others = scores > threshold, int(ends.sum()), int((~ends).sum())
    auc = None
    if num_ends and num_others:
        others = np.sort(scores[~ends])
        below, at_most = (
            np.searchsorted(others, scores[ends], side=side) for side in ("left", "right")
        )
        auc = float((below + at_most).mean() / 2 / num_others)
    return {
        "terminal_recall": float(alarms[ends].mean()) if num_ends else None,
        "false_alarms": float(alarms[~ends].sum() / len(targets)),
        "terminal_auc": auc,
    }
