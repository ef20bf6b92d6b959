"""A whole population in the dream: every lane (driver x rollout) in one compiled loop. Knows M, and
C as a function.

The loop runs in blocks of steps. Between two blocks the lanes that have ended are dropped, so that
the work follows those that
still live; what is compiled is one graph for each size of a small set. Noise comes from outside,
since drawing it inside a
compiled loop is not the same on every backend.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

BLOCK = 50  # steps of one compiled loop


class DreamBlock(keras.Model):
    """Some steps of all lanes in one compiled loop; a lane that has ended keeps its return and its
    length.

    `call` takes a flat dict: parameters (P, N), rollout and temperature (L,), component and normal
    (T, R, Z), end (T, R), and what it
    gives anew: z (L, Z), reward, alive, returns, lengths (L,) and M's state, state_<name> (L, ...).
    L = P * B lanes, driver by driver;
    lane l takes the noise of rollout[l].

    Args:
        memory: M.
        act: (parameters (P, N), features (P, B, F)) -> actions (P, B, A).
        parts: what the features are made of, in order, of "z", "h" and "c".
        step_reward: of every step; None: as M's reward head predicts.
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
        self.memory, self.act, self.parts, self.step_reward, self.terminates = (
            memory,
            act,
            parts,
            step_reward,
            terminates,
        )
        self.names = tuple(memory.initial_state(1))
        self.built = True

    def call(self, inputs):
        parameters, rollout = inputs["parameters"], inputs["rollout"]
        drivers, steps = ops.shape(parameters)[0], ops.shape(inputs["end"])[0]
        noise = {
            name: ops.take(inputs[name], rollout, axis=1) for name in ("component", "normal", "end")
        }

        def step(t, z, state, reward, alive, returns, lengths):
            seen = {"z": z, **self.memory.hidden(state)}
            features = ops.concatenate([seen[name] for name in self.parts], axis=-1)
            action = self.act(parameters, ops.reshape(features, (drivers, -1, features.shape[-1])))
            state = self.memory.step(state, z, ops.reshape(action, (-1, action.shape[-1])), reward)
            drawn = self.memory.sample(
                state,
                inputs["temperature"],
                {
                    "component": noise["component"][t],
                    "normal": noise["normal"][t],
                    "terminated": noise["end"][t],
                },
            )
            reward = (
                drawn["reward"]
                if self.step_reward is None
                else ops.full_like(alive, self.step_reward)
            )
            returns, lengths = returns + alive * reward, lengths + alive
            if self.terminates:
                alive = alive * (1 - drawn["terminated"])
            return t + 1, drawn["z"], state, reward, alive, returns, lengths

        state = {name: inputs[f"state_{name}"] for name in self.names}
        start = (
            0,
            inputs["z"],
            state,
            inputs["reward"],
            inputs["alive"],
            inputs["returns"],
            inputs["lengths"],
        )
        _, z, state, reward, alive, returns, lengths = ops.while_loop(
            lambda t, *_: t < steps, step, start
        )
        return {
            "z": z,
            "reward": reward,
            "alive": alive,
            "returns": returns,
            "lengths": lengths,
            **{f"state_{name}": x for name, x in state.items()},
        }


