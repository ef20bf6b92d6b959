"""An experiment: its name, its scale, and the settings of each noun.

The values in these files are the paper's for CarRacing (section references: Ha & Schmidhuber 2018;
code references: hardmaru/WorldModelsExperiments, carracing/). Presets state how the smaller scales
and the other games differ.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import tyro

from WorldModels.experiment.fields import free, recipe, within
from WorldModels.experiment.settings.controller import ControllerSettings
from WorldModels.experiment.settings.dream import DreamSettings
from WorldModels.experiment.settings.env import EnvSettings
from WorldModels.experiment.settings.evaluate import EvaluateSettings
from WorldModels.experiment.settings.iterate import IterateSettings
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.experiment.settings.record import RecordSettings
from WorldModels.experiment.settings.vision import VisionSettings


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name, its scale, and the settings of each noun."""

    flag_prefix: ClassVar[str] = ""

    name: Annotated[str, tyro.conf.Positional] = recipe("carracing")  # which experiment
    # which preset the flags start from
    scale: Literal["smoke", "laptop", "night", "paper"] = recipe("laptop")
    seed: int = recipe(0)  # every random draw follows from it
    # folder of the run; default results/NAME, results/NAME-smoke, results/NAME-paper
    results: str = free("")
    force: bool = free(False)  # make this verb's output again
    # folder of another run to take episodes, vision, series and memory from; or pretrained:NAME,
    # a driver that comes with the package, from whose mean and sigma C's search then starts
    reuse: str = free("")
    workers: int = free(0)  # worker processes; 0: one per core
    iteration: int = free(-1)  # which iteration's folder; -1: the latest
    iterations: int = free(1)  # how many iterations a launch script runs
    env: EnvSettings = EnvSettings()
    record: RecordSettings = RecordSettings()
    vision: VisionSettings = VisionSettings()
    memory: MemorySettings = MemorySettings()
    controller: ControllerSettings = ControllerSettings()
    dream: DreamSettings = DreamSettings()
    iterate: IterateSettings = IterateSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    @property
    def needs_judge(self) -> bool:
        """Whether another M scores the drivers of a search in the dream."""
        return self.controller.world != "real" and self.dream.judge == "other"

    def __post_init__(self):
        within(self, "seed", 0, 2**31 - 1)
        within(self, "workers", 0, 4096)
        within(self, "iteration", -1, 10**6)
        within(self, "iterations", 1, 10**6)
        if "c" in self.controller.features and not self.memory.has_c:
            raise ValueError(
                f"--controller.features: expected z or zh, received {self.controller.features}: "
                f"--memory.kind {self.memory.kind} has no c."
            )
        if (self.vision.kind == "dense") != (self.env.observation == "vector"):
            raise ValueError(
                "--vision.kind: expected dense with --env.observation vector and only then, "
                f"received {self.vision.kind} with {self.env.observation}."
            )
