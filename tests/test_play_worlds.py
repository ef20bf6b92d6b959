"""play as a user types it: mistakes, what the arrows do, and a trained run's worlds and driver."""

import os
import shlex

import gymnasium
import numpy as np
import pytest
from commands import run_module
from conftest import run_verb_process

from WorldModels.envs.wrappers import DriveAction
from WorldModels.experiment.command import parse
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.run import Run
from WorldModels.play import PlaySettings, open_session
from WorldModels.playing.hands import Hands


@pytest.mark.parametrize(
    "held, steer_gas_brake",
    [
        ((), (0, 0, 0)),
        (("left",), (-1, 0, 0)),
        (("right", "up"), (1, 1, 0)),
        (("down",), (0, 0, 0.8)),
        (("left", "right", "up"), (0, 1, 0)),
    ],
)
def test_the_arrows_mean_to_the_car_what_they_show(held, steer_gas_brake):
    hands, game = Hands(game_of("CarRacing-v3"), 3), DriveAction(gymnasium.Env())
    hands.held.update(held)
    action = hands.act()
    assert game.action_space.contains(action)
    np.testing.assert_allclose(game.action(action), steer_gas_brake, atol=1e-6)


@pytest.mark.parametrize("held, action", [((), 0), (("left",), -1), (("right", "up"), 1)])
def test_the_arrows_move_aside_in_take_cover(held, action):
    hands = Hands(game_of("TakeCover"), 1)
    hands.held.update(held)
    assert hands.act().tolist() == [action] and hands.act().dtype == np.float32


def run_play(folder, *flags):
    return run_verb_process("play", folder, *flags, env={**os.environ, "SDL_VIDEODRIVER": "dummy"})


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--world moon", ["moon", "latent"]),
        ("--temperature 0", ["--temperature", "0"]),
        ("--temperature -1", ["--temperature", "-1"]),
        ("--temperature nan", ["--temperature"]),
        ("--frames -1", ["--frames"]),
        ("--world dream --temperature 1", ["train_memory carracing"]),
        ("--world latent", ["train_vision carracing"]),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path, flags, words):
    done = run_play(tmp_path / "run", *shlex.split(flags))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "--world dream" not in done.stderr.split("python -m")[-1], (
        "train_memory knows no --world"
    )
    assert not (tmp_path / "run").exists()


def test_the_real_game_can_be_played_before_anything_is_trained(tmp_path):
    done = run_play(tmp_path / "run", "--frames", "20")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run").exists()


def opened(folder, *flags):
    argv = ["carracing", "--scale", "smoke", "--results", str(folder), *flags]
    return open_session(
        Run(parse("play", argv, settings=PlaySettings), "play", argv, reads_only=True)
    )


@pytest.mark.parametrize(
    "world, shown",
    [("real", ["real"]), ("latent", ["frame", "reconstruction"]), ("dream", ["dream"])],
)
def test_every_world_is_played_beside_a_verb_that_has_the_folder(smoke_run, world, shown):
    held = Run(
        parse("record", ["carracing", "--scale", "smoke", "--results", str(smoke_run)]), "record"
    )
    try:
        temperature = ("--temperature", "0.5") if world == "dream" else ()
        session = opened(smoke_run, "--world", world, *temperature)
        session.press("m")
        for _ in range(10):
            session.tick()
        assert session.trained and (session.steps == 10 or session.ended)
        assert list(session.pictures) == shown
        assert all(
            picture.dtype == np.uint8 and picture.ndim == 3 for picture in session.pictures.values()
        )
        assert (
            session.world.unwrapped.temperature == 0.5
            if world == "dream"
            else session.temperature is None
        )
    finally:
        held.close()


def test_the_controller_drives_as_it_does_when_nobody_watches(smoke_run):
    from WorldModels.assembly.worlds import driven, real_world
    from WorldModels.control.rollout import rollout

    session = opened(smoke_run, "--world", "latent", "--env.max-steps", "60")
    session.press("m")
    while not session.ended:
        session.tick()
    bare = real_world("", parse("play", ["carracing", "--scale", "smoke"]).env)()
    alone = rollout(
        *driven(bare, smoke_run / "0/controller/best.npz", smoke_run / "0"), session.seed, 60
    )
    assert (session.return_, session.steps) == (
        pytest.approx(alone.return_, rel=1e-9),
        alone.length,
    )


def test_the_window_opens_for_a_run_and_closes_by_itself(smoke_run):
    done = run_module(
        "WorldModels",
        "play",
        "carracing",
        "--scale",
        "smoke",
        "--results",
        str(smoke_run),
        "--world=dream",
        "--frames",
        "15",
        env={**os.environ, "SDL_VIDEODRIVER": "dummy"},
    )
    assert done.returncode == 0, done.stderr
