"""C: its published sizes, its layout, a population in one call, files; and the rollout loop."""

import numpy as np
import pytest
from fake_world import CONTROLLER, Line, Script, nan_world

from WorldModels.control.controller import Controller, ControllerPolicy
from WorldModels.control.executors import Executor
from WorldModels.control.rollout import rollout
from WorldModels.control.scoring import DriverMaker, lengths_of, returns_of, score

KINDS = [
    (Controller("zh"), 867),
    (Controller("z"), 99),
    (Controller("z", num_hidden=40), 1443),
    (Controller("zch", latent_size=64, hidden_size=512, action_size=1, bias=False), 1088),
]
IDS = ["zh", "z", "hidden", "zch"]


@pytest.mark.parametrize(("controller", "count"), KINDS, ids=IDS)
def test_published_sizes(controller, count):
    assert controller.num_parameters == count


@pytest.mark.parametrize(("controller", "count"), KINDS, ids=IDS)
def test_a_population_in_one_call_equals_one_at_a_time(controller, count):
    rng = np.random.default_rng(1)
    parameters = rng.normal(size=(5, count)).astype(np.float32)
    features = rng.normal(size=(5, 7, controller.feature_size)).astype(np.float32)
    actions = controller.act(parameters, features)
    assert actions.shape == (5, 7, controller.action_size) and np.abs(actions).max() <= 1
    one_by_one = [
        [ControllerPolicy(controller, p).act(x) for x in xs]
        for p, xs in zip(parameters, features, strict=True)
    ]
    np.testing.assert_allclose(actions, np.array(one_by_one), atol=2e-5)


@pytest.mark.parametrize(("controller", "count"), KINDS, ids=IDS)
def test_keras_and_numpy_agree(controller, count):
    from keras import ops

    rng = np.random.default_rng(2)
    parameters = rng.normal(size=(3, count)).astype(np.float32)
    features = rng.normal(size=(3, 2, controller.feature_size)).astype(np.float32)
    there = controller.act(ops.convert_to_tensor(parameters), ops.convert_to_tensor(features), ops)
    np.testing.assert_allclose(
        ops.convert_to_numpy(there), controller.act(parameters, features), atol=2e-5
    )


def test_layout_is_bias_then_weights_row_by_row():
    controller = Controller("z", latent_size=2, action_size=3)
    parameters = np.arange(9, dtype=np.float64) / 10
    weights, bias, z = parameters[3:].reshape(2, 3), parameters[:3], np.array([0.3, -0.2])
    np.testing.assert_allclose(
        controller.act(parameters[None], z[None, None])[0, 0], np.tanh(z @ weights + bias)
    )
    hidden = Controller("z", latent_size=2, action_size=3, num_hidden=4)
    p = np.random.default_rng(0).normal(size=hidden.num_parameters)
    inner = np.tanh(z @ p[4:12].reshape(2, 4) + p[:4])
    np.testing.assert_allclose(
        hidden.act(p[None], z[None, None])[0, 0], np.tanh(inner @ p[15:].reshape(4, 3) + p[12:15])
    )


def test_features_come_in_the_order_z_c_h():
    from WorldModels.control import controller
    from WorldModels.envs import lanes, latent
    from WorldModels.interfaces import FEATURES

    assert FEATURES == {"z": ("z",), "zh": ("z", "h"), "zch": ("z", "c", "h")}
    assert all(user.FEATURES is FEATURES for user in (controller, lanes, latent))
    sizes = {kind: Controller(kind, 2, 30, 400).feature_size for kind in FEATURES}
    assert sizes == {"z": 2, "zh": 32, "zch": 432}


