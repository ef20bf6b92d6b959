"""Dreams, where M is the world: one as a gymnasium.Env, many side by side as a VectorEnv.

Both emit features.
"""

from collections.abc import Callable

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from WorldModels.envs.lanes import Dreaming, Lanes
from WorldModels.envs.resets import asked_of_reset
from WorldModels.interfaces import LATENT, Imagination

FPS = 50  # frames per second in a film of a dream, unless the game says otherwise


class DreamEnv(gymnasium.Env):
    """One dream.

    The observation is float32 (F,): z, or [z, h], or [z, c, h]. The action is float32 (A,) in
    -1..1.

    Args:
        imagination, first_latents: see Lanes.
        decode: z (B, Z) -> frames (B, H, W, 3), float in 0..1; what render() shows.
        dreaming: how the dream goes; or pass the fields of Dreaming by name.
        render_mode: "rgb_array" or None.

    Raises:
        ValueError: see Lanes and Dreaming.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}

    def __init__(
        self,
        imagination: Imagination,
        decode: Callable,
        first_latents,
        dreaming: Dreaming | None = None,
        *,
        render_mode: str | None = None,
        **how,
    ):
        self._lanes = Lanes(imagination, first_latents, dreaming or Dreaming(**how), 1)
        self._decode, self.render_mode = decode, render_mode
        self.observation_space = Box(-np.inf, np.inf, (self._lanes.feature_size,), np.float32)
        self.action_space = Box(-1.0, 1.0, (imagination.action_size,), np.float32)

    @property
    def z(self) -> np.ndarray:
        """The current latent (Z,)."""
        return self._lanes.state[LATENT][0]

    @property
    def temperature(self) -> float:
        """The temperature of the dream; may be set between steps."""
        return float(self._lanes.temperature[0])

    @temperature.setter
    def temperature(self, value: float) -> None:
        if not 0 < value < np.inf:
            raise ValueError(f"temperature: expected a number above 0, received {value}.")
        self._lanes.temperature[:] = value

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Begin at the first latent of a recorded episode; `seed` determines the whole dream."""
        super().reset(seed=seed)
        self._lanes.begin(0, seed)
        return self._lanes.features[0].copy(), {}

    def step(self, action):
        """Act in the dream."""
        reward, terminated, truncated = self._lanes.step(np.asarray(action, np.float32)[None])
        return (
            self._lanes.features[0].copy(),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            {},
        )

    def render(self) -> np.ndarray:
        """The current latent as V decodes it, (H, W, 3) uint8.

        Raises:
            ValueError: V decodes vectors.
        """
        return _pictures(self._decode(self.z[None]))[0]


class DreamVectorEnv(VectorEnv):
    """Many dreams at once, stepped together.

    A lane that has ended stays ended, with reward 0, until it is reset. Lane i of reset(seed=s)
    equals DreamEnv's reset(seed=s + i), step for step. options={"reset_mask": (num_envs,) bool}
    resets some lanes only.

    Args:
        imagination, decode, first_latents, dreaming: see DreamEnv.
        num_envs: number of lanes (B).
    """

    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": FPS,
        "autoreset_mode": AutoresetMode.DISABLED,
    }

    def __init__(
        self,
        imagination: Imagination,
        decode: Callable,
        first_latents,
        dreaming: Dreaming | None = None,
        *,
        num_envs: int = 1,
        render_mode: str | None = None,
        **how,
    ):
        self.num_envs, self.render_mode, self._decode = num_envs, render_mode, decode
        self._lanes = Lanes(imagination, first_latents, dreaming or Dreaming(**how), num_envs)
        self.single_observation_space = Box(
            -np.inf, np.inf, (self._lanes.feature_size,), np.float32
        )
        self.single_action_space = Box(-1.0, 1.0, (imagination.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._terminated, self._truncated = np.zeros(num_envs, bool), np.zeros(num_envs, bool)

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict | None = None):
        """Begin all dreams, or those of options["reset_mask"]; with seed s, lane i takes s + i.

        Raises:
            ValueError: an option is unknown, or the mask or the list of seeds does not have
                num_envs entries.
        """
        seeds, mask = asked_of_reset(self.num_envs, seed, options)
        for lane in np.flatnonzero(mask):
            self._lanes.begin(lane, seeds[lane])
        self._terminated[mask] = self._truncated[mask] = False
        return self._lanes.features.copy(), {}

    def step(self, actions):
        """Act in all dreams: features (B, F), reward (B,), terminated (B,), truncated (B,), {}."""
        ended = self._terminated | self._truncated
        reward, terminated, truncated = self._lanes.step(actions)
        self._terminated = np.where(ended, self._terminated, terminated)
        self._truncated = np.where(ended, self._truncated, truncated)
        return (
            self._lanes.features.copy(),
            np.where(ended, 0.0, reward),
            self._terminated.copy(),
            self._truncated.copy(),
            {},
        )

    def render(self) -> tuple[np.ndarray, ...]:
        """Every lane's current latent as V decodes it, (H, W, 3) uint8 each.

        Raises:
            ValueError: V decodes vectors.
        """
        return tuple(_pictures(self._decode(self._lanes.state[LATENT])))


def _pictures(decoded: np.ndarray) -> np.ndarray:
    """What V decodes, float (B, H, W, 3) in 0..1, as uint8."""
    if decoded.ndim != 4:
        raise ValueError(
            f"render: expected a V that decodes pictures, received one that decodes vectors of "
            f"shape {decoded.shape[1:]}; this dream cannot be shown."
        )
    return np.rint(np.clip(decoded, 0, 1) * 255).astype(np.uint8)
