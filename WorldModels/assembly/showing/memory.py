"""What M predicts and dreams in a run, as arrays for pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from WorldModels.assembly.opening import first_latents, lazy_decode, open_imagination
from WorldModels.assembly.showing.vision import decoded, posterior
from WorldModels.experiment.draws import rng
from WorldModels.experiment.run import Run
from WorldModels.interfaces import LATENT, REWARD

DREAM_SEED = 5_000_000  # the first test dream's
CERTAIN = -100.0  # log-variance of a first latent that is given rather than drawn


@dataclass(frozen=True)
class Dreamt:
    """One dream.

    Attributes:
        frames: (T+1, H, W, 3) uint8, decoded.
        z: (T+1, Z) float32.
        rewards: (T,), as the dream gave them.
        temperature: the temperature of the dream.
        terminated: whether M ended it; otherwise it hit the limit.
    """

    frames: np.ndarray
    z: np.ndarray
    rewards: np.ndarray
    temperature: float
    terminated: bool


def foreseen(run: Run, episode: Any) -> np.ndarray:
    """M's prediction of each next frame from the true history: (T, H, W, 3) uint8.

    Each prediction is the mean of the heaviest component. The first one is for observations[1].
    """
    draw = rng(run.experiment.seed, "pictures", "foreseen")
    return decoded(run, _stepped(run, episode, len(episode), len(episode), 0.0, draw))


def imagined(
    run: Run, episode: Any, start: int, steps: int, temperature: float = 0.5, noise: int = 0
) -> np.ndarray:
    """M's dream from a moment of an episode, given its actions: (steps+1, H, W, 3) uint8.

    Args:
        run: the open run.
        episode: an Episode.
        start: index of the last frame that M sees; V's reconstruction of it comes first.
        steps: number of steps to dream; cut off at the episode's end.
        temperature: 0 or more.
        noise: another number gives another dream.

    Raises:
        FileNotFoundError: M is missing; the message gives the command that makes it.
    """
    end = min(start + steps, len(episode))
    draw = rng(run.experiment.seed, "pictures", "imagined", noise)
    z = _stepped(run, episode, start, end, temperature, draw)[start:]
    first = posterior(run, episode.observations[start : start + 1])[0]
    return np.concatenate([decoded(run, first), decoded(run, z)])


def _stepped(
    run: Run, episode: Any, seen: int, end: int, temperature: float, draw: np.random.Generator
) -> np.ndarray:
    """M's predictions of the next z (end, Z): from the true z up to frame `seen`, then its own."""
    run.need("memory.keras", "train_memory")
    imagination = open_imagination(run.path)
    mean, _ = posterior(run, episode.observations[: seen + 1])
    found = []
    state = {
        name: np.zeros((1, *shape), np.float32) for name, shape in imagination.state_spec.items()
    }
    for t in range(end):
        if t <= seen:
            reward = np.float32([episode.rewards[t - 1] if t else 0.0])
            state |= {LATENT: mean[t : t + 1], REWARD: reward}
        action, noise = episode.actions[t : t + 1], _noise(draw, mean.shape[1])
        z, *_, state = imagination(action, np.float32([temperature]), noise, state)
        state = dict(state)
        found.append(z[0])
    return np.stack(found)


def _noise(draw: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    return {
        "component": draw.random((1, size), np.float32),
        "normal": draw.standard_normal((1, size), np.float32),
        "terminated": np.ones(1, np.float32),
    }


def dream(
    run: Run,
    temperature: float = 0.0,
    seed: int = DREAM_SEED,
    max_steps: int = 0,
    start: np.ndarray | None = None,
) -> Dreamt:
    """A dream of the trained driver, or of the first blind policy if there is no driver yet.

    The same seed gives the same start and the same noise at every temperature.

    Args:
        run: the open run.
        temperature: above 0; 0: as the run's settings say.
        seed: the seed of start and noise.
        max_steps: the limit; 0: as the run's settings say.
        start: the first latent (Z,); the seed then only draws the noise.

    Raises:
        FileNotFoundError: M or the first latents are missing; the message gives the command that
            makes them.
        ValueError: M lacks what the run's dream needs.
    """
    run.need("memory.keras", "train_memory")
    features, policy = _driver(run)
    world, temperature = _dream_env(run, features, temperature, max_steps, start)
    z, rewards, terminated = _played(world, policy, seed)
    return Dreamt(decoded(run, z), z, rewards, temperature, terminated)


def _dream_env(
    run: Run, features: str, temperature: float, max_steps: int, start: np.ndarray | None
) -> tuple[Any, float]:
    """The dream as an environment, and its temperature."""
    from WorldModels.assembly.worlds import dream_world
    from WorldModels.envs.dream import DreamEnv

    changes = {"temperature": temperature} if temperature else {}
    how = dream_world(run.path, run.experiment, features=features, **changes).how
    how |= {"max_steps": max_steps or run.experiment.env.max_steps}
    given = None if start is None else (start[None], np.full_like(start[None], CERTAIN))
    first = given or first_latents(run.path)
    world = DreamEnv(open_imagination(run.path), lazy_decode(run.path), first, **how)
    return world, how["temperature"]


def _played(world: Any, policy: Any, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Play one dream: z (T+1, Z), rewards (T,), and whether M ended it."""
    observation, _ = world.reset(seed=seed)
    policy.reset(seed)
    z, rewards, ended, terminated = [world.z.copy()], [], False, False
    while not ended:
        observation, reward, terminated, truncated, _ = world.step(policy.act(observation))
        z.append(world.z.copy())
        rewards.append(reward)
        ended = terminated or truncated
    return np.stack(z), np.array(rewards), terminated


def _driver(run: Run) -> tuple[str, Any]:
    """The features that the driver sees, and the driver as a policy."""
    from WorldModels.assembly.worlds import actions_in, controller_file
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.control.policies import POLICIES

    try:
        shape, parameters, _ = Controller.load(controller_file(run))
    except FileNotFoundError:
        policy = POLICIES[run.experiment.evaluate.baselines.split(",")[0].strip()]
        return run.experiment.controller.features, policy(actions_in(run.experiment.env))
    return shape.features, ControllerPolicy(shape, parameters)
