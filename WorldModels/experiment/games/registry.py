"""The games by the name of their experiment. A new game is a file here and a line."""

from WorldModels.experiment.games import carracing, takecover
from WorldModels.experiment.games.game import Game

GAMES = {game.experiment: game for game in (carracing.GAME, takecover.GAME)}


def game_of(env_id: str) -> Game:
    """The game of an environment's id; the neutral one where it has no file of its own."""
    known = {game.id: game for game in GAMES.values()}
    return known.get(env_id) or Game(env_id)
