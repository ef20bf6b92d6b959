"""CarRacing with our renderers has gymnasium's physics and (nearly) its picture."""

import math
import pickle
from functools import partial

import numpy as np
import pytest
from gymnasium.envs.box2d import car_racing
from PIL import Image

from WorldModels.envs.carracing.game import CarRacing
from WorldModels.envs.make import make_env


class Follower:
    """Drives along the track with noise, and reads the track itself.

    Actions are gymnasium's: steer -1..1, gas and brake 0..1.
    """

    def __init__(self, env, seed, noise=0.2, top_speed=45.0):
        self.env, self.random, self.noise, self.top_speed = (
            env.unwrapped,
            np.random.default_rng(seed),
            noise,
            top_speed,
        )
        self.middle = np.array([point[2:4] for point in self.env.track])

    def bearing(self, tiles_ahead):
        hull = self.env.car.hull
        here = np.array(hull.position)
        nearest = int(np.argmin(np.sum((self.middle - here) ** 2, axis=1)))
        x, y = self.middle[(nearest + tiles_ahead) % len(self.middle)] - here
        return (math.atan2(y, x) - hull.angle - math.pi / 2 + math.pi) % (2 * math.pi) - math.pi

    def act(self):
        too_slow = (
            self.top_speed / (1 + 2.5 * abs(self.bearing(12)))
            - self.env.car.hull.linearVelocity.length
        )
        action = np.array([-2 * self.bearing(6), 0.1 * too_slow, -0.05 * too_slow - 0.25])
        action += self.noise * self.random.normal(size=3) * (1, 0.5, 0.2)
        return np.clip(action, (-1, 0, 0), (1, 1, 0.8)).astype(np.float32)


class Leaver(Follower):
    """Drives straight ahead until it leaves the field."""

    def act(self):
        return np.array([0, 0.3, 0], np.float32)


def as_seen(picture):
    """The frame that V would see for an official picture."""
    return np.array(
        Image.fromarray(np.ascontiguousarray(picture[:84])).resize((64, 64), Image.Resampling.BOX)
    )


class Seldom(car_racing.CarRacing):
    """The official game, which draws only every n-th step: that is nearly all of its time."""

    def __init__(self, every):
        super().__init__()
        self.every, self.asked = every, -1

    def _render(self, mode):
        self.asked += 1
        return super()._render(mode) if self.asked % self.every == 0 else None


def drive_beside_official(seed, steps, driver=Follower, prepare=lambda env: None, every=1):
    """Drive official, exact and fast side by side, and check all but fast's picture.

    The official picture of every `every`-th step is compared.

    Returns the mean differences of fast's pictures, and the last info.
    """
    official, step = Seldom(every), 0
    ours = [CarRacing(renderer=renderer) for renderer in ("exact", "fast")]
    picture, _ = official.reset(seed=seed)
    exact, fast = (env.reset(seed=seed)[0] for env in ours)
    for env in (official, *ours):
        prepare(env)
    policy, differences, terminated = driver(official, seed), [], False
    while not terminated and step <= steps:
        assert (picture is None) == bool(step % every)
        if picture is not None:
            assert np.array_equal(exact, picture) and exact.dtype == picture.dtype, (
                f"exact differs at step {step}"
            )
            differences.append(np.abs(fast.astype(int) - as_seen(picture)).mean())
        action, step = policy.act(), step + 1
        picture, reward, terminated, _, info = official.step(action)
        (exact, *exact_rest), (fast, *fast_rest) = (env.step(action) for env in ours)
        for *rest, our_info in (exact_rest, fast_rest):
            assert rest == [reward, terminated, False]
            assert our_info | info == our_info
    return np.array(differences), terminated, our_info


def nearly_done(env):
    """Mark all tiles but the next dozen as visited."""
    for tile in env.road[12:]:
        tile.road_visited = True
        env.tile_visited_count += 1


def near_the_edge(env):
    """Move the car far from the track, to the edge of the field."""
    x, y = env.car.hull.position
    for body in (env.car.hull, *env.car.wheels):
        body.position = (body.position[0] + 290 - x, body.position[1] + 310 - y)


def needles_off_the_bar(env):
    """Turn the wheels so fast that their needles stick out of the status bar."""
    for wheel in env.car.wheels:
        wheel.omega = 900.0


def test_start_and_zoom_in():
    differences, terminated, _ = drive_beside_official(seed=1, steps=110)
    assert differences.mean() < 0.5 and not terminated


def test_end_of_a_lap():
    differences, terminated, info = drive_beside_official(2, 200, prepare=nearly_done)
    assert terminated and info["lap_finished"] and info["lap_095"]
    assert differences.mean() < 0.5


def test_off_the_field():
    differences, terminated, info = drive_beside_official(3, 200, Leaver, near_the_edge)
    assert terminated and not info["lap_finished"] and not info["lap_095"] and not info["on_road"]
    assert differences.mean() < 0.5


def test_needles_off_the_bar():
    drive_beside_official(4, 20, prepare=needles_off_the_bar)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_thousand_steps_on_the_road(seed):
    differences, _, info = drive_beside_official(seed, 1000, every=7)
    assert info["tile_count"] > 100 and len(differences) > 100
    assert differences.mean() < 0.5


