"""How fast environments, perception and workers are; see measure.py.

The car stays on the road, since what a picture costs depends on what is in it.
"""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TRACK = 5_000_000  # seed of the first track driven
RENDERERS = ("official", "exact", "fast", "physics")


class RoadFollower:
    """Actions that keep CarRacing's car on the road at a moderate speed: what a picture costs
    depends on what is in it.

    Args:
        env: CarRacing in any wrappers; asked where the car and the road are.
    """

    ahead, speed = 6, 40.0  # tiles, units of the world a second

    def __init__(self, env):
        self.world = env.unwrapped

    def reset(self, seed: int | None = None) -> None:
        """Begin at the line of the world's present track."""
        self.road, self.tile = [tile[2:4] for tile in self.world.track], 0

    def act(self, observation=None) -> np.ndarray:
        """(3,) float32 in -1..1. Plain arithmetic: a few microseconds, so that it hardly counts."""
        hull, road = self.world.car.hull, self.road
        x, y = hull.position
        while math.dist((x, y), road[(self.tile + 1) % len(road)]) < math.dist(
            (x, y), road[self.tile]
        ):
            self.tile = (self.tile + 1) % len(road)
        goal_x, goal_y = road[(self.tile + self.ahead) % len(road)]
        error = (math.atan2(goal_y - y, goal_x - x) - math.pi / 2 - hull.angle + math.pi) % (
            2 * math.pi
        ) - math.pi
        gas = 1.0 if hull.linearVelocity.length < self.speed else -1.0
        return np.array((min(max(-2 * error, -1.0), 1.0), gas, -1.0), np.float32)


class _NoPicture:
    """A renderer that draws nothing."""

    def new_track(self, env):
        pass

    def draw(self, env):
        return np.zeros((64, 64, 3), np.uint8)


def environment(
    seconds: float, repeats: int, steps: int, renderers: tuple[str, ...] = RENDERERS
) -> dict:
    """Steps/s of CarRacing by renderer, resets included; in turns, on the same tracks, by the same
    actions of a driver on the road.
    """
    worlds = {name: _world(name) for name in {"physics", *renderers}}
    rates: dict[str, list[float]] = {name: [] for name in renderers}
    for turn in range(repeats):
        actions = _actions(worlds["physics"], TRACK + turn, steps)
        for name in renderers:
            _replay(worlds[name], TRACK + turn, actions[:50])
            started, done = time.perf_counter(), 0
            while done == 0 or time.perf_counter() - started < seconds:
                done += _replay(worlds[name], TRACK + turn, actions)
            rates[name].append(done / (time.perf_counter() - started))
    return {"rates": rates}


def _world(renderer: str):
    from WorldModels.envs.make import make_env

    world = make_env(renderer="fast" if renderer == "physics" else renderer)
    if renderer == "physics":
        world.unwrapped.renderer = _NoPicture()
    return world


def _actions(world, seed: int, steps: int) -> list[np.ndarray]:
    """What the road follower does on a track, until the lap or the steps are over."""
    world.reset(seed=seed)
    driver, actions, over = RoadFollower(world), [], False
    driver.reset()
    while not over and len(actions) < steps:
        actions.append(driver.act())
        _, _, terminated, truncated, _ = world.step(actions[-1])
        over = terminated or truncated
    return actions


def _replay(world, seed: int, actions: list[np.ndarray]) -> int:
    world.reset(seed=seed)
    for action in actions:
        world.step(action)
    return len(actions)


def perception(seconds: float, repeats: int, folder: str) -> dict:
    """Steps/s of V and M on one frame at a time."""
    from WorldModels.assembly.opening import open_perception
    from WorldModels.assembly.speed.measure import blocks

    step = open_perception(folder)
    frames = np.random.default_rng(0).integers(0, 256, (100, 1, *step.observation_shape), np.uint8)
    inputs = (
        np.zeros(1, np.float32),
        np.zeros((1, step.action_size), np.float32),
        np.zeros((1, step.sizes["z"]), np.float32),
    )

    def episode() -> int:
        state = step.initial(1)
        for frame in frames:
            *_, state = step(frame, *inputs, state)
        return len(frames)

    return {"rates": blocks(episode, seconds, repeats)}


def dream(seconds: float, repeats: int, folder: str) -> dict:
    """Steps/s of a dream, one lane."""
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.assembly.worlds import DreamMaker

    env = DreamMaker(folder, {"features": "zh", "termination": "never", "max_steps": 100})()
    actions = (
        np.random.default_rng(0).uniform(-1, 1, (100, *env.action_space.shape)).astype(np.float32)
    )

    def episode() -> int:
        env.reset(seed=0)
        for action in actions:
            env.step(action)
        return len(actions)

    return {"rates": blocks(episode, seconds, repeats)}


class OnTheRoad:
    """A linear controller that is asked, and a road follower that is obeyed: a trained driver's
    work, without training.

    Args:
        controller: a control.controller.ControllerPolicy.
        env: CarRacing in any wrappers.
    """

    name = "controller"

    def __init__(self, controller, env):
        self.controller, self.follower = controller, RoadFollower(env)

    def reset(self, seed: int) -> None:
        self.controller.reset(seed)
        self.follower.reset(seed)

    def act(self, features):
        self.controller.act(features)
        return self.follower.act()


@dataclass(frozen=True)
class Driver:
    """Makes, in a worker process, a function from (seed, steps) to (steps driven, MB of memory that
    are the process's own).
    """

    folder: str

    def __call__(self) -> Callable[[tuple[int, int]], tuple[int, float]]:
        from WorldModels.assembly.worlds import WorldMaker
        from WorldModels.control.controller import Controller, ControllerPolicy
        from WorldModels.control.rollout import rollout

        world = WorldMaker(self.folder, features="zh")()
        controller = Controller("zh")
        policy = OnTheRoad(
            ControllerPolicy(controller, np.full(controller.num_parameters, 0.01)), world
        )

        def drive(task: tuple[int, int]) -> tuple[int, float]:
            seed, steps = task
            return (rollout(world, policy, seed, steps).length if steps else 0), private_memory()

        return drive


def private_memory() -> float:
    """MB (10^6 bytes) that this process shares with no other; NaN where the system does not tell."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return float("nan")
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


def rollouts(seconds: float, repeats: int, folder: str, steps: int, workers: int) -> dict:
    """Steps/s of a controller in the fast environment, all worker processes together."""
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.control.executors import Executor

    tracks = itertools.count(TRACK)
    with Executor(Driver(folder), workers) as executor:

        def generation() -> int:
            tasks = [(seed, (seed, steps)) for seed in itertools.islice(tracks, 4 * workers)]
            return sum(done for _, (done, _) in executor.map_unordered(tasks))

        return {"rates": blocks(generation, seconds, repeats), "note": f"{workers} workers"}


def worker(repeats: int, folder: str, steps: int) -> dict:
    """Seconds from the start of a worker process to its first answer, and its own memory after an
    episode.
    """
    from WorldModels.control.executors import Executor

    ready, memory = [], []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with Executor(Driver(folder), 1) as executor:
            list(executor.map_unordered([(0, (TRACK, 0))]))
            ready.append(time.perf_counter() - started)
            [(_, (_, megabytes))] = executor.map_unordered([(0, (TRACK, steps))])
            memory.append(megabytes)
    return {"ready": ready[1:], "memory": memory[1:]}  # the first read the files from disk
