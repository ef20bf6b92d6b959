"""Adam in numpy, for the strategies that estimate a gradient."""

import numpy as np


class Adam:
    """Steps along a gradient (Kingma & Ba 2015).

    Args:
        size: numbers in the gradient.
        learning_rate: step of each parameter while the gradient is steady.
        beta_1, beta_2: decay rates of the averages of the gradient and of its square (hardmaru
            es.py: 0.99 and 0.999).
    """

    def __init__(
        self, size: int, learning_rate: float, beta_1: float = 0.99, beta_2: float = 0.999
    ):
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.first, self.second, self.count = np.zeros(size), np.zeros(size), 0

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """The step (N,) to add to the parameters to climb along the gradient (N,)."""
        self.count += 1
        self.first += (1 - self.beta_1) * (gradient - self.first)
        self.second += (1 - self.beta_2) * (gradient**2 - self.second)
        first = self.first / (1 - self.beta_1**self.count)
        second = self.second / (1 - self.beta_2**self.count)
        return self.learning_rate * first / (np.sqrt(second) + 1e-8)
