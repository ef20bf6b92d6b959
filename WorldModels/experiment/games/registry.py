"""The games by name of experiment. A new game is a file in this folder and a line in FILES."""

import importlib

from WorldModels.experiment.games.game import Game

FILES = {
    "carracing": "WorldModels.experiment.games.carracing",
    "takecover": "WorldModels.experiment.games.takecover",
    "gymnasium": "WorldModels.experiment.games.gymnasium",
}
GAMES: dict[str, Game] = {
    name: importlib.import_module(module).GAME for name, module in FILES.items()
}


def game_of(env_id: str) -> Game:
    """The Game of an environment's id; the neutral one if it has no file here."""
    known = {game.id: game for game in GAMES.values()}
    return known.get(env_id) or Game(env_id)
