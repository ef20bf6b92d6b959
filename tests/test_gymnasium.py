"""Any Gymnasium environment: the experiment gymnasium, choices as one-hot vectors, its worlds."""

import subprocess

import gymnasium
import numpy as np
import pytest
from conftest import ROOT, of_a_user, run_verb_process
from gymnasium import spaces
from keras import ops
from test_memory import array

from WorldModels.control.controller import Controller, ControllerPolicy
from WorldModels.control.policies import POLICIES
from WorldModels.envs.make import make_env
from WorldModels.envs.one_hot import NumberedAction, NumberedActions, OneHot
from WorldModels.episodes.episode import Episode
from WorldModels.experiment.command import parse
from WorldModels.experiment.games.game import Game, one_hot
from WorldModels.experiment.located import folder_of
from WorldModels.playing.hands import Hands


class Shop(gymnasium.Env):
    """A Dict with a picture, a number and a choice; three actions, numbered from 5."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Dict(
        {
            "price": spaces.Box(0, 1, (2,), np.float64),
            "seen": spaces.Box(0, 255, (20, 30, 3), np.uint8),
            "shelf": spaces.Discrete(3),
        }
    )
    action_space = spaces.Discrete(3, start=5)

    def __init__(self, render_mode=None):
        self.render_mode, self.actions = render_mode, []

    def _seen(self):
        frame = np.zeros((20, 30, 3), np.uint8)
        frame[5:15, 5:25] = 200
        return {"price": np.array([0.25, 0.5]), "seen": frame, "shelf": 2}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        self.actions.append(action)
        return self._seen(), float(action), False, False, {}

    def render(self):
        raise RuntimeError("the picture is in the observation")


@pytest.fixture(autouse=True)
def shop():
    gymnasium.register("Shop-v0", lambda **how: Shop(**how), max_episode_steps=37)
    yield
    gymnasium.registry.pop("Shop-v0")


@pytest.mark.parametrize("xp", [np, ops])
def test_a_choice_is_the_largest_number_and_of_several_the_first(xp):
    values = np.array([[1, 3, 2], [0, 0, 0], [-1, 2, 2]], np.float32)
    expected = [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    chosen = array(one_hot(values if xp is np else ops.convert_to_tensor(values), xp))
    np.testing.assert_array_equal(chosen, expected)
    assert chosen.dtype == np.float32


def test_the_environment_gets_the_number_that_was_chosen():
    env = make_env("Shop-v0")
    env.reset(seed=0)
    assert isinstance(env.action_space, OneHot) and env.action_space.shape == (3,)
    for action in ([0, 0, 1], [0, 0, 0], [0.2, 0.9, 0.9]):
        env.step(np.array(action, np.float32))
    assert env.unwrapped.actions == [7, 5, 6]
    drawn = np.stack([env.action_space.sample() for _ in range(60)])
    assert (drawn.sum(1) == 1).all() and (drawn.sum(0) > 5).all()
    assert all(env.action_space.contains(action) for action in drawn)


def test_a_picture_in_a_dict_is_used_and_the_rest_is_flattened():
    frame, _ = make_env("Shop-v0").reset(seed=0)
    assert frame.shape == (64, 64, 3) and frame.max() == 200
    vector, _ = make_env("Shop-v0", observation="vector").reset(seed=0)
    assert vector.shape == (2 + 1800 + 3,) and vector.dtype == np.float32
    np.testing.assert_allclose(vector[:2], [0.25, 0.5])
    np.testing.assert_array_equal(vector[-3:], [0, 0, 1])


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_gives_one_hot_vectors_for_a_choice(name):
    actions = Game("").actions_of(OneHot(4))
    policy = POLICIES[name](actions)
    policy.reset(3)
    seen = np.stack([policy.act(None) for _ in range(40)])
    assert seen.dtype == np.float32 and set(np.unique(seen)) <= {0.0, 1.0}
    np.testing.assert_array_equal(seen.sum(1), 1)


def test_a_controller_chooses_alike_alone_in_a_population_and_in_the_dream(tmp_path):
    shape = Controller("zh", 3, 4, action_size=3, chooses=True)
    draw = np.random.default_rng(0)
    parameters = 5 * draw.standard_normal((2, shape.num_parameters))
    parameters[1] = 0  # where evolution begins: all outputs tie
    features = draw.standard_normal((2, 5, 7)).astype(np.float32)
    together = shape.act(parameters, features)
    dreamt = shape.act(ops.convert_to_tensor(parameters, "float32"), features, ops)
    np.testing.assert_array_equal(together, array(dreamt))
    for driver in range(2):
        policy = ControllerPolicy(shape, parameters[driver])
        alone = [policy.act(each) for each in features[driver]]
        np.testing.assert_array_equal(alone, together[driver])
    assert (together[1] == [1, 0, 0]).all() and (together[0].sum(-1) == 1).all()
    shape.save(tmp_path / "c.npz", parameters[0])
    assert Controller.load(tmp_path / "c.npz")[0] == shape
    with np.load(tmp_path / "c.npz") as file:  # of an earlier version
        fields = {name: file[name] for name in file.files if name != "chooses"}
    np.savez(tmp_path / "d.npz", **fields)
    assert not Controller.load(tmp_path / "d.npz")[0].chooses


def test_arrow_keys_choose():
    hands = Hands(Game(""), 4, choice=True)
    for held, expected in ((), 0), (("left",), 1), (("up",), 2), (("right",), 3), (("down",), 0):
        hands.held = set(held)
        assert hands.act().tolist() == np.eye(4)[expected].tolist()
    hands = Hands(Game(""), 2, choice=True)
    hands.held = {"right"}
    assert hands.act().tolist() == [0, 1]


@pytest.mark.parametrize(
    "space", [spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(4), spaces.Box(-np.inf, 1, (2,))]
)
def test_other_actions_are_refused_in_one_line(space, monkeypatch):
    monkeypatch.setattr(Shop, "action_space", space)
    with pytest.raises(ValueError, match="Shop-v0: expected actions that are Discrete or in a"):
        make_env("Shop-v0")


@pytest.mark.parametrize(
    ("env_id", "scale", "expected"),
    [
        ("LunarLander-v3", "laptop", "results/LunarLander"),
        ("ALE/Pong-v5", "smoke", "results/Pong-smoke"),
        ("maze:deep/Maze-v10", "laptop", "results/Maze"),
        ("Plain", "laptop", "results/Plain"),
    ],
)
def test_each_environment_has_its_folder(env_id, scale, expected):
    assert str(folder_of(env_id, scale)) == expected
    experiment = parse("record", ["gymnasium", "--env.id", env_id, "--scale", scale])
    assert experiment.results == expected and experiment.env.id == env_id


def test_its_steps_are_the_environments_own_and_a_typed_number_wins():
    assert parse("record", ["gymnasium", "--env.id", "Shop-v0"]).env.max_steps == 37
    assert parse("record", ["gymnasium", "--env.id", "CartPole-v1"]).env.max_steps == 500
    typed = ["gymnasium", "--env.id", "CartPole-v1", "--env.max-steps", "9"]
    assert parse("record", typed).env.max_steps == 9
    with pytest.raises(ValueError, match="--scale: expected one of smoke, laptop for gymnasium"):
        parse("record", ["gymnasium", "--env.id", "CartPole-v1", "--scale", "paper"])


def test_without_an_environment_it_lists_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"expected --env.id .*\(none yet\), received neither"):
        parse("record", ["gymnasium"])
    folder = tmp_path / "results/Shop"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        '{"name": "gymnasium", "scale": "smoke", "typed": {"env.id": "Shop-v0"}}'
    )
    with pytest.raises(ValueError, match=r"\(--results results/Shop \(Shop-v0\)\)"):
        parse("record", ["gymnasium"])
    found = parse("record", ["gymnasium", "--results", "results/Shop"])
    assert (found.env.id, found.scale) == ("Shop-v0", "smoke")


SIX = ("record", "train_vision", "encode", "train_memory", "train_controller", "evaluate")


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    """`bash launch_scripts/gymnasium.bash --env.id CartPole-v1 --scale smoke`, with its numbers."""
    folder = tmp_path_factory.mktemp("gymnasium") / "run"
    flags = ["--env.id", "CartPole-v1", "--env.observation", "vector", "--vision.kind", "dense"]
    words = ["bash", "launch_scripts/gymnasium.bash", *flags, "--scale", "smoke"]
    done = subprocess.run(
        [*words, "--results", str(folder)],
        cwd=ROOT,
        env=of_a_user(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_a_choice_goes_through_the_launch_script(cartpole):
    folder, said = cartpole
    assert "4 latents, as many as an observation has numbers" in said
    episode = Episode.load(folder / "0/episodes/000001.npz")
    np.testing.assert_array_equal(episode.actions.sum(1), 1)
    assert set(np.unique(episode.actions)) == {0.0, 1.0} and episode.actions.shape[1] == 2
    assert Controller.load(folder / "0/controller/best.npz")[0].chooses
    assert (folder / "0/real.mp4").exists()


@pytest.mark.slow
def test_its_gymnasium_ids_take_numbers(cartpole):
    import WorldModels  # noqa: F401  registers them

    folder = str(cartpole[0])
    for kind in ("Dream", "Latent"):
        env = gymnasium.make(f"WorldModels/{kind}-v0", results=folder)
        assert env.action_space == spaces.Discrete(2)
        env.reset(seed=1)
        seen = [env.step(action)[0] for action in (1, 0, np.int64(1))]
        assert np.isfinite(seen).all()
        with pytest.raises((ValueError, AssertionError)):
            env.unwrapped and env.get_wrapper_attr("action")(2)
        env.close()
        many = gymnasium.make_vec(f"WorldModels/{kind}-v0", num_envs=3, results=folder)
        assert many.single_action_space == spaces.Discrete(2)
        many.reset(seed=1)
        first = many.step(np.array([1, 0, 1]))[0]
        np.testing.assert_allclose(first[0], seen[0], atol=1e-5)
        many.close()
    with pytest.raises(ValueError, match="results: expected the folder of a run"):
        gymnasium.make("WorldModels/Dream-v0")


def test_numbers_that_are_no_actions_are_refused():
    with pytest.raises(ValueError, match="expected a number from 0 to 2, received 3"):
        NumberedAction(make_env("Shop-v0")).action(3)
    worlds = gymnasium.vector.SyncVectorEnv([lambda: make_env("Shop-v0")] * 2)
    with pytest.raises(ValueError, match="expected 2 numbers from 0 to 2"):
        NumberedActions(worlds).actions([0, 3])
    np.testing.assert_array_equal(NumberedActions(worlds).actions([2, 0]), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["Pendulum-v1", "LunarLander-v3", "BipedalWalker-v3"])
def test_pictures_go_through_the_six_verbs(env_id, tmp_path):
    flags = ("--env.id", env_id, "--record.episodes", "3", "--env.max-steps", "40")
    for verb in SIX:
        done = run_verb_process(verb, tmp_path / "run", *flags, experiment="gymnasium")
        assert done.returncode == 0, done.stdout + done.stderr
