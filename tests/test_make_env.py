"""make_env: the frame that V sees, actions in -1..1, clear errors, and a cheap import."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.box2d import car_racing
from PIL import Image

from WorldModels.envs.faults import CheckReward
from WorldModels.envs.make import make_env
from WorldModels.envs.wrappers import DriveAction, RescaleAction


class Nothing(gymnasium.Env):
    """An environment that always gives the reward passed to its constructor."""

    observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)
    action_space = gymnasium.spaces.Box(
        np.array([-2.0, 0.0]), np.array([2.0, 10.0]), dtype=np.float64
    )

    def __init__(self, reward=0.0):
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        return np.zeros((8, 8, 3), np.uint8), {}

    def step(self, action):
        self.received = action
        return np.zeros((8, 8, 3), np.uint8), self.reward, False, False, {}


@pytest.mark.parametrize("renderer", ["fast", "exact", "official"])
@pytest.mark.parametrize("frame_size", [64, 96])
def test_spaces_are_what_comes_out(renderer, frame_size):
    env = make_env(renderer=renderer, frame_size=frame_size)
    observation, _ = env.reset(seed=1)
    assert (
        env.observation_space.shape == (frame_size, frame_size, 3)
        and observation in env.observation_space
    )
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
    assert env.step(env.action_space.sample())[0] in env.observation_space


def test_official_frames_are_cropped_above_the_status_bar_and_resized_by_area():
    env, official = make_env(renderer="official"), car_racing.CarRacing()
    frame, _ = env.reset(seed=3)
    picture, _ = official.reset(seed=3)
    expected = Image.fromarray(np.ascontiguousarray(picture[:84])).resize(
        (64, 64), Image.Resampling.BOX
    )
    assert np.array_equal(frame, np.array(expected))
    assert np.array_equal(make_env(renderer="fast", frame_size=96).reset(seed=3)[0], picture)


def test_equal_seeds_give_equal_episodes():
    env, actions = make_env(), np.random.default_rng(0).uniform(-1, 1, (30, 3)).astype(np.float32)
    frames = [
        [env.reset(seed=7)[0]] + [env.step(action)[0] for action in actions] for _ in range(2)
    ]
    assert np.array_equal(frames[0], frames[1])


def test_the_time_limit_truncates():
    env = make_env(max_steps=3)
    env.reset(seed=1)
    assert [env.step(np.zeros(3, np.float32))[2:4] for _ in range(3)] == [
        (False, False),
        (False, False),
        (False, True),
    ]


def test_the_published_action_mapping():
    """steer = a0, gas = (a1 + 1) / 2, brake = clip(a2, 0, 1): hardmaru/WorldModelsExperiments."""
    env = DriveAction(Nothing())
    for action, expected in [
        ((-1, -1, -1), (-1, 0, 0)),
        ((0.5, 0, 0.25), (0.5, 0.5, 0.25)),
        ((1, 1, 1), (1, 1, 1)),
    ]:
        env.step(np.array(action, np.float32))
        assert env.unwrapped.received.dtype == np.float32
        np.testing.assert_array_equal(env.unwrapped.received, np.array(expected, np.float32))


def test_actions_reach_the_bounds_of_any_box():
    env = RescaleAction(Nothing())
    for action, expected in [
        ((-1, -1), (-2, 0)),
        ((0, 0), (0, 5)),
        ((1, 1), (2, 10)),
        ((3, -3), (2, 0)),
    ]:
        env.step(np.array(action, np.float32))
        np.testing.assert_array_equal(env.unwrapped.received, expected)


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_that_is_no_number_is_refused(reward):
    env = CheckReward(Nothing(reward))
    env.reset()
    with pytest.raises(ValueError, match="Nothing: expected a finite number as the reward"):
        env.step(np.zeros(2))


def test_another_environment_by_its_id():
    env = make_env("Pendulum-v1", frame_size=32, max_steps=5)
    observation, _ = env.reset(seed=1)
    assert (
        observation.shape == (32, 32, 3) and observation.dtype == np.uint8 and observation.std() > 5
    )
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    moved = [env.step(np.ones(1, np.float32)) for _ in range(5)]
    assert moved[-1][3] and not np.array_equal(moved[-1][0], observation)
    assert np.array_equal(env.reset(seed=1)[0], observation)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"id": "NoSuchWorld-v0"}, "NoSuchWorld"),
        ({"id": "CarRacing-v9"}, "CarRacing-v9"),
        ({"id": "not an id"}, "not an id"),
        ({"frame_size": 50}, "64"),
        ({"frame_size": 0, "id": "Pendulum-v1"}, "frame_size"),
        ({"max_steps": 0}, "max_steps"),
        ({"lap_complete": "half"}, "lap_complete.*'half'"),
        ({"renderer": "slow"}, "renderer.*'slow'"),
        ({"colour": "red"}, "renderer, lap_complete, frame_size, random_start, received colour"),
        ({"id": "TakeCover", "renderer": "fast"}, "among frame_size, received renderer"),
        ({"id": "Pendulum-v1", "random_start": True}, "among frame_size, received random_start"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, says):
    with pytest.raises(ValueError, match=says) as error:
        make_env(**arguments)
    assert "\n" not in str(error.value) and "expected" in str(error.value)


def test_a_worker_imports_nothing_heavy():
    code = """if True:
        import sys
        from WorldModels.envs.make import make_env
        env = make_env()
        env.reset(seed=1)
        names = {"keras", "tensorflow", "jax", "torch", "matplotlib", "onnxruntime", "tyro"}
        heavy = names & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", code], check=True)
