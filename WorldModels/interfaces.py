"""What the nouns promise each other: Vision, Memory, Perception, Imagination and Policy, and the
letters of their axes.

    B batch   T time   H W frame   Z latent   A action   F feature   K mixtures   P population

The batch axis is always first and always there. Arrays are NumPy arrays or a backend's tensors,
float32 unless said.
A class keeps a promise by having these methods; it inherits nothing from here. Knows no network and
no environment.
"""

from typing import Any, Protocol

import numpy as np

State = dict[str, Any]  # name -> (B, ...) float32; all zeros at the start of an episode

# What a controller sees, by --controller.features: z of V, and h and c of M, in the order of the
# controller's weights.
FEATURES = {"z": ("z",), "zh": ("z", "h"), "zch": ("z", "c", "h")}

# What the state of a Perception or an Imagination holds besides the state of M.
LATENT = "z"  # (B, Z): the latent that M is stepped with next
REWARD = "reward"  # (B,): of the last step, in a dream
STARTED = "started"  # (B,): 0 before the first frame of an episode, then 1


def observation_dtype(shape: tuple[int, ...]) -> str:
    """What observations of a shape are made of: "uint8" for pictures (H, W, 3), "float32" for
    vectors (D,).
    """
    return "uint8" if len(shape) == 3 else "float32"


class Vision(Protocol):
    """V, a keras.Model: pictures, or vectors where the world has none, to latents and back."""

    observation_shape: tuple[int, ...]  # (H, W, 3), or (D,) where the world has no picture
    latent_size: int  # Z

    def encode(self, observations: Any) -> tuple[Any, Any]:
        """Mean and log-variance (B, Z) of observations (B, H, W, 3), uint8 0..255 or float 0..1, or
        (B, D) float32.
        """

    def decode(self, z: Any) -> Any:
        """Observations (B, H, W, 3), 0..1, or (B, D), of latents (B, Z)."""


class Memory(Protocol):
    """M, a keras.Model: what came so far to what comes next."""

    latent_size: int  # Z
    action_size: int  # A
    hidden_size: int  # numbers in h
    reward_head: bool  # predicts the reward
    terminated_head: bool  # predicts the end of the episode

    def initial_state(self, batch: int) -> State:
        """The state before the first step: zeros."""

    def step(self, state: State, z: Any, action: Any, reward: Any) -> State:
        """The state after latent (B, Z) and action (B, A) in -1..1; reward (B,) is the last step's,
        the one before that action.
        """

    def hidden(self, state: State) -> dict[str, Any]:
        """What a controller may see of a state: "h" (B, .), and "c" (B, .) where the kind has one."""

    def sample(self, state: State, temperature: Any, noise: dict[str, Any]) -> dict[str, Any]:
        """What comes next at a temperature (B,): "z" (B, Z), and where M has the heads "reward"
        (B,) and "terminated" (B,), 1 or 0.

        The noise is drawn outside: "component" (B, Z), uniform, "normal" (B, Z), and for the
        terminated head "terminated" (B,),
        which its probability must exceed: uniform for a draw, a constant for a threshold.
        """

    def sequence(
        self, z: Any, actions: Any, rewards: Any, state: State, restarts: Any = None
    ) -> tuple[Any, State]:
        """Many steps in one call, equal to as many calls of `step`.

        Args:
            z: (B, T, Z).
            actions: (B, T, A) in -1..1.
            rewards: (B, T).
            state: before the first step.
            restarts: (B, T), 1 where an episode begins: there the state is zeroed before the step.
                None: nowhere; episodes that
                begin with the sequence need none, their state is zero.

        Returns:
            h (B, T, hidden_size) after every step, float32, and the state after the last one.
        """


class Perception(Protocol):
    """V and M together in the real world: an observation, and the action that led to it, to z, h
    and c.

    While `started` in the state is 0, M is not stepped and h is 0.
    """

    sizes: dict[str, int]  # numbers in "z", in "h", and in "c" where M has one
    action_size: int  # A
    observation_shape: tuple[int, ...]  # (H, W, 3), or (D,) where the world has no picture
    state_spec: dict[
        str, tuple[int, ...]
    ]  # name -> shape without the batch axis: M's state, "z" and "started"

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
        """Step M with the z in the state, then look: z = mean + exp(log_var / 2) * noise.

        Args:
            observation: (B, H, W, 3) uint8, or (B, D) float32.
            reward: (B,), of the step before the action (0 before the first).
            action: (B, A) in -1..1, the one that led to this observation (any before the first).
            noise: (B, Z), standard normal, or zeros for the mean.
            state: as `initial` or the last call gave it.

        Returns:
            z (B, Z), h (B, .), c (B, .) or None, and the next state.
        """


class Imagination(Protocol):
    """M as the world: an action to the next latent, in a dream.

    A dream begins with all zeros but "z", a first latent.
    """

    sizes: dict[str, int]  # numbers in "z", in "h", and in "c" where M has one
    action_size: int  # A
    state_spec: dict[
        str, tuple[int, ...]
    ]  # name -> shape without the batch axis: M's state, "z" and "reward"
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
            noise: as Memory.sample takes it.
            state: of the dream.

        Returns:
            z (B, Z), h (B, .), c (B, .) or None, reward (B,) or None, terminated (B,), 1 or 0, or
            None, and the next state.
        """


class Policy(Protocol):
    """Whatever drives: a random policy sees the bare world, a controller with its parameters sees
    features.
    """

    def reset(self, seed: int) -> None:
        """Begin an episode; equal seeds give equal actions on equal observations."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The action (A,), float32 in -1..1, on one observation."""
