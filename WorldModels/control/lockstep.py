"""Episodes side by side in a vector world, a policy to each. Does not know that the world may be a
dream.
"""

from collections.abc import Callable, Sequence

import numpy as np
from gymnasium.vector import VectorEnv


def lockstep(
    env: VectorEnv,
    policies: Sequence,
    seeds: Sequence[int],
    watch: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Play one episode in every lane until the last has ended.

    Args:
        env: leaves a lane that has ended as it is (AutoresetMode.DISABLED); truncates by itself.
        policies: one a lane: reset(seed), act(observation) -> (A,).
        seeds: of each lane's episode and policy.
        watch: told after the reset and after every step the observations (lanes, ...), and which
            lanes are in their episodes,
            (lanes,) bool, those that end with this very step included.

    Returns:
        returns (lanes,) float64 and steps (lanes,) int.

    Raises:
        ValueError: not as many policies and seeds as lanes, or a reward is NaN or infinite.
    """
    lanes = env.num_envs
    if (len(policies), len(seeds)) != (lanes, lanes):
        raise ValueError(
            f"lockstep: expected {lanes} policies and seeds, received {len(policies)} and {len(seeds)}."
        )
    observations, _ = env.reset(seed=[int(seed) for seed in seeds])
    for policy, seed in zip(policies, seeds, strict=True):
        policy.reset(int(seed))
    actions, alive = (
        np.zeros((lanes, *env.single_action_space.shape), np.float32),
        np.ones(lanes, bool),
    )
    returns, steps = np.zeros(lanes), np.zeros(lanes, int)
    if watch:
        watch(observations, alive)
    while alive.any():
        for lane in np.flatnonzero(alive):
            actions[lane] = policies[lane].act(observations[lane])
        observations, rewards, terminated, truncated, _ = env.step(actions)
        if not np.isfinite(rewards[alive]).all():
            raise ValueError(
                "rewards: expected finite numbers, received NaN or infinity; train memory anew."
            )
        returns[alive] += rewards[alive]
        steps += alive
        if watch:
            watch(observations, alive)
        alive = alive & ~(terminated | truncated)
    return returns, steps
