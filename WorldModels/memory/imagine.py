"""Dreams of a whole population: every lane (driver x rollout) in one compiled loop.

The loop runs in blocks of steps. Between two blocks, lanes that have ended are dropped, so that the
work shrinks with the lanes that still live. Their number is rounded up to one of a few sizes, each
with its own compiled graph. Noise comes from outside the loop, since drawing it in a compiled loop
does not give the same numbers on every backend.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from WorldModels.memory.living_lanes import LivingLanes, begun_state

BLOCK = 50  # steps of one compiled loop


class DreamBlock(keras.Model):
    """A block of steps of all lanes in one compiled loop.

    A lane that has ended keeps its return and its length. `call` takes a flat dict: parameters (P,
    N), rollout and temperature (L,), component and normal (T, R, Z), end (T, R), and what it
    updates and returns: z (L, Z), reward, alive, returns, lengths (L,) and M's state, state_<name>
    (L, ...). There are L = P * B lanes, driver by driver; lane l takes the noise of rollout[l].

    Args:
        memory: M.
        act: (parameters (P, N), features (P, B, F)) -> actions (P, B, A).
        parts: which of "z", "h" and "c" the features consist of, in order.
        step_reward: the reward of every step; None: M's reward head predicts it.
        terminates: M's terminated head ends a lane where its probability exceeds the noise `end`.
    """

    def __init__(
        self,
        memory: Any,
        act: Callable,
        parts: tuple[str, ...],
        step_reward: float | None,
        terminates: bool,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.memory, self.act, self.parts = memory, act, parts
        self.step_reward, self.terminates = step_reward, terminates
        self.names = tuple(memory.initial_state(1))
        self.built = True

    def call(self, inputs):
        steps = ops.shape(inputs["end"])[0]
        # The noise of each lane: (T, L, ...).
        noise = {
            name: ops.take(inputs[name], inputs["rollout"], axis=1)
            for name in ("component", "normal", "end")
        }

        def step(t, z, state, reward, alive, returns, lengths):
            state = self._stepped(inputs["parameters"], z, state, reward)
            now = {"component": noise["component"][t], "normal": noise["normal"][t]}
            now["terminated"] = noise["end"][t]
            drawn = self.memory.sample(state, inputs["temperature"], now)
            if self.step_reward is None:
                reward = drawn["reward"]
            else:
                reward = ops.full_like(alive, self.step_reward)
            returns, lengths = returns + alive * reward, lengths + alive
            if self.terminates:
                alive = alive * (1 - drawn["terminated"])
            return t + 1, drawn["z"], state, reward, alive, returns, lengths

        state = {name: inputs[f"state_{name}"] for name in self.names}
        names = ("reward", "alive", "returns", "lengths")
        start = (0, inputs["z"], state, *(inputs[name] for name in names))
        _, z, state, *rest = ops.while_loop(lambda t, *_: t < steps, step, start)
        state = {f"state_{name}": x for name, x in state.items()}
        return {"z": z, **dict(zip(names, rest, strict=True)), **state}

    def _stepped(self, parameters, z, state, reward):
        """M's state after every lane's driver has acted on z (L, Z) and M's state."""
        seen = {"z": z, **self.memory.hidden(state)}
        features = ops.concatenate([seen[name] for name in self.parts], axis=-1)
        drivers, size = ops.shape(parameters)[0], features.shape[-1]
        action = self.act(parameters, ops.reshape(features, (drivers, -1, size)))
        return self.memory.step(state, z, ops.reshape(action, (-1, action.shape[-1])), reward)


class PopulationDream:
    """Dreams of a whole population, whose drivers may share first latents and noise.

    Args:
        memory: M, in the dtype to compute in.
        act: (parameters (P, N), features (P, B, F)) -> actions (P, B, A) in keras.ops.
        parts: of the features, see DreamBlock.
        temperature: above 0.
        step_reward: the reward of every step; None: M's reward head predicts it.
        termination: "threshold", "sampled" or "never".
        threshold: probability above which a dream ends.
        max_steps: steps after which a dream is truncated.
    """

    def __init__(
        self,
        memory: Any,
        act: Callable,
        parts: tuple[str, ...],
        *,
        temperature: float = 1.0,
        step_reward: float | None = None,
        termination: str = "threshold",
        threshold: float = 0.5,
        max_steps: int = 1000,
    ):
        self.memory, self.temperature, self.max_steps = memory, float(temperature), int(max_steps)
        self.termination, self.threshold = termination, float(threshold)
        self.block = DreamBlock(memory, act, parts, step_reward, termination != "never")

    def returns(
        self,
        parameters: np.ndarray,
        first: np.ndarray,
        generator: np.random.Generator,
        heard: Callable[[int], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Dream every driver's rollouts to their ends.

        Args:
            parameters: (P, N).
            first: (R, Z) first latents, the same for all drivers, or (P, R, Z).
            generator: draws the noise: one stream per rollout, or one per lane if `first` has a
                latent for each.
            heard: called after each block with the number of steps dreamt in it.

        Returns:
            returns (P, R) float64 and lengths (P, R) int.
        """
        shape, latents = (len(parameters), first.shape[-2]), first.reshape(-1, first.shape[-1])
        streams = np.arange(len(latents))
        if first.ndim == 2:  # common to all drivers
            streams = np.tile(streams, len(parameters))
        parameters = np.asarray(parameters, np.float32)
        state = begun_state(self.memory, len(latents), generator)
        state = {name: x[streams] for name, x in state.items()}
        lanes = LivingLanes(parameters, shape[1], streams, latents[streams], state)
        for done in range(0, self.max_steps, BLOCK):
            noise = self._noise(generator, latents.shape, min(BLOCK, self.max_steps - done))
            before = lanes.lengths.sum()
            lanes.take(self.block.predict_on_batch(lanes.inputs(noise, self.temperature)))
            if heard is not None:
                heard(int(lanes.lengths.sum() - before))
            if not lanes.shrink():
                break
        return lanes.returns.reshape(shape), lanes.lengths.reshape(shape).astype(int)

    def _noise(
        self, generator: np.random.Generator, streams: tuple[int, int], steps: int
    ) -> dict[str, np.ndarray]:
        """A block's noise (T, streams, ...).

        It is drawn for all streams, even for lanes that have ended, so that a lane's noise does not
        depend on the others.
        """
        component = generator.random((steps, *streams), np.float32)
        normal = generator.standard_normal((steps, *streams), np.float32)
        if self.termination == "threshold":
            end = np.full((steps, streams[0]), self.threshold, np.float32)
        else:
            end = generator.random((steps, streams[0]), np.float32)
        return {"component": component, "normal": normal, "end": end}
