"""The test, on test tracks or games of the official environment."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import budget, free, positive, recipe, within

DREAMT = {"controller.world": ("dream", "mixed")}


@dataclass(frozen=True)
class EvaluateSettings:
    """The test: tracks or games that played no part in training or choosing the driver."""

    flag_prefix: ClassVar[str] = "evaluate"

    # which games: those seen many times while this was built, or those for the last word
    seeds: Literal["test", "final"] = free("test")
    tracks: int = budget(100)  # test tracks
    baseline_tracks: int = budget(20)  # test tracks for each blind policy
    # blind policies to compare with, the random one first: see control/policies.py
    baselines: str = recipe("cauchy,straight")
    # dreams of the driver and of each policy, if C was evolved in a dream
    dreams: int = budget(100, DREAMT)
    # real games for each kept generation of a driver evolved in the dream
    curve_games: int = budget(20, DREAMT)
    frames: bool = budget(False)  # also write every frame of the filmed episode as PNG
    video_tracks: int = budget(1)  # test tracks that are filmed

    def __post_init__(self):
        positive(self, "tracks", "baseline_tracks", "video_tracks", "dreams")
        within(self, "curve_games", 0, 10**6)
