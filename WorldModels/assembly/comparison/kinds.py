"""The kinds to compare: each becomes the flags that make it, and the name of a folder.

    --kinds mdn_rnn,mdn_rnn:joint,trade:paper      kind[:option[:option]]

An option is the value of a setting of the noun. In a comparison within results/carracing, the kind
`trade:paper` is in results/carracing-trade-paper.
"""

from dataclasses import dataclass, fields
from typing import get_args

from WorldModels.experiment.settings.controller import ControllerSettings
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.experiment.settings.vision import VisionSettings


@dataclass(frozen=True)
class Noun:
    """Something that comes in several kinds, which compare compares.

    Attributes:
        settings: the class of its settings.
        flag: the part of its flags before the dot.
        field: the setting whose values are the kinds.
        options: setting whose values may follow a kind after a colon -> the kinds that have it.
        takes: the stages that the kinds share, and so take from the run.
        usual: the kinds to compare when none are named.
    """

    settings: type
    flag: str
    field: str
    options: dict[str, tuple[str, ...]]
    takes: tuple[str, ...]
    usual: str

    def values(self, field: str) -> tuple[str, ...]:
        """The values that a setting may have."""
        return next(get_args(f.type) for f in fields(self.settings) if f.name == field)

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds."""
        return self.values(self.field)


NOUNS = {
    "memory": Noun(
        MemorySettings,
        "memory",
        "kind",
        {"mixture": ("mdn_rnn", "transformer", "trade"), "trade": ("trade",)},
        ("episodes", "vision", "series"),
        "mdn_rnn,mdn_rnn:joint,transformer,trade:seed,trade:paper",
    ),
    "vision": Noun(
        VisionSettings,
        "vision",
        "kind",
        {"generator_loss": ("vae_gan",)},
        ("episodes",),
        "vae,vae_gan",
    ),
    "optimizer": Noun(
        ControllerSettings,
        "controller",
        "optimizer",
        {},
        ("episodes", "vision", "series", "memory"),
        "cma,openes,pepg,ses,ga",
    ),
}


@dataclass(frozen=True)
class Kind:
    """A kind to compare: its `name` as typed, and the `flags` that select it."""

    name: str
    flags: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """What is added to the name of the run's folder to name the kind's."""
        return "-" + self.name.replace(":", "-")


def parsed(text: str, noun: str) -> list[Kind]:
    """The kinds in "mdn_rnn,trade:paper", each once, in the order given.

    Args:
        text: as typed; empty: the noun's usual kinds.
        noun: a key of NOUNS.

    Raises:
        ValueError: an unknown kind or option; the message lists the known ones.
    """
    about = NOUNS[noun]
    names = [name.strip() for name in (text or about.usual).split(",")]
    return [_kind(name, about) for name in dict.fromkeys(names)]


def _kind(name: str, noun: Noun) -> Kind:
    kind, *options = name.split(":")
    if kind not in noun.kinds:
        raise ValueError(f"--kinds: expected some of {', '.join(noun.kinds)}, received {kind!r}.")
    flags = [f"--{noun.flag}.{noun.field}", kind]
    for option in options:
        own = [field for field, kinds in noun.options.items() if kind in kinds]
        field = next((field for field in own if option in noun.values(field)), None)
        if field is None:
            there = ", ".join(value for field in own for value in noun.values(field)) or "none"
            raise ValueError(
                f"--kinds: expected one of these options after {kind}: {there}; "
                f"received {option!r}."
            )
        flags += [f"--{noun.flag}.{field}".replace("_", "-"), option]
    return Kind(name, tuple(flags))
