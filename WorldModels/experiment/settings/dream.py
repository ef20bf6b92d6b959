"""The dream as a world, and the evolution of C in it (paper section 4; hardmaru doomrnn/)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import budget, free, positive, recipe, within

EVOLVED_HERE = {"controller.world": ("dream", "mixed")}


@dataclass(frozen=True)
class DreamSettings:
    """The dream as a world, and the evolution of C in it.

    Paper section 4; hardmaru doomrnn/doomrnn.py and train.py.
    """

    flag_prefix: ClassVar[str] = "dream"

    # uncertainty of the dream; 1: as M learned it (paper: 1.15 gave the best driver)
    temperature: float = recipe(1.15)
    reward: Literal["head", "constant"] = recipe("head")  # M's prediction, or step_reward
    # reward of every step, if constant
    step_reward: float = recipe(1.0, {"dream.reward": ("constant",)})
    # threshold: as in the paper; sampled: drawn by M's probability; never: only max_steps ends it
    termination: Literal["threshold", "sampled", "never"] = recipe("threshold")
    # probability above which the dream ends (hardmaru: logit > 0)
    threshold: float = recipe(0.5, {"dream.termination": ("threshold",)})
    max_steps: int = recipe(0)  # longest dream; 0: as long as the environment's episodes
    # fit temperature and threshold, if not typed, so that policies fare as in the game
    calibrate: bool = recipe(False, EVOLVED_HERE)
    # who scores the mean: this dream; another M, trained on half of the episodes; or this M in a
    # dream that is fitted to the game
    judge: Literal["none", "other", "calibrated"] = recipe("none", EVOLVED_HERE)
    # stop after this many validations without a higher score; 0: never
    patience: int = recipe(0, EVOLVED_HERE)
    # evolve a driver even in a dream that is much kinder than the game
    accept_gate: bool = free(False, EVOLVED_HERE)
    population_size: int = recipe(64, EVOLVED_HERE)  # candidates per generation
    rollouts: int = recipe(16, EVOLVED_HERE)  # dreams per candidate
    sigma: float = recipe(0.1, EVOLVED_HERE)  # initial standard deviation of the search
    generations: int = budget(1800, EVOLVED_HERE)  # of the search in the dream
    # generations between validation scores of the mean, in the dream
    validation_every: int = recipe(25, EVOLVED_HERE)
    validation_rollouts: int = recipe(1024, EVOLVED_HERE)  # dreams per score

    def __post_init__(self):
        positive(self, "temperature", "rollouts", "sigma", "generations")
        positive(self, "validation_every", "validation_rollouts")
        within(self, "step_reward", -1e9, 1e9)
        within(self, "threshold", 0.0, 1.0)
        within(self, "max_steps", 0, 10**9)
        within(self, "patience", 0, 10**6)
        within(self, "population_size", 4, 10**6)
