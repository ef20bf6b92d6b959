"""Four arrow keys as a driver. Knows the published meaning of two games' actions, no environment
and no window.
"""

import numpy as np

ARROWS = ("left", "right", "up", "down")
BRAKE = 0.8  # how hard a key brakes (gymnasium's CarRacing, and hardmaru/WorldModelsExperiments, when a person drives)


class Hands:
    """Whoever holds the arrow keys; a Policy that looks at nothing, for the person does.

    CarRacing: left and right steer fully, up is full gas, down brakes; no key lets the car roll.
    Any other game: left and
    right are -1 and 1 of the first number of the action, down and up of the second, where there is
    one. (Take Cover has one.)

    Args:
        game: id of the environment.
        action_size: numbers in an action.
    """

    name = "you"

    def __init__(self, game: str, action_size: int):
        self.pedals, self.action_size = (
            game.startswith("CarRacing") and action_size == 3,
            action_size,
        )
        self.held: set[str] = set()

    def reset(self, seed: int) -> None:
        """Nothing to forget: a key that is down stays down."""

    def act(self, observation: np.ndarray | None = None) -> np.ndarray:
        """The action (A,), float32 in -1..1, of the keys that are held; left and right together are
        none.
        """
        steer = ("right" in self.held) - ("left" in self.held)
        up, down = "up" in self.held, "down" in self.held
        if self.pedals:
            return np.array((steer, 2 * up - 1, BRAKE * down), np.float32)  # gas = (a1 + 1) / 2
        action = np.zeros(self.action_size, np.float32)
        action[:2] = (steer, up - down)[: self.action_size]
        return action
