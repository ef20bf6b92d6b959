"""The episodes to record, and who drives in them (hardmaru extract.py)."""

from dataclasses import dataclass
from typing import ClassVar

from WorldModels.experiment.fields import budget, positive, recipe, within

ON_A_ROAD = {"game.has_road": (True,)}


@dataclass(frozen=True)
class RecordSettings:
    """Episodes to record, and who drives in them (hardmaru extract.py)."""

    flag_prefix: ClassVar[str] = "record"

    episodes: int = budget(10_000)  # episodes to have in the folder (paper: 10,000)
    max_frames: int = recipe(1000)  # longest episode, in steps
    min_frames: int = recipe(100)  # shorter episodes are redrawn
    # ignore terminations, so that every episode has max_frames (hardmaru extract.py)
    full_episode: bool = recipe(True)
    # start on a random tile of the track, and skip the zoom-in
    random_start: bool = recipe(False, acts=ON_A_ROAD)
    # with random_start: every n-th episode still starts at the line
    line_start_every: int = recipe(8, acts=ON_A_ROAD | {"record.random_start": (True,)})
    # cut an episode after this many steps off the road in a row (0: never)
    off_road_limit: int = recipe(0, acts=ON_A_ROAD)
    # who drives, as shares: "held:0.4,cauchy:0.3,brownian:0.3"; "controller" needs a trained C
    policies: str = recipe("cauchy")
    # share of the episodes that neither V nor M trains on, to score both (the paper holds out none)
    held_out_share: float = recipe(0.05)

    def __post_init__(self):
        positive(self, "episodes", "max_frames", "min_frames", "line_start_every")
        within(self, "off_road_limit", 0, 10**9)
        within(self, "held_out_share", 0.0, 0.9)
        if self.min_frames > self.max_frames:
            raise ValueError(
                f"--record.min-frames: expected at most --record.max-frames ({self.max_frames}), "
                f"received {self.min_frames}."
            )
