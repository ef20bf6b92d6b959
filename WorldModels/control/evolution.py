"""The evolution strategies by name: `--controller.optimizer`."""

from WorldModels.control.strategies.cmaes import CMAES
from WorldModels.control.strategies.genetic import GeneticAlgorithm
from WorldModels.control.strategies.openes import OpenES
from WorldModels.control.strategies.pepg import PEPG, SES

OPTIMIZERS = {"cma": CMAES, "openes": OpenES, "pepg": PEPG, "ses": SES, "ga": GeneticAlgorithm}