def test_a_file_holds_everything(tmp_path):
    controller = Controller("zch", 8, 16, 12, num_hidden=5, latent="sampled")
    parameters = np.random.default_rng(0).normal(size=controller.num_parameters)
    controller.save(tmp_path / "mean.npz", parameters, generation=7, validation=812.5)
    loaded, same, facts = Controller.load(tmp_path / "mean.npz")
    assert loaded == controller and facts == {"generation": 7, "validation": 812.5}
    np.testing.assert_array_equal(same, parameters)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match="features"):
        Controller("hz")
    with pytest.raises(ValueError, match="867"):
        ControllerPolicy(Controller(), np.zeros(866))
    with pytest.raises(ValueError, match="finite"):
        Controller().save(tmp_path / "x.npz", np.full(867, np.nan))
    with pytest.raises(FileNotFoundError):
        Controller.load(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(ValueError, match="bad.npz.*driver"):
        Controller.load(tmp_path / "bad.npz")


# The loop.


class Still:
    name = "still"

    def reset(self, seed):
        pass

    def act(self, observation):
        return np.zeros(2, np.float32)


def test_an_episode_is_recorded_whole():
    result = rollout(Script([1.0, 2.0, 3.0]), Still(), 5, keep="episode")
    episode = result.episode
    assert (result.return_, result.length, result.terminated, result.truncated) == (
        6.0,
        3,
        True,
        False,
    )
    assert episode.observations.shape == (4, 8, 8, 3) and episode.observations[
        :, 0, 0, 0
    ].tolist() == [0, 1, 2, 3]
    assert episode.rewards.tolist() == [1, 2, 3] and episode.actions.shape == (3, 2)
    assert (episode.seed, episode.policy, episode.terminated, episode.truncated) == (
        5,
        "still",
        True,
        False,
    )
    assert rollout(Script([1.0] * 3), Still(), 5, keep="frames").frames.shape == (4, 8, 8, 3)
    assert rollout(Script([1.0] * 9), Still(), 5, 4).truncated


def test_one_drive_gives_both_lap_scores():
    infos = {3: {"lap_095": True}, 4: {"lap_095": True}, 5: {"lap_095": True, "lap_finished": True}}
    result = rollout(Script([1.0, 1.0, 10.0, -0.5, 100.0], infos), Still(), 0)
    assert (result.return_, result.return_095, result.lap, result.lap_095) == (
        111.5,
        12.0,
        True,
        True,
    )
    other = rollout(Script([1.0, 2.0]), Still(), 0)
    assert (other.return_, other.return_095, other.lap_095) == (3.0, 3.0, False)


def test_a_hopeless_episode_stops_and_is_charged():
    barren = Script([3.0] + [-0.1] * 99, terminated=False)
    full = rollout(barren, Still(), 0, 100)
    stopped = rollout(barren, Still(), 0, 100, hopeless_steps=10)
    assert full.length == 100 and not full.hopeless
    assert stopped.length == 11 and stopped.hopeless and stopped.truncated
    assert stopped.return_ == pytest.approx(full.return_)


def test_nan_from_the_world_is_one_line():
    with pytest.raises(ValueError, match="reward of step 2 .*received nan"):
        rollout(nan_world(), Still(), 0)
    with pytest.raises(ValueError, match="observation of step 1"):
        rollout(Script([1.0, 1.0], bad_observation_at=1), Still(), 0)
    with (
        Executor(DriverMaker(nan_world, CONTROLLER), 1) as executor,
        pytest.raises(ValueError, match="received nan"),
    ):
        score(executor, np.zeros((1, CONTROLLER.num_parameters)), [1], 100)


class Here:
    """Runs the tasks one after the other in this process."""

    def __init__(self, make_worker):
        self.work = make_worker()

    def map_unordered(self, tasks):
        for task_id, task in tasks:
            yield task_id, self.work(task)


def test_returns_do_not_depend_on_the_number_of_workers_nor_on_company():
    maker = DriverMaker(Line, CONTROLLER)
    parameters = np.random.default_rng(3).normal(size=(4, CONTROLLER.num_parameters))
    tracks = np.arange(100, 112).reshape(4, 3)
    alone = [
        score(Here(maker), p[None], t, 1000)[0] for p, t in zip(parameters, tracks, strict=True)
    ]
    expected, lengths = returns_of(alone), lengths_of(alone)
    assert len(set(expected.ravel())) == 12 and lengths.min() >= 20
    for workers in (1, 3):
        with Executor(maker, workers) as executor:
            together = score(executor, parameters, tracks, 1000)
        np.testing.assert_array_equal(returns_of(together), expected)
        np.testing.assert_array_equal(lengths_of(together), lengths)


def test_a_controller_of_another_vision_is_refused():
    with pytest.raises(ValueError, match="expected 288"):
        DriverMaker(Line, Controller())()
