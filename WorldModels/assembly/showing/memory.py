"""What M makes of a run, as arrays for pictures: what it foresaw of a drive, what it dreamt on from
one, and dreams.

Draws nothing and writes nothing; equal runs give equal arrays. Knows which file lies where; how M
works it does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from WorldModels.assembly.opening import first_latents, lazy_decode, open_imagination
from WorldModels.assembly.showing.run import decoded, posterior
from WorldModels.experiment.run import Run, rng
from WorldModels.interfaces import LATENT, REWARD

DREAM_SEED = 5_000_000  # of the first test dream
CERTAIN = -100.0  # log-variance of a first latent that is given, not drawn


@dataclass(frozen=True)
class Dreamt:
    """One dream.

    Attributes:
        frames: (T+1, H, W, 3) uint8, decoded.
        z: (T+1, Z).
        rewards: (T,), as the dream gave them.
        temperature: it was dreamt at.
        terminated: M ended it; else it was cut off.
    """

    frames: np.ndarray
    z: np.ndarray
    rewards: np.ndarray
    temperature: float
    terminated: bool


def foreseen(run: Run, episode: Any) -> np.ndarray:
    """What M foresees of each next frame from the true history, the mean of the heaviest component:
    (T, H, W, 3) uint8.

    The first foresees observations[1].
    """
    return decoded(
        run,
        _stepped(
            run,
            episode,
            len(episode),
            len(episode),
            0.0,
            rng(run.experiment.seed, "pictures", "foreseen"),
        ),
    )


def imagined(
    run: Run, episode: Any, start: int, steps: int, temperature: float = 0.5, noise: int = 0
) -> np.ndarray:
    """What M dreams on from a moment of an episode, with the actions that were taken: (steps+1, H,
    W, 3) uint8.

    Args:
        run: the open run.
        episode: an Episode.
        start: the last frame that M sees; the first that is given, as V rebuilds it.
        steps: to dream; cut at the episode's end.
        temperature: from 0.
        noise: other numbers give other dreams.

    Raises:
        FileNotFoundError: M is missing; the message has the command that makes it.
    """
    end = min(start + steps, len(episode))
    z = _stepped(
        run,
        episode,
        start,
        end,
        temperature,
        rng(run.experiment.seed, "pictures", "imagined", noise),
    )[start:]
    return np.concatenate(
        [decoded(run, posterior(run, episode.observations[start : start + 1])[0]), decoded(run, z)]
    )


def _stepped(
    run: Run, episode: Any, seen: int, end: int, temperature: float, draw: np.random.Generator
) -> np.ndarray:
    """M's next z (end, Z) along an episode: of the truth up to frame `seen`, of its own draws after
    it.
    """
    run.need("memory.keras", "train_memory")
    imagination, (mean, _) = (
        open_imagination(run.path),
        posterior(run, episode.observations[: seen + 1]),
    )
    size, found = mean.shape[1], []
    state = {
        name: np.zeros((1, *shape), np.float32) for name, shape in imagination.state_spec.items()
    }
    for t in range(end):
        if t <= seen:
            state |= {
                LATENT: mean[t : t + 1],
                REWARD: np.float32([episode.rewards[t - 1] if t else 0.0]),
            }
        noise = {
            "component": draw.random((1, size), np.float32),
            "normal": draw.standard_normal((1, size), np.float32),
            "terminated": np.ones(1, np.float32),
        }
        z, _, _, _, _, state = imagination(
            episode.actions[t : t + 1], np.float32([temperature]), noise, state
        )
        state = dict(state)
        found.append(z[0])
    return np.stack(found)


def dream(
    run: Run,
    temperature: float = 0.0,
    seed: int = DREAM_SEED,
    max_steps: int = 0,
    start: np.ndarray | None = None,
) -> Dreamt:
    """A dream with the trained driver, or where there is none yet with the first policy of
    --evaluate.baselines.

    Equal seeds give the same start and the same noise at every temperature.

    Args:
        run: the open run.
        temperature: 0: as the run's settings say.
        seed: of start and noise.
        max_steps: 0: as the run's settings say.
        start: the first latent (Z,), with which the seed is the noise's alone.

    Raises:
        FileNotFoundError: M or the first latents are missing; the message has the command that
        makes them.
        ValueError: M lacks what the run's dream needs.
    """
    from WorldModels.assembly.worlds import dream_world
    from WorldModels.envs.dream import DreamEnv

    run.need("memory.keras", "train_memory")
    features, driver = _driver(run)
    changes = {"temperature": temperature} if temperature else {}
    how = dream_world(run.path, run.experiment, features=features, **changes).how
    how |= {"max_steps": max_steps or run.experiment.env.max_steps}
    first = (
        first_latents(run.path)
        if start is None
        else (start[None], np.full_like(start[None], CERTAIN))
    )
    world = DreamEnv(open_imagination(run.path), lazy_decode(run.path), first, **how)
    policy = driver(world.action_space.shape[0])
    observation, _ = world.reset(seed=seed)
    policy.reset(seed)
    z, rewards, ended, terminated = [world.z.copy()], [], False, False
    while not ended:
        observation, reward, terminated, truncated, _ = world.step(policy.act(observation))
        z.append(world.z.copy())
        rewards.append(reward)
        ended = terminated or truncated
    return Dreamt(
        decoded(run, np.stack(z)), np.stack(z), np.array(rewards), how["temperature"], terminated
    )


def _driver(run: Run) -> tuple[str, Callable[[int], Any]]:
    """What the driver sees, and a function from the number of actions to a policy."""
    from WorldModels.assembly.evaluation.gates import baseline_names
    from WorldModels.assembly.worlds import controller_file
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.control.policies import POLICIES
    from WorldModels.experiment.games.registry import game_of

    try:
        shape, parameters, _ = Controller.load(controller_file(run))
    except FileNotFoundError:
        policy = POLICIES[baseline_names(run.experiment.evaluate.baselines)[0]]
        game = game_of(run.experiment.env.id)
        return run.experiment.controller.features, lambda size: policy(game.named_actions(size))
    return shape.features, lambda action_size: ControllerPolicy(shape, parameters)