class PopulationDream:
    """Dreams of a whole population on common first latents and common noise, or each lane on its
    own.

    Args:
        memory: M, in the dtype that it shall compute in.
        act: (parameters (P, N), features (P, B, F)) -> actions (P, B, A) in keras.ops.
        parts: of the features, see DreamBlock.
        temperature: above 0.
        step_reward: of every step; None: M's reward head.
        termination: "threshold", "sampled" or "never".
        threshold: probability above which a dream ends.
        max_steps: longest dream.
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
            generator: of the noise: one stream for each rollout, or for each lane where `first`
                says so.
            heard: told of the steps that were played, block by block.

        Returns:
            returns (P, R) float64 and lengths (P, R) int.
        """
        drivers, common = len(parameters), first.ndim == 2
        rollouts, streams = first.shape[-2], first.reshape(-1, first.shape[-1])
        lane_noise = np.tile(np.arange(rollouts), drivers) if common else np.arange(len(streams))
        lanes = _Lanes(
            self.memory,
            np.asarray(parameters, np.float32),
            rollouts,
            lane_noise,
            streams[lane_noise],
        )
        for done in range(0, self.max_steps, BLOCK):
            noise = self._noise(generator, streams.shape, min(BLOCK, self.max_steps - done))
            before = lanes.lengths.sum()
            lanes.take(self.block.predict_on_batch(lanes.inputs(noise, self.temperature)))
            if heard is not None:
                heard(int(lanes.lengths.sum() - before))
            if not lanes.shrink():
                break
        return lanes.returns.reshape(drivers, rollouts), lanes.lengths.reshape(
            drivers, rollouts
        ).astype(int)

    def _noise(
        self, generator: np.random.Generator, streams: tuple[int, int], steps: int
    ) -> dict[str, np.ndarray]:
        """A block's noise (T, streams, ...); drawn for all of them whoever still lives, so that a
        lane's does not depend on the others.
        """
        component, normal = (
            generator.random((steps, *streams), np.float32),
            generator.standard_normal((steps, *streams), np.float32),
        )
        if self.termination == "threshold":
            end = np.full((steps, streams[0]), self.threshold, np.float32)
        else:
            end = generator.random((steps, streams[0]), np.float32)
        return {"component": component, "normal": normal, "end": end}


class _Lanes:
    """The lanes that are still in the loop, and what all of them have come to."""

    def __init__(
        self, memory: Any, parameters: np.ndarray, rollouts: int, rollout: np.ndarray, z: np.ndarray
    ):
        count = len(z)
        self.parameters, self.rollouts, self.where = parameters, rollouts, np.arange(count)
        self.returns, self.lengths = np.zeros(count), np.zeros(count)
        self.own = {
            "rollout": rollout.astype(np.int32),
            "z": z.astype(np.float32),
            "reward": np.zeros(count, np.float32),
            "alive": np.ones(count, np.float32),
        }
        for name, x in memory.initial_state(1).items():
            self.own[f"state_{name}"] = np.zeros((count, *x.shape[1:]), np.float32)

    def inputs(self, noise: dict[str, np.ndarray], temperature: float) -> dict[str, np.ndarray]:
        """What DreamBlock takes; driver by driver as long as all lanes are there, then with a
        driver for each lane.
        """
        count = len(self.where)
        whole = count == len(self.returns)
        parameters = self.parameters if whole else self.parameters[self.where // self.rollouts]
        zeros = np.zeros(count, np.float32)
        return {
            **self.own,
            **noise,
            "parameters": parameters,
            "temperature": np.full(count, temperature, np.float32),
            "returns": zeros,
            "lengths": zeros,
        }

    def take(self, outputs: dict[str, np.ndarray]) -> None:
        """Add what a block gave."""
        np.add.at(self.returns, self.where, np.asarray(outputs["returns"], np.float64))
        np.add.at(self.lengths, self.where, np.asarray(outputs["lengths"], np.float64))
        self.own = {
            "rollout": self.own["rollout"],
            **{name: np.asarray(outputs[name]) for name in self.own if name != "rollout"},
        }

    def shrink(self) -> int:
        """Drop lanes that have ended, down to a size that is compiled; how many still live."""
        alive = np.flatnonzero(self.own["alive"] > 0)
        size = _bucket(len(alive), len(self.where))
        if len(alive) and size < len(self.where):
            ended = np.flatnonzero(self.own["alive"] <= 0)
            kept = np.sort(np.concatenate([alive, ended[: size - len(alive)]]))
            self.where, self.own = self.where[kept], {name: x[kept] for name, x in self.own.items()}
        return len(alive)


def _bucket(alive: int, present: int) -> int:
    """The smallest of the sizes 16, 24, 32, 48, 64, 96 ... that holds the living; never more than
    are present.
    """
    size = 16
    while size < alive:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return min(size, present)
