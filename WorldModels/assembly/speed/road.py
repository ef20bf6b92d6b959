"""Drivers that keep CarRacing's car on the road: what a frame shows decides what it costs."""

import math

import gymnasium
import numpy as np

TRACK = 5_000_000  # seed of the first track to drive


class RoadFollower:
    """Actions that keep CarRacing's car on the road at a moderate speed.

    Args:
        env: CarRacing in any wrappers; the driver reads from it where the car and the road are.
    """

    ahead, speed = 6, 40.0  # tiles, units of the world a second

    def __init__(self, env):
        self.world = env.unwrapped

    def reset(self, seed: int | None = None) -> None:
        """Begin at the start line of the world's current track."""
        self.road, self.tile = [tile[2:4] for tile in self.world.track], 0

    def act(self, observation=None) -> np.ndarray:
        """The action (3,) float32 in -1..1; takes a few microseconds, too few to matter."""
        hull, road = self.world.car.hull, self.road
        self._move_on(hull.position)
        x, y = hull.position
        goal_x, goal_y = road[(self.tile + self.ahead) % len(road)]
        direction = math.atan2(goal_y - y, goal_x - x) - math.pi / 2 - hull.angle
        error = (direction + math.pi) % (2 * math.pi) - math.pi
        gas = 1.0 if hull.linearVelocity.length < self.speed else -1.0
        return np.array((min(max(-2 * error, -1.0), 1.0), gas, -1.0), np.float32)

    def _move_on(self, position) -> None:
        """Advance the current tile for as long as the next one is nearer to the car."""
        x, y = position
        while True:
            following = (self.tile + 1) % len(self.road)
            here, there = self.road[self.tile], self.road[following]
            if math.dist((x, y), there) >= math.dist((x, y), here):
                return
            self.tile = following


class OnTheRoad:
    """Computes a controller's actions, takes a road follower's: costs what a trained driver does.

    Args:
        controller: a control.controller.ControllerPolicy.
        env: CarRacing in any wrappers.
    """

    name = "controller"

    def __init__(self, controller, env):
        self.controller, self.follower = controller, RoadFollower(env)

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        self.controller.reset(seed)
        self.follower.reset(seed)

    def act(self, features) -> np.ndarray:
        """The road follower's action (3,), after computing the controller's."""
        self.controller.act(features)
        return self.follower.act()


class KeptOnTheRoad(gymnasium.ActionWrapper):
    """CarRacing, whose car follows the road whatever the action: costs what a trained driver does.

    Args:
        env: CarRacing in any wrappers.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.follower = RoadFollower(env)

    def reset(self, **kwargs):
        found = self.env.reset(**kwargs)
        self.follower.reset()
        return found

    def action(self, action) -> np.ndarray:
        return self.follower.act()
