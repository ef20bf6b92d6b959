"""config.json of a run: its name, its scale, and the flags that were typed for it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import named, plain
from WorldModels.experiment.files import read_json
from WorldModels.experiment.older import GONE, flags_of
from WorldModels.experiment.remedies import config_again

KINDS = ("vision.kind", "memory.kind", "memory.trade")  # settings that choose a noun's preset


@dataclass(frozen=True)
class Memo:
    """What config.json remembers: the run's name and scale, and flags as typed, by dotted name."""

    name: str
    scale: str
    typed: dict[str, Any] = field(default_factory=dict)


def memo_of(folder: str | Path) -> Memo | None:
    """What a run's folder remembers; None if there is no run.

    Raises:
        ValueError: config.json is damaged.
    """
    path = Path(folder) / "config.json"
    stored = read_json(path, lambda: config_again(path))
    if stored is None:
        return None
    try:
        typed = stored["typed"] if "typed" in stored else flags_of(stored)
        present = {name: value for name, value in dict(typed).items() if name not in GONE}
        return Memo(stored["name"], stored["scale"], present)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(
            f"{path}: expected the settings of a run, received a damaged file ({error}); write it "
            f"again: {config_again(path)}"
        ) from None


def to_remember(folder: Path, experiment: Any, typed: frozenset[str]) -> dict[str, Any]:
    """What config.json remembers after a verb: the earlier flags, and those typed now.

    A new kind of V or M drops the earlier flags of its noun.

    Args:
        folder: the run's folder.
        experiment: the settings as parsed.
        typed: dotted names of the flags typed now.
    """
    memo = memo_of(folder)
    before = dict(memo.typed) if memo else {}
    now = {
        name: plain(value)
        for name, each, value in named(experiment)
        if name in typed and each.metadata["remembered"] and name not in ("name", "scale")
    }
    for noun in ("vision", "memory"):
        if any(
            now.get(kind, before.get(kind)) != before.get(kind)
            for kind in KINDS
            if kind.startswith(noun)
        ):
            drop(before, noun)
    return before | now


def drop(values: dict[str, Any], noun: str) -> None:
    """Remove a noun's settings."""
    for name in [name for name in values if name.startswith(f"{noun}.")]:
        del values[name]


def typed_names(argv: list[str]) -> frozenset[str]:
    """The dotted names of the flags typed: --vision.latent-size gives vision.latent_size."""
    names = set()
    for word in argv:
        if word.startswith("--") and len(word) > 2:
            name = word[2:].split("=")[0].replace("-", "_")
            noun, dot, last = name.rpartition(".")
            names |= {name, f"{noun}{dot}{last.removeprefix('no_')}"}
    return frozenset(names)
