"""What iteration k takes from iteration k - 1 (paper section 5)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import recipe, within


@dataclass(frozen=True)
class IterateSettings:
    """What iteration k takes from iteration k - 1 (paper section 5)."""

    flag_prefix: ClassVar[str] = "iterate"

    # share of the new episodes that the previous controller drives; --record.policies: the rest
    controller_share: float = recipe(0.5)
    # V and M train on all episodes so far, or on the iteration's own
    episodes: Literal["all", "own"] = recipe("all")
    # V and M start from the previous weights, or from new ones
    networks: Literal["previous", "afresh"] = recipe("previous")
    # the search starts at the previous mean, or at zeros
    controller: Literal["previous", "anew"] = recipe("previous")

    def __post_init__(self):
        within(self, "controller_share", 0.0, 1.0)
        if (self.networks, self.controller) == ("afresh", "previous"):
            raise ValueError(
                "--iterate.controller: expected anew with --iterate.networks afresh, received "
                "previous: the old mean means nothing to new networks; give "
                "--iterate.controller anew."
            )
