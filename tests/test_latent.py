"""A real world seen through V and M: what a controller receives."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.utils.env_checker import check_env

from WorldModels.assembly.worlds import WorldMaker
from WorldModels.envs.latent import LatentObservation
from WorldModels.experiment.games.carracing import CarRacingSettings


class Corridor(gymnasium.Env):
    """Uniform frames that get brighter with each step; the reward is the step's number."""

    observation_space = Box(0, 255, (4, 4, 3), np.uint8)
    action_space = Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.full((4, 4, 3), 10, np.uint8), {"world": "corridor"}

    def step(self, action):
        self.steps += 1
        return (
            np.full((4, 4, 3), 10 + self.steps, np.uint8),
            float(self.steps),
            self.steps == 5,
            False,
            {},
        )


class Notes:
    """A perception that notes its inputs, and whose features show where they come from."""

    sizes = {"z": 3, "h": 2, "c": 2}
    action_size, observation_shape = 2, (4, 4, 3)

    def __init__(self):
        self.given = []

    def initial(self, batch):
        return {"started": np.zeros(batch, np.float32)}

    def __call__(self, observation, reward, action, noise, state):
        self.given.append((observation.copy(), reward.copy(), action.copy(), noise.copy(), state))
        z = observation[:, 0, 0, :].astype(np.float32) + noise
        return (
            z,
            np.full((1, 2), -1, np.float32),
            np.full((1, 2), -2, np.float32),
            {"started": state["started"] + 1},
        )


def drive(latent="mean", features="zh", seed=1):
    perception = Notes()
    env = LatentObservation(Corridor(), perception, features, latent)
    seen = [env.reset(seed=seed)[0]]
    for i in range(3):
        seen.append(env.step(np.array([0.1 * i, 0.5], np.float32))[0])
    return np.array(seen), perception.given


@pytest.mark.parametrize(
    "features, expected",
    [("z", [10] * 3), ("zh", [10] * 3 + [-1] * 2), ("zch", [10] * 3 + [-2] * 2 + [-1] * 2)],
)
def test_features_stand_in_the_order_of_their_letters(features, expected):
    env = LatentObservation(Corridor(), Notes(), features)
    observation, info = env.reset(seed=0)
    assert observation.dtype == np.float32 and env.observation_space.contains(observation)
    np.testing.assert_array_equal(observation, expected)
    assert info["world"] == "corridor"


def test_memory_gets_the_applied_action_and_the_reward_before_it():
    _, given = drive()
    observations, rewards, actions, noise, states = zip(*given, strict=True)
    assert [x[0, 0, 0, 0] for x in observations] == [10, 11, 12, 13]
    np.testing.assert_allclose(np.concatenate(actions), [[0, 0], [0, 0.5], [0.1, 0.5], [0.2, 0.5]])
    assert [float(x[0]) for x in rewards] == [0, 0, 1, 2]
    assert [float(x["started"][0]) for x in states] == [0, 1, 2, 3]
    assert not np.any(noise)


def test_the_frame_lies_in_info():
    env = LatentObservation(Corridor(), Notes())
    _, info = env.reset()
    assert info["frame"].dtype == np.uint8 and info["frame"][0, 0, 0] == 10
    assert env.step(np.zeros(2, np.float32))[4]["frame"][0, 0, 0] == 11


def test_noise_follows_the_seed_alone():
    first, second, other = (drive("sampled", seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.all(first[:, :3] != other[:, :3])
    assert not np.array_equal(drive("mean")[0], first)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("latent", ["mean", "sampled"])
def test_gymnasium_finds_nothing_wrong(latent):
    check_env(LatentObservation(Corridor(), Notes(), "zh", latent), skip_render_check=True)


def test_a_contradiction_is_refused():
    without_c = Notes()
    without_c.sizes = {"z": 3, "h": 2}
    narrow = Notes()
    narrow.observation_shape = (8, 8, 3)
    for perception, features, latent, message in (
        (Notes(), "hz", "mean", "features.*zch.*'hz'"),
        (Notes(), "z", "median", "latent.*'median'"),
        (without_c, "zch", "mean", "has no c"),
        (narrow, "z", "mean", r"observations.*\(8, 8, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            LatentObservation(Corridor(), perception, features, latent)


def test_a_maker_names_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="vision.keras.*train_vision"):
        WorldMaker(CarRacingSettings(), str(tmp_path), features="zh")()
