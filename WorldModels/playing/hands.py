"""The arrow keys as a policy."""

import numpy as np

from WorldModels.experiment.games.game import Game

ARROWS = ("left", "right", "up", "down")


class Hands:
    """A Policy that follows the arrow keys a person is holding; it ignores its observations.

    Args:
        game: says what each arrow key does.
        action_size: numbers in an action.
        choice: whether actions are one-hot vectors.

    Attributes:
        held: the arrow keys that are down.
    """

    name = "you"

    def __init__(self, game: Game, action_size: int, choice: bool = False):
        self.game, self.action_size, self.choice = game, action_size, choice
        self.held: set[str] = set()

    def reset(self, seed: int) -> None:
        """Begin an episode; a key that is down stays down."""

    def act(self, observation: np.ndarray | None = None) -> np.ndarray:
        """The action (A,), float32 in -1..1, of the keys held down; left and right cancel."""
        return self.game.pressed(self.held, self.action_size, self.choice)
