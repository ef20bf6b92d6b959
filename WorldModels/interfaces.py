"""The contracts of Vision, Memory, Perception, Imagination and Policy, and the letters for axes.

    B batch   T time   H W frame   Z latent   A action   F feature   K mixtures   P population

The batch axis is always present and always first. Arrays are NumPy arrays or a backend's tensors,
float32 unless stated otherwise. A class meets a contract by having these methods; it inherits
nothing from this file.
"""

from typing import Any, Protocol

import numpy as np

State = dict[str, Any]  # name -> (B, ...) float32; all zeros at the start of an episode

# What a controller sees, by --controller.features: V's z, and M's h and c, in the order of the
# controller's weights.
FEATURES = {"z": ("z",), "zh": ("z", "h"), "zch": ("z", "c", "h")}

# In a world's reset info, where the game scales its rewards anew for each episode: what a unit of
# progress is worth in this one (CarRacing: a tile, 1000 / their number).
REWARD_SCALE = "reward_scale"

# What the state of a Perception or an Imagination holds besides M's own state.
LATENT = "z"  # (B, Z): the latent that M is stepped with next
REWARD = "reward"  # (B,): of the last step, in a dream
# (B, .), a part of M's own state where M has dropout: uniform numbers, drawn when a dream begins.
DROPPED = "dropped"
# (B, 1), a part of M's own state where M reads where episodes begin: 0 before the first step.
STEPPED = "stepped"
STARTED = "started"  # (B,): 0 before the first frame of an episode, then 1


def observation_dtype(shape: tuple[int, ...]) -> str:
    """The dtype of observations: "uint8" for frames (H, W, 3), "float32" for vectors (D,)."""
    return "uint8" if len(shape) == 3 else "float32"


class Vision(Protocol):
    """V, a keras.Model: from observations to latents and back."""

    observation_shape: tuple[int, ...]  # (H, W, 3), or (D,) where the world has no picture
    latent_size: int  # Z

    def encode(self, observations: Any) -> tuple[Any, Any]:
        """Mean and log-variance, (B, Z) each.

        Args:
            observations: (B, H, W, 3), uint8 in 0..255 or float in 0..1, or (B, D) float32.
        """

    def decode(self, z: Any) -> Any:
        """Observations (B, H, W, 3) in 0..1, or (B, D), of latents (B, Z)."""


class Memory(Protocol):
    """M, a keras.Model: predicts what comes next from what has come so far."""

    latent_size: int  # Z
    action_size: int  # A
    hidden_size: int  # numbers in h
    reward_head: bool  # predicts the reward
    terminated_head: bool  # predicts the end of the episode

    def initial_state(self, batch: int) -> State:
        """The state before the first step: zeros."""

    def step(self, state: State, z: Any, action: Any, reward: Any) -> State:
        """The state after a latent and an action.

        Args:
            state: before this step.
            z: (B, Z).
            action: (B, A) in -1..1.
            reward: (B,), of the previous step, the one before this action.
        """

    def hidden(self, state: State) -> dict[str, Any]:
        """What a controller may see: "h" (B, .), and "c" (B, .) where the kind has one."""

    def sample(self, state: State, temperature: Any, noise: dict[str, Any]) -> dict[str, Any]:
        """Draw what comes next.

        Args:
            state: after the last latent and action.
            temperature: (B,).
            noise: drawn by the caller: "component" (B, Z), uniform; "normal" (B, Z); and for the
                terminated head "terminated" (B,), which the probability of an end must exceed to
                end the episode: uniform for a draw, a constant for a threshold.

        Returns:
            "z" (B, Z), and where M has the heads "reward" (B,) and "terminated" (B,), 1 or 0.
        """

    def sequence(
        self, z: Any, actions: Any, rewards: Any, state: State, restarts: Any = None
    ) -> tuple[Any, State]:
        """Many steps in one call; the same as that many calls of `step`.

        Args:
            z: (B, T, Z).
            actions: (B, T, A) in -1..1.
            rewards: (B, T), each of the step before, as in `step`.
            state: before the first step.
            restarts: (B, T), 1 where an episode begins: the state is zeroed before that step. None:
                nowhere. An episode that begins with the sequence needs no 1, as its state is zero.

        Returns:
            h (B, T, hidden_size) after every step, float32, and the state after the last one.
        """


class Perception(Protocol):
    """V and M in the real world: from an observation and the action that led to it to z, h and c.

    While `started` in the state is 0, M is not stepped and h is 0.
    """

    sizes: dict[str, int]  # numbers in "z", in "h", and in "c" where M has one
    action_size: int  # A
    observation_shape: tuple[int, ...]  # (H, W, 3), or (D,) where the world has no picture
    # name -> shape without the batch axis: M's state, "z" and "started"
    state_spec: dict[str, tuple[int, ...]]

    def initial(self, batch: int) -> State:
        """The state before the first frame: zeros."""

    def __call__(
        self,
        observation: np.ndarray,
        reward: np.ndarray,
        action: np.ndarray,
        noise: np.ndarray,
        state: State,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, State]:
        """Step M with the z in the state, then encode: z = mean + exp(log_var / 2) * noise.

        Args:
            observation: (B, H, W, 3) uint8, or (B, D) float32.
            reward: (B,), of the step before that action (0 at first).
            action: (B, A) in -1..1, the one that led to this observation (ignored at the first).
            noise: (B, Z), standard normal, or zeros for the mean.
            state: from `initial` or the last call.

        Returns:
            z (B, Z), h (B, .), c (B, .) or None, and the next state.
        """


class Imagination(Protocol):
    """M as the world: from an action to the next latent, in a dream.

    The state of a new dream is zero except for "z", which is a first latent.
    """

    sizes: dict[str, int]  # numbers in "z", in "h", and in "c" where M has one
    action_size: int  # A
    # name -> shape without the batch axis: M's state, "z" and "reward"
    state_spec: dict[str, tuple[int, ...]]
    heads: tuple[str, ...]  # "reward", "terminated": what M predicts besides z

    def __call__(
        self,
        action: np.ndarray,
        temperature: np.ndarray,
        noise: dict[str, np.ndarray],
        state: State,
    ) -> tuple[
        np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None, State
    ]:
        """Step M with the z in the state and the action, then draw the next z.

        Args:
            action: (B, A) in -1..1.
            temperature: (B,), above 0.
            noise: see Memory.sample.
            state: of the dream so far.

        Returns:
            z (B, Z), h (B, .), c (B, .) or None, reward (B,) or None, terminated (B,), 1 or 0, or
            None, and the next state.
        """


class Policy(Protocol):
    """Chooses the actions: a blind policy in any world, or a controller in a world of features."""

    def reset(self, seed: int) -> None:
        """Begin an episode; equal seeds and observations give equal actions."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The action (A,), float32 in -1..1, for one observation."""
