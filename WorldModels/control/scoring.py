"""Scores drivers on tracks with an executor: one task is one episode of one driver."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from WorldModels.control.controller import Controller, ControllerPolicy
from WorldModels.control.rollout import Rollout, rollout


@dataclass(frozen=True)
class Drive:
    """A task: one episode of one driver on one track.

    Attributes:
        parameters: (N,), the driver's.
        seed: the track's seed.
        max_steps, hopeless_steps: see `rollout`.
    """

    parameters: np.ndarray
    seed: int
    max_steps: int
    hopeless_steps: int = 0


@dataclass(frozen=True)
class DriverMaker:
    """Makes, in whatever process calls it, a callable(Drive) -> Rollout; picklable.

    Attributes:
        make_world: picklable; makes a world that emits features.
        controller: the shape of all the drivers.
    """

    make_world: Callable
    controller: Controller

    def __call__(self) -> Callable[[Drive], Rollout]:
        """Build the world.

        Raises:
            ValueError: the world does not emit as many features as the controller takes.
        """
        env, controller = self.make_world(), self.controller
        if env.observation_space.shape != (controller.feature_size,):
            raise ValueError(
                f"features: expected {controller.feature_size} ({controller.features}), "
                f"received {env.observation_space.shape} from the world; the controller belongs "
                "to another V or M."
            )

        def drive(task: Drive) -> Rollout:
            policy = ControllerPolicy(controller, task.parameters)
            return rollout(
                env, policy, task.seed, task.max_steps, hopeless_steps=task.hopeless_steps
            )

        return drive


def score(
    executor,
    parameters: np.ndarray,
    tracks: np.ndarray,
    max_steps: int,
    *,
    hopeless_steps: int = 0,
    heard: Callable[[Rollout], None] | None = None,
) -> list[list[Rollout]]:
    """Drive every member of a population on its tracks.

    Args:
        executor: its make_worker is a DriverMaker; it may raise ValueError and RuntimeError.
        parameters: (P, N).
        tracks: (P, R) seeds, or (R,) if all drive on the same tracks.
        max_steps: length of an episode.
        hopeless_steps: training only, see `rollout`.
        heard: receives every rollout as it finishes.

    Returns:
        results[member][rollout]; they do not depend on the executor.
    """
    parameters = np.asarray(parameters, np.float64)
    tracks = np.broadcast_to(tracks, (len(parameters), np.shape(tracks)[-1]))
    results = [[None] * tracks.shape[1] for _ in parameters]
    drives = (
        ((p, r), Drive(parameters[p], int(tracks[p, r]), max_steps, hopeless_steps))
        for p, r in np.ndindex(tracks.shape)
    )
    for (p, r), result in executor.map_unordered(drives):
        results[p][r] = result
        if heard is not None:
            heard(result)
    return results


def returns_of(results: list[list[Rollout]]) -> np.ndarray:
    """The returns, (P, R) float64."""
    return np.array([[result.return_ for result in member] for member in results])


def lengths_of(results: list[list[Rollout]]) -> np.ndarray:
    """The steps played, (P, R)."""
    return np.array([[result.length for result in member] for member in results])