@pytest.mark.slow
def test_a_driver_that_leaves_the_field():
    differences, terminated, info = drive_beside_official(14, 1500, Leaver, every=7)
    assert terminated and not info["lap_finished"]
    assert differences.mean() < 0.5


@pytest.mark.slow
def test_a_driver_that_finishes_a_lap():
    differences, terminated, info = drive_beside_official(
        15, 2500, driver=partial(Follower, top_speed=70.0), every=7
    )
    assert terminated and info["lap_finished"] and info["lap_095"]
    assert differences.mean() < 0.5


def drive_fast(env, seed, actions=None, steps=2500):
    """Drive to the end of the episode; return the action, reward and info of each step."""
    env.reset(seed=seed)
    policy, taken, rewards, infos, terminated = Follower(env, seed), [], [], [], False
    while not terminated and len(taken) < steps:
        taken.append(policy.act() if actions is None else actions[len(taken)])
        _, reward, terminated, _, info = env.step(taken[-1])
        rewards.append(reward)
        infos.append(info)
    return taken, rewards, infos


def seed_that_starts_behind_the_line():
    """A seed whose random start is at least two tiles past the line, but under 4% of a lap."""
    env = CarRacing(random_start=True)
    for seed in range(1000):
        env.reset(seed=seed)
        start = min(tile.idx for wheel in env.car.wheels for tile in wheel.tiles)
        if 2 <= start < 0.04 * len(env.track):
            return seed
    raise AssertionError("none of a thousand seeds starts there")


def test_one_drive_under_the_old_rule_gives_the_score_of_both():
    seed = seed_that_starts_behind_the_line()
    actions, rewards, infos = drive_fast(CarRacing(lap_complete=1.0, random_start=True), seed)
    assert infos[-1]["lap_finished"] and infos[-1]["lap_095"]
    fired = [info["lap_095"] for info in infos].index(True)
    assert fired < len(infos) - 1, "here the 0.95 rule ends the episode first"
    assert all(info["lap_095"] for info in infos[fired:])

    _, rewards_095, infos_095 = drive_fast(
        CarRacing(lap_complete=0.95, random_start=True), seed, actions
    )
    assert infos_095[-1]["lap_finished"]
    assert rewards_095 == rewards[: fired + 1]


def test_from_the_line_both_rules_are_one():
    env = CarRacing(lap_complete=1.0)
    for seed in range(5):
        env.reset(seed=seed)
        assert env.road[0].road_visited, (
            "tile 0 is visited at once, so the 0.95 rule cannot fire later"
        )
    _, _, infos = drive_fast(env, seed=15)
    assert infos[-1]["lap_finished"]
    assert [info["lap_095"] for info in infos] == [False] * (len(infos) - 1) + [True]


def test_a_random_start_leaves_the_track_as_it_is():
    line, anywhere = CarRacing(), CarRacing(random_start=True)
    line.reset(seed=5)
    frame, _ = anywhere.reset(seed=5)
    assert sorted(line.track) == sorted(anywhere.track) and line.track != anywhere.track
    assert [polygon for polygon, _ in line.road_poly] == [
        polygon for polygon, _ in anywhere.road_poly
    ]
    assert anywhere.t > 1, "the zoom-in is left out"
    assert np.array_equal(anywhere.reset(seed=5)[0], frame)


def test_info_tells_the_road():
    env = CarRacing()
    _, info = env.reset(seed=1)
    assert info["on_road"] and info["tile_count"] >= 1 and not info["lap_095"]
    near_the_edge(env)
    for _ in range(3):
        *_, info = env.step(np.zeros(3, np.float32))
    assert not info["on_road"]


def test_renders_a_video_picture_too():
    env = CarRacing()
    env.reset(seed=1)
    assert env.render().shape == (400, 600, 3)


@pytest.mark.parametrize("wrong", [{"renderer": "quick"}, {"lap_complete": 0.9}])
def test_unknown_values_are_refused_in_one_line(wrong):
    with pytest.raises(ValueError, match="expected .* received") as error:
        make_env(**wrong)
    assert "\n" not in str(error.value)


def test_survives_pickling():
    env = pickle.loads(
        pickle.dumps(CarRacing(renderer="exact", lap_complete=1.0, random_start=True))
    )
    assert (env.lap_complete, env.random_start) == (1.0, True)
    assert env.reset(seed=1)[0].shape == (96, 96, 3)


def test_a_border_without_width_has_no_direction():
    from types import SimpleNamespace

    from WorldModels.envs.carracing.fast import road_inward

    tile = [[0, 0], [2, 0], [2, 1], [0, 1]]
    line = [
        [0, 0],
        [0, 0],
        [0, 1],
        [0, 1],
    ]  # where the track does not bend, gymnasium's border has no side
    scene = SimpleNamespace(
        vertices=np.array([tile, line], float), num_grass=0, is_border=np.array([False, True])
    )
    inward = road_inward(scene)
    assert np.isfinite(inward).all() and (inward[1] == 0).all() and (inward[0, 0] == [1, 0]).all()
