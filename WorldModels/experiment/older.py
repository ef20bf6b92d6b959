"""Reads the config.json of older runs, which held all settings instead of the flags typed."""

import json
from pathlib import Path
from typing import Any

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


def _of_kind(noun: str, settings: dict, kinds: dict) -> dict:
    """How the preset of the run's kind of network differed then."""
    kind = settings.get("kind")
    if noun == "memory" and (kind, settings.get("trade")) == ("trade", "paper"):
        kind = "trade:paper"
    return kinds.get(noun, {}).get(kind, {})
