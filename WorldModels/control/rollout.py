"""The one rollout loop: a world and a policy play one episode."""

import math
from dataclasses import dataclass, field

import gymnasium
import numpy as np

from WorldModels.interfaces import REWARD_SCALE

# Charged for every step not played when an episode is stopped as hopeless: as much as CarRacing
# charges for a step without a new tile.
STEP_COST = 0.1


@dataclass
class Rollout:
    """How one episode went.

    Attributes:
        return_: sum of rewards, less the charge for a hopeless stop.
        length: steps played.
        terminated, truncated: how it ended; a hopeless stop truncates.
        hopeless: whether it was stopped early for lack of a positive reward.
        lap: whether the world reported that the lap was finished (info["lap_finished"]).
        return_095: the return up to and including the step at which the rule "95% of the tiles and
            over the line" fired (info["lap_095"]), else return_: the score under that rule, even
            if the episode was driven under the rule "every tile".
        lap_095: whether that rule fired.
        episode: the recorded Episode, if one was asked for.
        frames: (T+1, H, W, 3) uint8, if they were asked for.
    """

    return_: float = 0.0
    length: int = 0
    terminated: bool = False
    truncated: bool = False
    hopeless: bool = False
    lap: bool = False
    return_095: float = 0.0
    lap_095: bool = False
    episode: object | None = None
    frames: np.ndarray | None = None


@dataclass
class _Record:
    """What is recorded while an episode runs."""

    frames: list = field(default_factory=list)
    actions: list = field(default_factory=list)
    rewards: list = field(default_factory=list)
    reward_scale: float = 0.0

    def add(self, action, reward, frame) -> None:
        self.actions.append(np.array(action, np.float32))
        self.rewards.append(reward)
        self.frames.append(np.array(frame))

    def episode(self, result: Rollout, seed: int, policy):
        from WorldModels.episodes.episode import Episode

        name = getattr(policy, "name", type(policy).__name__)
        return Episode(
            np.stack(self.frames),
            np.stack(self.actions),
            np.array(self.rewards, np.float32),
            result.terminated,
            result.truncated,
            int(seed),
            name,
            self.reward_scale,
        )


def rollout(
    env: gymnasium.Env,
    policy,
    seed: int,
    max_steps: int = 1000,
    *,
    keep: str | None = None,
    hopeless_steps: int = 0,
) -> Rollout:
    """Play one episode of a world with a policy.

    Args:
        env: the world; `seed` fixes its track.
        policy: reset(seed), act(observation) -> (A,) action; it sees what the world emits.
        seed: for the resets of the world and the policy.
        max_steps: steps after which the episode is truncated.
        keep: "episode" to record an Episode of what V would see (info["frame"], else the
            observation), "frames" to keep only the frames, None for neither.
        hopeless_steps: for training only: stop after this many steps in a row without a positive
            reward, and charge 0.1 for each step that was not played; 0: never.

    Raises:
        ValueError: the world gave a reward or an observation that is NaN or infinite.
    """
    observation, info = env.reset(seed=int(seed))
    policy.reset(int(seed))
    _check(0.0, observation, 0, seed)
    record = _Record([np.array(info.get("frame", observation))]) if keep else None
    if record:
        record.reward_scale = float(info.get(REWARD_SCALE, 0.0))
    result = _play(env, policy, observation, seed, max_steps, record, hopeless_steps)
    if keep == "episode":
        result.episode = record.episode(result, seed, policy)
    elif keep == "frames":
        result.frames = np.stack(record.frames)
    return result


def _play(
    env, policy, observation, seed: int, max_steps: int, record: _Record | None, hopeless_steps: int
) -> Rollout:
    result, barren = Rollout(), 0
    while not (result.terminated or result.truncated):
        action = policy.act(observation)
        observation, reward, terminated, truncated, info = env.step(action)
        reward = float(reward)
        result.length += 1
        _check(reward, observation, result.length, seed)
        result.return_ += reward
        if record is not None:
            record.add(action, reward, info.get("frame", observation))
        if not result.lap_095 and info.get("lap_095", False):
            result.lap_095, result.return_095 = True, result.return_
        result.terminated = bool(terminated)
        result.truncated = bool(truncated or (result.length >= max_steps and not terminated))
        barren = 0 if reward > 0 else barren + 1
        if hopeless_steps and barren >= hopeless_steps:
            _give_up(result, max_steps)
    result.lap = bool(info.get("lap_finished", False))
    if not result.lap_095:
        result.return_095 = result.return_
    return result


def _give_up(result: Rollout, max_steps: int) -> None:
    """Stop an episode unless it has just ended, and charge it for the steps not played."""
    if not (result.terminated or result.truncated):
        result.hopeless = result.truncated = True
        result.return_ -= STEP_COST * (max_steps - result.length)


def _check(reward: float, observation: np.ndarray, step: int, seed: int) -> None:
    if not math.isfinite(reward):
        raise ValueError(
            f"reward of step {step} (seed {seed}): expected a finite number, received {reward}; "
            "the fault is in the environment."
        )
    # A dot product is the cheapest test for NaN: under a microsecond for 288 features.
    if observation.dtype.kind == "f" and not math.isfinite(
        np.dot(observation.ravel(), observation.ravel())
    ):
        raise ValueError(
            f"observation of step {step} (seed {seed}): expected finite numbers, received NaN or "
            "infinity; the fault is in the environment, or V and M need to be trained again."
        )
