"""The lanes of a population's dreams that have not ended, padded to a size that is compiled."""

from typing import Any

import numpy as np

from WorldModels.interfaces import DROPPED


def begun_state(memory: Any, count: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """M's state in `count` dreams that begin: zeros, but for the part that is drawn."""
    state = {}
    for name, x in memory.initial_state(1).items():
        shape = (count, *x.shape[1:])
        drawn = name == DROPPED or name.endswith(f"_{DROPPED}")
        state[name] = generator.random(shape, np.float32) if drawn else np.zeros(shape, np.float32)
    return state


class LivingLanes:
    """The lanes that are still in the loop, and the returns and lengths of all of them.

    Args:
        memory: M.
        parameters: (P, N) of the drivers.
        rollouts: number of rollouts per driver.
        rollout: (L,), which stream of noise each of the L = P * rollouts lanes takes.
        z: (L, Z), first latents.
        state: M's at the start, see `begun_state`; part -> (L, ...).
    """

    def __init__(
        self,
        parameters: np.ndarray,
        rollouts: int,
        rollout: np.ndarray,
        z: np.ndarray,
        state: dict[str, np.ndarray],
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
        self.own |= {f"state_{name}": x for name, x in state.items()}

    def inputs(self, noise: dict[str, np.ndarray], temperature: float) -> dict[str, np.ndarray]:
        """What DreamBlock takes: parameters by driver until a lane is dropped, then by lane."""
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
        """Add the outputs of a block."""
        np.add.at(self.returns, self.where, np.asarray(outputs["returns"], np.float64))
        np.add.at(self.lengths, self.where, np.asarray(outputs["lengths"], np.float64))
        self.own = {
            "rollout": self.own["rollout"],
            **{name: np.asarray(outputs[name]) for name in self.own if name != "rollout"},
        }

    def shrink(self) -> int:
        """Drop ended lanes, down to a size that is compiled, and return how many lanes live."""
        alive = np.flatnonzero(self.own["alive"] > 0)
        size = _bucket(len(alive), len(self.where))
        if len(alive) and size < len(self.where):
            ended = np.flatnonzero(self.own["alive"] <= 0)
            kept = np.sort(np.concatenate([alive, ended[: size - len(alive)]]))
            self.where, self.own = self.where[kept], {name: x[kept] for name, x in self.own.items()}
        return len(alive)


def _bucket(alive: int, present: int) -> int:
    """The smallest of the sizes 16, 24, 32, 48, 64, 96 ... that holds the living lanes.

    It never exceeds `present`.
    """
    size = 16
    while size < alive:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return min(size, present)
