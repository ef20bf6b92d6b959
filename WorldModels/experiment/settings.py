"""Every setting of an experiment as frozen dataclasses, one per noun, with meaning and unit beside
each field.

The values that stand here are the paper's for CarRacing (section references: Ha & Schmidhuber 2018;
code references:
hardmaru/WorldModelsExperiments, carracing/). Presets state how the smaller scales differ. This file
knows no network and
no environment.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from WorldModels.experiment.fields import budget, free, positive, within
from WorldModels.experiment.networks import ControllerSettings, MemorySettings, VisionSettings


@dataclass(frozen=True)
class EnvSettings:
    """The environment as V sees it."""

    id: str = "CarRacing-v3"  # Gymnasium id, or TakeCover (ViZDoom)
    # fast: our own picture; exact: the official one, bit for bit, drawn faster; official:
    # Gymnasium's own. Test scores never use fast.
    renderer: Literal["fast", "exact", "official"] = "fast"
    lap_complete: Literal["0.95", "1.0"] = (
        "0.95"  # share of tiles that ends a lap: CarRacing-v3's default, or v0's every tile
    )
    observation: Literal["frame", "vector"] = (
        "frame"  # what V sees: pictures, or the environment's own numbers (--vision.kind dense)
    )
    frame_size: Literal[64, 96] = (
        64  # pixels: 64 = top 84 rows area-resized, 96 = the whole official frame
    )
    max_steps: int = 1000  # steps after which an episode is truncated

    def __post_init__(self):
        positive(self, "max_steps")


@dataclass(frozen=True)
class RecordSettings:
    """Episodes to record, and who drives in them (hardmaru extract.py)."""

    episodes: int = budget(10_000)  # episodes to have in the folder (paper: 10,000)
    max_frames: int = 1000  # longest episode, in frames acted upon
    min_frames: int = 100  # shorter episodes are redrawn
    full_episode: bool = (
        True  # ignore terminations, so that every episode has max_frames (hardmaru extract.py)
    )
    random_start: bool = False  # start on a random tile of the track, without the zoom-in
    line_start_every: int = (
        8  # with random_start: every n-th episode starts at the line all the same
    )
    off_road_limit: int = 0  # cut an episode after this many steps off the road in a row (0: never)
    policies: str = "cauchy"  # who drives, as shares: "held:0.4,cauchy:0.3,brownian:0.3"; "controller" needs a trained one

    def __post_init__(self):
        positive(self, "episodes", "max_frames", "min_frames", "line_start_every")
        within(self, "off_road_limit", 0, 10**9)
        if self.min_frames > self.max_frames:
            raise ValueError(
                f"--record.min-frames: expected at most --record.max-frames ({self.max_frames}), received {self.min_frames}."
            )


@dataclass(frozen=True)
class DreamSettings:
    """The dream as a world, and the evolution of C in it (paper section 4; hardmaru
    doomrnn/doomrnn.py and train.py).
    """

    temperature: float = (
        1.15  # uncertainty of the dream: 1 as M learned it (paper: 1.15 gave the best driver)
    )
    reward: Literal["head", "constant"] = "head"  # M's prediction, or step_reward
    step_reward: float = 1.0  # reward of every step, where it is constant
    termination: Literal["threshold", "sampled", "never"] = (
        "threshold"  # paper; seed a draw from M's probability; only max_steps
    )
    threshold: float = 0.5  # probability above which the dream ends (hardmaru: logit > 0)
    max_steps: int = 0  # longest dream; 0: as long as the environment's episodes
    population_size: int = 64  # candidates a generation
    rollouts: int = 16  # dreams per candidate
    sigma: float = 0.1  # initial standard deviation of the search
    generations: int = budget(1800)  # of the evolution in the dream
    validation_every: int = 25  # generations between two scores of the mean, in the dream
    validation_rollouts: int = 1024  # dreams in such a score

    def __post_init__(self):
        positive(
            self,
            "temperature",
            "rollouts",
            "sigma",
            "generations",
            "validation_every",
            "validation_rollouts",
        )
        within(self, "step_reward", -1e9, 1e9)
        within(self, "threshold", 0.0, 1.0)
        within(self, "max_steps", 0, 10**9)
        within(self, "population_size", 4, 10**6)


@dataclass(frozen=True)
class IterateSettings:
    """What iteration k takes from iteration k - 1 (paper section 5)."""

    controller_share: float = 0.5  # share of the new episodes that the controller before drives; the rest as --record.policies says
    episodes: Literal["all", "own"] = (
        "all"  # V and M train on all episodes so far, or on the iteration's own
    )
    networks: Literal["previous", "afresh"] = (
        "previous"  # V and M begin with the weights before, or with none
    )
    controller: Literal["previous", "anew"] = (
        "previous"  # the search begins at the mean before, or at zeros
    )

    def __post_init__(self):
        within(self, "controller_share", 0.0, 1.0)
        if (self.networks, self.controller) == ("afresh", "previous"):
            raise ValueError(
                "--iterate.controller: expected anew beside --iterate.networks afresh, received previous: to networks trained afresh an "
                "old mean means nothing; give --iterate.controller anew."
            )


@dataclass(frozen=True)
class EvaluateSettings:
    """The test: tracks, or games, that chose nothing, in the official environment."""

    tracks: int = budget(100)  # test tracks
    baseline_tracks: int = budget(20)  # test tracks for each policy beside it
    baselines: str = "cauchy,straight"  # policies beside it that do not look, the random one first: see control/policies.py
    dreams: int = budget(
        100
    )  # dreams of the driver and of each policy, where it was evolved in one
    curve_games: int = budget(
        20
    )  # real games of each kept generation of a driver evolved in the dream
    frames: bool = budget(False)  # also write every frame of the filmed episode as PNG
    video_tracks: int = budget(1)  # test tracks that are filmed

    def __post_init__(self):
        positive(self, "tracks", "baseline_tracks", "video_tracks", "dreams")
        within(self, "curve_games", 0, 10**6)


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name, its scale, and the settings of each noun."""

    name: Annotated[str, tyro.conf.Positional] = "carracing"  # which experiment
    scale: Literal["smoke", "laptop", "paper"] = "laptop"  # which preset the flags start from
    seed: int = 0  # every random draw follows from it
    results: str = free(
        ""
    )  # folder of the run; default results/NAME, results/NAME-smoke, results/NAME-paper
    force: bool = free(False)  # make this verb's output anew
    reuse: str = free(
        ""
    )  # folder of another run, whose episodes, vision, series and memory are taken where settings agree
    workers: int = free(0)  # worker processes; 0: one per core
    iteration: int = free(-1)  # which iteration's folder; -1: the latest
    iterations: int = free(1)  # how many a launch script goes through
    env: EnvSettings = EnvSettings()
    record: RecordSettings = RecordSettings()
    vision: VisionSettings = VisionSettings()
    memory: MemorySettings = MemorySettings()
    controller: ControllerSettings = ControllerSettings()
    dream: DreamSettings = DreamSettings()
    iterate: IterateSettings = IterateSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def __post_init__(self):
        within(self, "seed", 0, 2**31 - 1)
        within(self, "workers", 0, 4096)
        within(self, "iteration", -1, 10**6)
        within(self, "iterations", 1, 10**6)
        if "c" in self.controller.features and not self.memory.has_c:
            raise ValueError(
                f"--controller.features: expected z or zh, received {self.controller.features}: --memory.kind {self.memory.kind} has no c."
            )
        if (self.vision.kind == "dense") != (self.env.observation == "vector"):
            raise ValueError(
                "--vision.kind: expected dense beside --env.observation vector and only there, received "
                f"{self.vision.kind} beside {self.env.observation}."
            )
