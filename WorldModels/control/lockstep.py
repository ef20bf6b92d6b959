"""Plays episodes side by side in a vector world, with one policy per lane."""

from collections.abc import Callable, Sequence

import numpy as np
from gymnasium.vector import VectorEnv


def lockstep(
    env: VectorEnv,
    policies: Sequence,
    seeds: Sequence[int],
    watch: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Play one episode in every lane until the last one ends.

    Args:
        env: leaves ended lanes as they are (AutoresetMode.DISABLED), and truncates by itself.
        policies: one per lane: reset(seed), act(observation) -> (A,).
        seeds: one per lane, for its episode and its policy.
        watch: called after the reset and after every step with the observations (lanes, ...) and
            a mask (lanes,) bool of the lanes that were still playing before that step.

    Returns:
        returns (lanes,) float64 and steps (lanes,) int.

    Raises:
        ValueError: the numbers of policies, seeds and lanes differ, or a reward is not finite.
    """
    lanes = env.num_envs
    _check_counts(lanes, policies, seeds)
    observations = _reset(env, policies, seeds)
    actions = np.zeros((lanes, *env.single_action_space.shape), np.float32)
    returns, steps, alive = np.zeros(lanes), np.zeros(lanes, int), np.ones(lanes, bool)
    watch = watch or (lambda observations, alive: None)
    watch(observations, alive)
    while alive.any():
        for lane in np.flatnonzero(alive):
            actions[lane] = policies[lane].act(observations[lane])
        observations, rewards, terminated, truncated, _ = env.step(actions)
        _check_finite(rewards[alive])
        returns[alive] += rewards[alive]
        steps += alive
        watch(observations, alive)
        alive = alive & ~(terminated | truncated)
    return returns, steps


def _reset(env: VectorEnv, policies: Sequence, seeds: Sequence[int]) -> np.ndarray:
    observations, _ = env.reset(seed=[int(seed) for seed in seeds])
    for policy, seed in zip(policies, seeds, strict=True):
        policy.reset(int(seed))
    return observations


def _check_counts(lanes: int, policies: Sequence, seeds: Sequence[int]) -> None:
    if (len(policies), len(seeds)) != (lanes, lanes):
        raise ValueError(
            f"lockstep: expected {lanes} policies and seeds, "
            f"received {len(policies)} and {len(seeds)}."
        )


def _check_finite(rewards: np.ndarray) -> None:
    if not np.isfinite(rewards).all():
        raise ValueError(
            "rewards: expected finite numbers, received NaN or infinity; train M again."
        )
