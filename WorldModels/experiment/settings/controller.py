"""C and its evolution, by default CMA-ES (paper section A.4; hardmaru train.py)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import budget, free, positive, recipe, shape, within

IN_THE_REAL_WORLD = {"controller.world": ("real", "mixed")}
CMA = {"controller.optimizer": ("cma",)}
ANNEALED = IN_THE_REAL_WORLD | {"controller.sigma_schedule": ("anneal",)}


@dataclass(frozen=True)
class ControllerSettings:
    """C, the linear controller, and its evolution (paper section A.4; hardmaru train.py)."""

    flag_prefix: ClassVar[str] = "controller"

    # where C evolves; mixed: in the dream, then in the real world
    world: Literal["real", "dream", "mixed"] = recipe("real")
    features: Literal["z", "zh", "zch"] = shape("zh")  # what C sees: z; z and h; or z, c and h
    # units of a tanh hidden layer; 0: linear (paper: 40 for "V with a hidden layer")
    num_hidden: int = shape(0)
    bias: bool = shape(True)  # add a bias to each action
    # the z that C and M get, in training and in use; always sampled for C from a dream
    latent: Literal["mean", "sampled"] = shape("sampled", {"controller.world": ("real",)})
    # evolution strategy (hardmaru es.py); ses: pepg whose mean moves to the best tenth,
    # ga: a genetic algorithm
    optimizer: Literal["cma", "openes", "pepg", "ses", "ga"] = recipe("cma")
    # what CMA-ES learns of how parameters vary together; auto: full up to 3,000 parameters
    covariance: Literal["auto", "full", "diagonal"] = recipe("auto", CMA)
    population_size: int = recipe(64, IN_THE_REAL_WORLD)  # candidates per generation
    rollouts: int = recipe(16, IN_THE_REAL_WORLD)  # episodes per candidate
    # episodes per candidate once sigma anneals (0: same as --controller.rollouts)
    late_rollouts: int = recipe(0, ANNEALED)
    # initial standard deviation of the search
    sigma: float = recipe(0.1, IN_THE_REAL_WORLD)
    # anneal: sigma falls geometrically late in the budget
    sigma_schedule: Literal["constant", "anneal"] = recipe("constant", IN_THE_REAL_WORLD)
    sigma_final: float = recipe(0.03, ANNEALED)  # anneal: where sigma ends
    anneal_start: float = recipe(0.4, ANNEALED)  # anneal: share of the budget before it falls
    common_tracks: bool = recipe(True)  # all candidates of a generation drive the same tracks
    # training only: stop an episode after this many steps without a positive reward (0: never)
    hopeless_steps: int = recipe(0, IN_THE_REAL_WORLD)
    generations: int = budget(1800, IN_THE_REAL_WORLD)  # of the search; 0: no limit
    # environment steps of training; 0: no limit
    steps: int = budget(0, IN_THE_REAL_WORLD)
    # generations between validation scores of the mean
    validation_every: int = recipe(25, IN_THE_REAL_WORLD)
    # episodes per validation score, on tracks never trained on
    validation_rollouts: int = recipe(1024, IN_THE_REAL_WORLD)
    # stop once the mean's validation score reaches this
    target_return: float = budget(math.inf)
    # the mean that record and evaluate use: -1 the best, else a kept generation
    generation: int = free(-1)

    def __post_init__(self):
        positive(self, "rollouts", "sigma", "sigma_final", "validation_every")
        positive(self, "validation_rollouts")
        within(self, "population_size", 4, 10**6)
        within(self, "num_hidden", 0, 10**6)
        within(self, "late_rollouts", 0, 10**6)
        within(self, "hopeless_steps", 0, 10**9)
        within(self, "anneal_start", 0.0, 1.0)
        within(self, "target_return", -math.inf, math.inf)
        within(self, "generation", -1, 10**9)
        within(self, "generations", 0, 10**9)
        within(self, "steps", 0, 10**12)
        if self.generations == 0 and self.steps == 0:
            raise ValueError(
                "--controller.generations, --controller.steps: expected one of them above 0, "
                "received 0 and 0."
            )

    @property
    def seen(self) -> str:
        """The z that C sees, "mean" or "sampled".

        A dream gives no mean, so a driver evolved in one sees sampled z in the real world too.
        """
        return self.latent if self.world == "real" else "sampled"
