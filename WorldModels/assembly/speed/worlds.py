"""Measures how fast environments, perception and the dream are; see measure.py."""

import time

import numpy as np

from WorldModels.assembly.speed.road import TRACK, RoadFollower


class _NoPicture:
    """A renderer that draws nothing: its picture never changes, and is not of one colour."""

    picture = np.arange(64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)

    def new_track(self, env):
        pass

    def draw(self, env):
        return self.picture


def environment(seconds: float, repeats: int, steps: int, renderers: tuple[str, ...]) -> dict:
    """Steps/s of CarRacing by renderer, resets included.

    The renderers take turns, on the same tracks and with the same actions, those of a driver that
    stays on the road.

    Args:
        seconds: minimum length of a turn.
        repeats: number of turns of each renderer.
        steps: the most in an episode.
        renderers: CarRacing's, or "physics", which draws nothing.
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
    """The road follower's actions on a track, until the lap or the steps are over."""
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
    """Frames/s of V and M on one frame at a time."""
    from WorldModels.assembly.opening import open_perception
    from WorldModels.assembly.speed.measure import blocks

    step = open_perception(folder)
    frames = np.random.default_rng(0).integers(0, 256, (100, 1, *step.observation_shape), np.uint8)
    reward, action = np.zeros(1, np.float32), np.zeros((1, step.action_size), np.float32)
    noise = np.zeros((1, step.sizes["z"]), np.float32)

    def episode() -> int:
        state = step.initial(1)
        for frame in frames:
            *_, state = step(frame, reward, action, noise, state)
        return len(frames)

    return {"rates": blocks(episode, seconds, repeats)}


def dream(seconds: float, repeats: int, folder: str) -> dict:
    """Steps/s of a dream in one lane."""
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.assembly.worlds import DreamMaker

    env = DreamMaker(folder, {"features": "zh", "termination": "never", "max_steps": 100})()
    draw = np.random.default_rng(0)
    actions = draw.uniform(-1, 1, (100, *env.action_space.shape)).astype(np.float32)

    def episode() -> int:
        env.reset(seed=0)
        for action in actions:
            env.step(action)
        return len(actions)

    return {"rates": blocks(episode, seconds, repeats)}
