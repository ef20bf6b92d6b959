"""Doom's Take Cover: its frame, three actions, step count and end; a seed fixes all of them."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from commands import run_module
from gymnasium.utils.env_checker import check_env
from PIL import Image

from WorldModels.control.executors import Executor
from WorldModels.control.policies import POLICIES
from WorldModels.control.rollout import rollout
from WorldModels.envs.make import make_env
from WorldModels.envs.recording import IgnoreTermination
from WorldModels.envs.takecover import game as takecover
from WorldModels.episodes.episode import Episode

vizdoom = pytest.importorskip("vizdoom")
ROOT = Path(__file__).resolve().parent.parent
LEFT, RIGHT, STAY = (np.array([number], np.float32) for number in (-1.0, 1.0, 0.0))


@pytest.fixture(scope="module")
def env():
    env = make_env("TakeCover", max_steps=2100)
    yield env
    env.close()


def play(env, seed, policy="sweep", steps=2100):
    """A digest of all frames of a game, and its length in steps."""
    driver, digest = POLICIES[policy](1), hashlib.sha256()
    driver.reset(seed)
    observation, _ = env.reset(seed=seed)
    digest.update(observation.tobytes())
    ended, step = False, 0
    while not ended and step < steps:
        observation, _, *ends, _ = env.step(driver.act())
        ended, step = any(ends), step + 1
        digest.update(observation.tobytes())
    return digest.hexdigest(), step


class Player:
    """Plays in a worker process."""

    def __call__(self):
        env = make_env("TakeCover", max_steps=2100)
        return lambda seed: play(env, seed)


def test_the_frame_is_the_view_above_the_status_bar_resized_by_area(env):
    observation, _ = env.reset(seed=1)
    picture = env.render()
    assert (
        observation.shape == (64, 64, 3)
        and observation.dtype == np.uint8
        and picture.shape == (480, 640, 3)
    )
    screen = picture[::4, ::4]
    assert np.array_equal(
        np.array(Image.fromarray(screen[:100]).resize((64, 64), Image.Resampling.BOX)), observation
    )
    red = (screen[..., 0] > 150) & (
        screen[..., 1:].max(-1) < 50
    )  # the numbers of the status bar; elsewhere only monsters' heads
    assert red[100:].sum() > 50 and red[:80].sum() < 20
    assert make_env("TakeCover", frame_size=32).reset(seed=1)[0].shape == (32, 32, 3)


def test_it_is_a_gymnasium_environment(recwarn):
    env = takecover.TakeCover()
    check_env(env)
    assert [
        str(w.message) for w in recwarn if "alternative render modes" not in str(w.message)
    ] == []
    env.close()


@pytest.mark.parametrize(
    ("number", "pressed"),
    [
        (-1, (1, 0)),
        (-0.34, (1, 0)),
        (-0.33, (0, 0)),
        (0, (0, 0)),
        (0.33, (0, 0)),
        (0.34, (0, 1)),
        (1, (0, 1)),
    ],
)
def test_an_action_is_left_right_or_stay(number, pressed):
    assert takecover.buttons(np.array([number], np.float32)) == pressed


def test_left_is_left(env):
    def walked(action):
        env.reset(seed=2)
        for _ in range(20):
            env.step(action)
        return env.unwrapped.game.get_game_variable(vizdoom.GameVariable.POSITION_Y)

    assert env.unwrapped.game.get_available_buttons() == [
        vizdoom.Button.MOVE_LEFT,
        vizdoom.Button.MOVE_RIGHT,
    ]
    left, stay, right = walked(LEFT), walked(STAY), walked(RIGHT)
    assert abs(left - stay) > 40 and left - stay == pytest.approx(stay - right, rel=0.05)


def test_a_seed_fixes_the_game_whatever_was_played_before_and_in_whichever_process(env):
    first = play(env, 7)
    play(env, 8, "uniform", steps=50)  # not played to the end
    play(env, 9)
    assert play(env, 7) == first and play(env, 10) != first
    with Executor(Player(), 1) as executor:
        elsewhere = dict(executor.map_unordered([("other", 8), ("same", 7)]))
    assert elsewhere["same"] == first and elsewhere["other"] == play(env, 8)


def test_games_without_a_seed_follow_from_the_last_one(env):
    def lengths():
        env.reset(seed=3)
        return [rest_of_game(env) for _ in range(3) if env.reset()]

    first = lengths()
    assert len(set(first)) > 1 and lengths() == first


def rest_of_game(env):
    return next(step for step in range(1, 2101) if env.step(STAY)[2])


def test_the_return_counts_the_steps_and_the_fatal_action_is_kept(env, tmp_path):
    result = rollout(env, POLICIES["stay"](1), 11, 2100, keep="episode")
    episode = result.episode
    assert (
        result.terminated
        and not result.truncated
        and result.return_ == result.length == len(episode.actions)
    )
    assert env.unwrapped.game.get_total_reward() == result.length  # ViZDoom's own count
    assert len(episode.observations) == result.length + 1
    assert np.array_equal(
        episode.observations[-1], episode.observations[-2]
    )  # the last picture is repeated: there is none after death
    assert not np.array_equal(episode.observations[-2], episode.observations[-3])
    assert episode.observations.mean((1, 2, 3)).min() > 30  # none is black
    episode.save(tmp_path / "game.npz")
    assert Episode.load(tmp_path / "game.npz").terminated


def test_after_the_end_a_reset_is_needed(env):
    env.reset(seed=11)
    rest_of_game(env)
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.unwrapped.step(STAY)
    env.reset(seed=12)
    env.step(STAY)


def test_a_game_is_cut_at_its_limit():
    env = make_env("TakeCover", max_steps=5)
    env.reset(seed=1)
    assert [env.step(STAY)[2:4] for _ in range(5)] == [(False, False)] * 4 + [(False, True)]
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.reset(seed=1)


def test_one_who_plays_at_random_lives_as_long_as_in_the_paper(env):
    """The paper reports 210 +- 108 steps; with so few games the bounds are wide."""
    lengths = [rollout(env, POLICIES["uniform"](1), 60_000_000 + i, 2100).length for i in range(30)]
    assert 160 < np.mean(lengths) < 270


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"frame_size": 0}, "frame_size: expected"),
        ({"render_mode": "human"}, "render_mode: expected rgb_array"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, says):
    with pytest.raises(ValueError, match=says):
        takecover.TakeCover(**arguments)


def test_a_game_cannot_be_recorded_beyond_its_end(env):
    with pytest.raises(ValueError, match="--record.full-episode: expected False"):
        IgnoreTermination(env)


def test_without_vizdoom_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(ImportError, match=r"pip install \"WorldModels\[doom\]\"") as raised:
        make_env("TakeCover")
    assert "\n" not in str(raised.value)


def test_a_worker_imports_nothing_heavy():
    code = """if True:
        import sys
        from WorldModels.envs.make import make_env
        make_env("TakeCover").reset(seed=1)
        names = {"keras", "tensorflow", "jax", "torch", "matplotlib", "onnxruntime", "tyro"}
        heavy = names & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
def test_the_verb_records_and_writes_nothing_where_it_is_called(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    done = run_module(
        "WorldModels.record",
        "takecover",
        "--scale",
        "smoke",
        "--record.episodes",
        "3",
        "--results",
        "../run",
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert (
        len(list((tmp_path / "run/0/episodes").glob("*.npz"))) == 3 and list(here.iterdir()) == []
    )
