"""A real world seen through V and M, and many of them: environments that emit features."""

from collections.abc import Callable, Sequence

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from WorldModels.envs.resets import RESET_MASK, asked_of_reset
from WorldModels.interfaces import FEATURES, Perception

LATENTS = ("mean", "sampled")


class LatentObservation(gymnasium.Wrapper):
    """Turns frames into features: what V sees now, and what M remembers.

    The observation is float32 (F,): z, or [z, h], or [z, c, h]. info["frame"] is what V saw: a
    frame, uint8 (H, W, 3), or, where the world has no picture, a vector, float32 (D,).

    Args:
        env: emits frames uint8 (H, W, 3) or vectors float32 (D,), takes actions (A,) in -1..1.
        perception: see interfaces.Perception; called at batch 1.
        features: "z", "zh" or "zch".
        latent: "mean", or "sampled" with noise from a generator that reset(seed=) seeds.

    Raises:
        ValueError: features or latent is unknown, M has no c, or V and M were trained on
            observations or actions of another shape.
    """

    def __init__(
        self, env: gymnasium.Env, perception: Perception, features: str = "zh", latent: str = "mean"
    ):
        super().__init__(env)
        _check(env, perception, features, latent)
        self.perception, self.features, self.latent = perception, FEATURES[features], latent
        feature_size = sum(perception.sizes[name] for name in self.features)
        self.observation_space = Box(-np.inf, np.inf, (feature_size,), np.float32)
        self._noise = np.zeros((1, perception.sizes["z"]), np.float32)
        self._generator = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Begin an episode with an empty memory; `seed` determines the world and the noise."""
        if seed is not None:
            self._generator = np.random.default_rng([seed, 2])  # the world draws from `seed` itself
        frame, info = self.env.reset(seed=seed, options=options)
        self._state, self._reward = self.perception.initial(1), 0.0
        features = self._perceive(frame, np.zeros(self.action_space.shape, np.float32))
        return features, info | {"frame": frame}

    def step(self, action):
        """Act in the world, and step M with the action that was applied."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        features = self._perceive(frame, action)
        self._reward = reward
        return features, reward, terminated, truncated, info | {"frame": frame}

    def _perceive(self, frame, action) -> np.ndarray:
        if self.latent == "sampled":
            self._noise = self._generator.standard_normal(self._noise.shape, np.float32)
        last_reward = np.array([self._reward], np.float32)
        z, h, c, self._state = self.perception(
            frame[None], last_reward, np.asarray(action, np.float32)[None], self._noise, self._state
        )
        seen = {"z": z, "h": h, "c": c}
        return np.concatenate([seen[name][0] for name in self.features])


class LatentVectorEnv(SyncVectorEnv):
    """Many such worlds, stepped in turn in this process; ended ones wait until they are reset.

    World i of reset(seed=s) equals reset(seed=s + i) of one alone. options={"reset_mask":
    (num_envs,) bool} resets some of them only.

    Args:
        makers: each makes a LatentObservation.
    """

    def __init__(self, makers: Sequence[Callable[[], gymnasium.Env]]):
        super().__init__(makers, autoreset_mode=AutoresetMode.DISABLED)
        self._begun = False

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict | None = None):
        """Begin all worlds, or those of options["reset_mask"]; with seed s, world i takes s + i.

        Raises:
            ValueError: an option is unknown, the mask or the list of seeds does not have num_envs
                entries, or the first reset does not begin all.
        """
        seeds, mask = asked_of_reset(self.num_envs, seed, options)
        if not (self._begun or mask.all()):
            raise ValueError(
                f"{RESET_MASK}: expected all {self.num_envs} worlds in the first reset, received "
                f"{mask.sum()} of them; begin all first."
            )
        self._begun = True
        if not mask.any():
            return self._observations.copy(), {}
        return super().reset(seed=seeds, options={RESET_MASK: mask} if options else None)


def _check(env: gymnasium.Env, perception: Perception, features: str, latent: str) -> None:
    if features not in FEATURES:
        raise ValueError(f"features: expected one of {', '.join(FEATURES)}, received {features!r}.")
    if latent not in LATENTS:
        raise ValueError(f"latent: expected one of {', '.join(LATENTS)}, received {latent!r}.")
    missing = [name for name in FEATURES[features] if name not in perception.sizes]
    if missing:
        raise ValueError(
            f"features: expected z or zh, since this kind of M has no {missing[0]}, "
            f"received {features!r}."
        )
    for name, expected, received in (
        ("observations", perception.observation_shape, env.observation_space.shape),
        ("actions", (perception.action_size,), env.action_space.shape),
    ):
        if tuple(expected) != tuple(received):
            raise ValueError(
                f"{name}: expected shape {tuple(expected)}, which V and M were trained on, "
                f"received {tuple(received)} from the environment."
            )
