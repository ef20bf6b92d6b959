"""The games by the name of their experiment. A new game is a file here and a line."""

import importlib

from WorldModels.experiment.games.game import Game

FILES = {
    "carracing": "WorldModels.experiment.games.carracing",
    "takecover": "WorldModels.experiment.games.takecover",
}
GAMES: dict[str, Game] = {
    name: importlib.import_module(module).GAME for name, module in FILES.items()
}


def game_of(env_id: str) -> Game:
    """The game of an environment's id; the neutral one where it has no file of its own."""
    known = {game.id: game for game in GAMES.values()}
    return known.get(env_id) or Game(env_id)
