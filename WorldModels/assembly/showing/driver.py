"""A run's driver at work: games that it plays, as V and as people see them, and its weights."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from WorldModels.assembly.showing.vision import held_out_episodes
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.env import EnvSettings

DRIVE_SEED = 5_000_000  # the first test game's
DOZEN = 12  # recorded episodes to choose one from


def drive(run: Run, seed: int = DRIVE_SEED, max_steps: int = 0) -> Any:
    """A game of the trained driver in the official environment, as V sees it: an Episode.

    Args:
        run: the open run.
        seed: the seed of the track or game.
        max_steps: the limit; 0: as the run's settings say.

    Raises:
        FileNotFoundError: V, M or C is missing; the message gives the command that makes it.
    """
    from WorldModels.assembly.worlds import controller_file, driven
    from WorldModels.control.rollout import rollout

    env = run.experiment.env
    bare = _bare_world(game_of(env.id).filmed(env))
    world, driver = driven(bare, controller_file(run), run.path)
    try:
        return rollout(world, driver, seed, max_steps or env.max_steps, keep="episode").episode
    finally:
        world.close()


def recorded(run: Run) -> Any:
    """The recorded Episode with the highest return, of a dozen that V was not trained on.

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.episode import Episode

    some = [Episode.load(path) for path in held_out_episodes(run)[:DOZEN]]
    found = max(some, key=lambda each: each.rewards.sum())
    print(
        f"recorded: {len(found)} steps by the policy {found.policy}, "
        f"return {found.rewards.sum():.0f}"
    )
    return found


def episode(run: Run, max_steps: int = 0) -> Any:
    """A test game of the driver as an Episode; if there is no driver yet, a recorded one.

    Args:
        run: the open run.
        max_steps: the limit; 0: as the run's settings say.
    """
    try:
        found = drive(run, max_steps=max_steps)
    except FileNotFoundError:
        return recorded(run)
    print(f"driven by C: {len(found)} steps, return {found.rewards.sum():.0f}")
    return found


def rendered(env: EnvSettings, episode: Any) -> Iterator[np.ndarray]:
    """Replay an episode, and render its T+1 frames as people see them: (H, W, 3) uint8 each.

    Args:
        env: settings of its environment.
        episode: an Episode.
    """
    world = _bare_world(game_of(env.id).shown(env))
    world.reset(seed=episode.seed)
    yield world.render()
    for action in episode.actions:
        world.step(action)
        yield world.render()
    world.close()


def _bare_world(env: EnvSettings) -> Any:
    from WorldModels.assembly.worlds import WorldMaker

    return WorldMaker(env)()


def weights(run: Run) -> tuple[np.ndarray, dict[str, int]]:
    """A linear driver's weights (F, A), and how many of the features are z, c and h.

    Raises:
        FileNotFoundError: there is no driver yet; the message gives the command that makes one.
        ValueError: the driver has a hidden layer.
    """
    from WorldModels.assembly.worlds import controller_file
    from WorldModels.control.controller import Controller

    shape, parameters, _ = Controller.load(controller_file(run))
    if shape.num_hidden:
        raise ValueError(
            f"controller: expected a linear one, received one with a hidden layer of "
            f"{shape.num_hidden}, whose weights do not link features to actions."
        )
    sizes = {
        "z": shape.latent_size,
        "c": shape.cell_size or shape.hidden_size,
        "h": shape.hidden_size,
    }
    parts = {name: size for name, size in sizes.items() if name in shape.features}
    return shape.unpack(parameters[None])[0][1][0], parts


def action_names(run: Run, size: int) -> tuple[str, ...]:
    """What each of the `size` numbers of an action is called."""
    return tuple(action.name for action in game_of(run.experiment.env.id).named_actions(size))
