"""Dreams that nothing ends, with M's reward and probability of the end noted at every step.

From one such trace follows how the same dreams would have ended at any threshold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from WorldModels.memory.living_lanes import begun_state

BLOCK = 50  # steps of one compiled loop
NOISE = ("component", "normal", "terminated")


@dataclass(frozen=True)
class Trace:
    """What M predicted at every step of some dreams.

    Attributes:
        rewards: (T, L).
        ends: (T, L), the probability that the episode ends at this step; zeros if M has no such
            head.
        draws: (T, L), uniform; a dream whose end is drawn ends where `ends` exceeds them.
    """

    rewards: np.ndarray
    ends: np.ndarray
    draws: np.ndarray

    def outcome(self, limit: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How long the dreams last, and what they return, if they end above a limit.

        Args:
            limit: a threshold of the probability, or `draws`; 1: nothing ends them.

        Returns:
            steps (L,) int and returns (L,) float64, the last step's reward included.
        """
        over = self.ends > limit
        steps = np.where(over.any(0), over.argmax(0) + 1, len(over))
        sums = np.cumsum(self.rewards, axis=0, dtype=np.float64)
        return steps, sums[steps - 1, np.arange(sums.shape[1])]


class TracedBlock(keras.Model):
    """A block of steps of all lanes in one compiled loop, in which no lane ends.

    `call` takes a flat dict: actions (T, L, A); driven (L, 1), 1 where the controller acts instead
    of them; parameters (1, N) of the controller; temperature (L,); component and normal (T, L, Z);
    and what it updates: z (L, Z), reward (L,) and M's state, state_<name> (L, ...). It returns
    these, rewards (T, L) and ends (T, L).

    Args:
        memory: M.
        act: (parameters (1, N), features (1, L, F)) -> actions (1, L, A); None: no lane is driven.
        parts: which of "z", "h" and "c" the features consist of, in order.
        step_reward: the reward of every step; None: M's reward head predicts it.
    """

    def __init__(
        self,
        memory: Any,
        act: Callable | None,
        parts: tuple[str, ...],
        step_reward: float | None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.memory, self.act, self.parts, self.step_reward = memory, act, parts, step_reward
        self.names = tuple(memory.initial_state(1))
        self.built = True

    def call(self, inputs):
        rows = ops.arange(ops.shape(inputs["actions"])[0])

        def step(t, z, reward, state, rewards, ends):
            now = {name: inputs[name][t] for name in NOISE}
            action = self._action(inputs, z, state, inputs["actions"][t])
            state = self.memory.step(state, z, action, reward)
            drawn = self.memory.sample(state, inputs["temperature"], now)
            if self.step_reward is None:
                reward = drawn["reward"]
            else:
                reward = ops.full_like(reward, self.step_reward)
            here = ops.cast(rows == t, "float32")[:, None]
            if self.memory.terminated_head:
                ends = ends + here * self.memory.end_probability(state)
            return t + 1, drawn["z"], reward, state, rewards + here * reward, ends

        state = {name: inputs[f"state_{name}"] for name in self.names}
        empty = ops.zeros_like(inputs["terminated"])
        start = (0, inputs["z"], inputs["reward"], state, empty, empty)
        _, z, reward, state, rewards, ends = ops.while_loop(
            lambda t, *_: t < ops.shape(rows)[0], step, start
        )
        state = {f"state_{name}": x for name, x in state.items()}
        return {"z": z, "reward": reward, "rewards": rewards, "ends": ends, **state}

    def _action(self, inputs, z, state, given):
        if self.act is None:
            return given
        seen = {"z": z, **self.memory.hidden(state)}
        features = ops.concatenate([seen[name] for name in self.parts], axis=-1)
        chosen = self.act(inputs["parameters"], features[None])[0]
        return ops.where(inputs["driven"] > 0, chosen, given)


class TracedDreams:
    """Traces dreams at any temperature; see TracedBlock for the arguments."""

    def __init__(
        self,
        memory: Any,
        act: Callable | None,
        parts: tuple[str, ...],
        step_reward: float | None,
    ):
        self.memory, self.block = memory, TracedBlock(memory, act, parts, step_reward)

    def trace(
        self,
        actions: np.ndarray,
        first: np.ndarray,
        temperature: float,
        generator: np.random.Generator,
        parameters: np.ndarray | None = None,
        driven: np.ndarray | None = None,
    ) -> Trace:
        """Dream all lanes for as many steps as there are actions.

        Args:
            actions: (T, L, A) in -1..1.
            first: (L, Z) first latents.
            temperature: above 0.
            generator: draws the noise; equal generators give equal dreams.
            parameters: (N,) of the controller, if a lane is driven.
            driven: (L,) bool, the lanes in which the controller acts; None: none.
        """
        lanes = len(first)
        carried = {"z": first.astype(np.float32), "reward": np.zeros(lanes, np.float32)}
        state = begun_state(self.memory, lanes, generator)
        carried |= {f"state_{name}": x for name, x in state.items()}
        fixed = {"temperature": np.full(lanes, temperature, np.float32)}
        if driven is not None:
            fixed["driven"] = driven.astype(np.float32)[:, None]
            fixed["parameters"] = np.asarray(parameters, np.float32)[None]
        noted: dict[str, list] = {"rewards": [], "ends": [], "draws": []}
        for start in range(0, len(actions), BLOCK):
            steps = actions[start : start + BLOCK].astype(np.float32)
            noise = _noise(generator, (len(steps), *first.shape))
            outputs = self.block.predict_on_batch(carried | fixed | {"actions": steps} | noise)
            carried = {name: np.asarray(outputs[name]) for name in carried}
            for name in ("rewards", "ends"):
                noted[name].append(np.asarray(outputs[name]))
            noted["draws"].append(noise["terminated"])
        return Trace(**{name: np.concatenate(parts) for name, parts in noted.items()})


def _noise(generator: np.random.Generator, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """A block's noise: component and normal (T, L, Z), and terminated (T, L)."""
    return {
        "component": generator.random(shape, np.float32),
        "normal": generator.standard_normal(shape, np.float32),
        "terminated": generator.random(shape[:2], np.float32),
    }
