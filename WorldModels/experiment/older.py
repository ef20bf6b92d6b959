"""Reads the config.json of older runs, which held all settings instead of the flags typed."""

import json
from pathlib import Path
from typing import Any

ONE_SPLIT = (
    "V and M hold out the same episodes now, so give the share when they are recorded: "
    "--record.held-out-share"
)
# Settings that no longer exist -> what to do instead. Where a run has one it is dropped.
GONE = {
    "controller.keep_every": "the mean of every generation is kept now, so drop the flag and give "
    "the generation that you want: --controller.generation K",
    "vision.validation_share": ONE_SPLIT,
    "memory.validation_share": ONE_SPLIT,
}
# Of these, the ones by which a stage made before still holds.
KEPT = ("vision.validation_share", "memory.validation_share")
# Settings that came later -> what a stage was made with that does not list them.
SINCE = {
    "memory.log_std_floor": "-inf",
    "vision.median_start": False,
    "controller.covariance": "full",
    "env.kwargs": "{}",
    "memory.weights": "float32",
    "vision.weights": "float32",
    "memory.lstm_dropout": 0.0,
    "memory.reward_target": "reward",
    "memory.optimizer": "adam",
    "memory.patience": 0,
    "vision.patience": 0,
    "vision.flip": False,
    "dream.calibrate": False,
    "dream.judge": "none",
    "dream.patience": 0,
}
PRESETS = "presets_before.json"  # the presets of that time, by experiment and scale


def flags_of(stored: dict) -> dict[str, Any]:
    """The flags counted as typed in such a run: settings that differ from the preset of its time.

    Args:
        stored: contents of its config.json: settings by noun.

    Returns:
        Dotted setting -> value. Settings that no longer exist are included; the reader drops them.
    """
    presets = json.loads(Path(__file__).with_name(PRESETS).read_text())
    preset = presets[stored["name"]][stored["scale"]]
    flags = {}
    for noun, before in preset.items():
        if noun == "kinds" or noun not in stored:
            continue
        if not isinstance(before, dict):
            flags |= {noun: stored[noun]} if stored[noun] != before else {}
            continue
        before = before | _of_kind(noun, stored[noun], preset["kinds"])
        for name, value in stored[noun].items():
            if name in before and value != before[name]:
                flags[f"{noun}.{name}"] = value
    return {name: value for name, value in flags.items() if name not in NOT_REMEMBERED}


NOT_REMEMBERED = {
    "results",
    "force",
    "reuse",
    "workers",
    "iteration",
    "iterations",
    "controller.generation",
}


def refuse_gone(typed: frozenset[str]) -> None:
    """Refuse a flag that no longer exists.

    Args:
        typed: dotted names of the flags typed.

    Raises:
        ValueError: there is one; the message says what to do instead.
    """
    for name, remedy in GONE.items():
        if name in typed:
            flag = f"--{name}".replace("_", "-")
            raise ValueError(
                f"{flag}: expected a flag of today, received one of the past; {remedy}."
            )


def _of_kind(noun: str, settings: dict, kinds: dict) -> dict:
    """How the preset of the run's kind of network differed then."""
    kind = settings.get("kind")
    if noun == "memory" and (kind, settings.get("trade")) == ("trade", "paper"):
        kind = "trade:paper"
    return kinds.get(noun, {}).get(kind, {})
