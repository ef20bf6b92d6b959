"""A user's own environment: its arguments, what it raises, and what it shows and rewards."""

import json
import re
import sys
import textwrap

import gymnasium
import numpy as np
import pytest

from WorldModels import record
from WorldModels.envs.make import make_env
from WorldModels.envs.recording import IgnoreTermination
from WorldModels.episodes.episode import Episode, list_episodes
from WorldModels.experiment.command import parse
from WorldModels.experiment.errors import ForeignError
from WorldModels.experiment.memo import memo_of, typed_names
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import stage_facts

MAZE = """
    import os
    from pathlib import Path

    import gymnasium
    import numpy as np
    from gymnasium.spaces import Box


    class Maze(gymnasium.Env):
        def close(self):
            if self.trouble == "close":
                raise RuntimeError("already closed")

        metadata = {"render_modes": ["rgb_array"]}
        observation_space = Box(0, 1, (2,), np.float32)
        action_space = Box(-1, 1, (1,), np.float32)

        def __init__(self, config, size=3, trouble="", render_mode=None):
            self.level, self.trouble = int(Path(config).read_text()), trouble
            self.render_mode, self.size = render_mode, size
            if trouble == "exit":
                raise SystemExit("no licence")
            if trouble == "type":
                size + trouble

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.time = 0
            if self.trouble == "reset":
                raise RuntimeError("no display,\\nnone at all")
            seen = self.observation_space.sample()
            return seen if self.trouble == "old reset" else (seen, {})

        def step(self, action):
            self.time += 1
            if self.trouble == "step" and self.time == 5:
                raise ZeroDivisionError("no wall here")
            over = self.trouble == "over" and self.time >= 3
            if over and self.time > 3:
                raise AssertionError
            reward = 1.0 if self.trouble == "reward" else float(action[0])
            reward = {"no reward": None, "array": np.ones(2)}.get(self.trouble, reward)
            if self.trouble == "die" and self.time == 5:
                os._exit(9)
            if self.trouble == "needed":
                raise gymnasium.error.ResetNeeded("the engine is gone")
            seen = self.observation_space.sample()
            if self.trouble == "longer" and self.time == 5:
                seen = np.zeros(3, np.float32)
            values = seen, reward, over, False, None if self.trouble == "no info" else {}
            return (*values[:2], over, {}) if self.trouble == "old step" else values

        def render(self):
            if self.trouble == "render":
                return None
            frame = np.zeros((16, 16, 3), np.uint8)
            if self.trouble == "flat":
                frame[:] = 90
            elif self.trouble == "blinks":
                frame[:] = 255 * (self.time == 1)
            elif self.trouble != "black" and (self.trouble != "dark start" or self.time > 8):
                frame[self.time % 16 : self.time % 16 + self.size] = self.level
            return frame


    gymnasium.register("Maze-v0", Maze, disable_env_checker=True)
    gymnasium.register(
        "SmallMaze-v0", Maze, kwargs={"config": "maze.txt", "size": 2}, disable_env_checker=True
    )
"""
BROKEN = """
    import gymnasium
    raise KeyError("of the engine")
"""
TINY = ["--record.episodes", "3", "--record.max-frames", "20", "--record.min-frames", "1"]
TINY += ["--record.policies", "uniform", "--workers", "1"]


@pytest.fixture(autouse=True)
def maze(tmp_path, monkeypatch):
    """Modules maze and broken_maze of the user's own, and a file that the constructor reads."""
    place = tmp_path / "work"
    place.mkdir()
    (place / "maze.py").write_text(textwrap.dedent(MAZE))
    (place / "broken_maze.py").write_text(textwrap.dedent(BROKEN))
    (place / "maze.txt").write_text("200")
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    yield
    for name in ("Maze-v0", "SmallMaze-v0", "OnlyHere-v0"):
        gymnasium.registry.pop(name, None)
    sys.modules.pop("maze", None)


def words(folder, kwargs=None, id="maze:Maze-v0", flags=()):
    arguments = [] if kwargs is None else ["--env.kwargs", json.dumps(kwargs)]
    start = ["carracing", "--scale", "smoke", "--results", str(folder), "--env.id", id]
    return [*start, *TINY, *arguments, *flags]


def recorded(folder, *given, capsys, **how):
    """What record printed: standard output, and its one line of error or "" if it succeeded."""
    try:
        record.main(words(folder, *given, **how))
        return capsys.readouterr().out, ""
    except SystemExit as stop:
        assert stop.code == 2
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if "error" in line]
    assert len(lines) == 1 and "Traceback" not in printed.err, printed.err
    return printed.out, lines[0]


def levels(folder):
    """The brightest value of each recorded episode, and how many rows of its first frame shine."""
    found = [Episode.load(path).observations for path in list_episodes(folder / "0/episodes")]
    return {int(x.max()) for x in found}, {int(x[0].any((1, 2)).sum()) for x in found}


def test_arguments_reach_the_constructor_in_every_worker_and_are_remembered(tmp_path, capsys):
    run, given = tmp_path / "run", {"size": 8, "config": "maze.txt"}
    out, error = recorded(run, given, capsys=capsys, flags=["--workers", "2"])
    assert error == "" and "record: 3 episodes" in out and "warning" not in out
    assert levels(run) == ({200}, {32})  # 8 of 16 rows, in 64
    typed = json.dumps(given, sort_keys=True)
    assert memo_of(run).typed["env.kwargs"] == typed
    assert stage_facts(run / "0", "episodes")["settings"]["env"]["kwargs"] == typed
    for verb in ("train_vision", "train_controller"):
        later = parse(verb, ["carracing", "--results", str(run)])
        assert later.env.arguments == given
    out, error = recorded(run, {**given, "size": 2}, capsys=capsys)
    assert error.startswith("error: --env.kwargs: ") and '"size": 2' in error and typed in error


def test_a_configured_id_of_a_module_needs_no_arguments_and_takes_more(tmp_path, capsys):
    _, error = recorded(tmp_path / "run", capsys=capsys, id="maze:SmallMaze-v0")
    assert error == "" and levels(tmp_path / "run") == ({200}, {8})
    _, error = recorded(tmp_path / "other", {"size": 4}, capsys=capsys, id="maze:SmallMaze-v0")
    assert error == "" and levels(tmp_path / "other") == ({200}, {16})


def opened(folder, verb, *given, stage, finish=False, flags=()):
    """A stage of a verb's run, checked against these settings."""
    argv = words(folder, *given, flags=flags)
    run = Run(parse(verb, argv), verb, argv, typed=typed_names(argv))
    try:
        made = run.stage(stage)
        if finish:
            made.begin()
            made.finish()
        return made
    finally:
        run.close()


def test_equal_arguments_agree_and_other_ones_are_refused_by_every_stage(tmp_path):
    run = tmp_path / "run"
    opened(run, "record", {"a": 1, "b": [2, "x y"]}, stage="episodes", finish=True)
    assert opened(run, "record", {"b": [2, "x y"], "a": 1}, stage="episodes").complete
    assert opened(run, "record", stage="episodes").complete
    for verb, stage in (("record", "episodes"), ("train_vision", "vision")):
        with pytest.raises(ValueError, match='--env.kwargs: {"a": 2} asked for.*made with {"a": 1'):
            opened(run, verb, {"a": 2}, stage=stage)
    with pytest.raises(ValueError, match="""give --env.kwargs '{"a": 1, "b": .2, "x y".}'"""):
        opened(run, "train_vision", {"a": 2}, stage="vision")


def test_a_v_is_not_taken_from_a_run_with_other_arguments(tmp_path, capsys):
    theirs = tmp_path / "theirs"
    for verb, stage in (("record", "episodes"), ("train_vision", "vision")):
        opened(theirs, verb, {"a": 1}, stage=stage, finish=True)
    for value in (1, 2):
        ours, flags = tmp_path / f"ours{value}", ["--reuse", str(theirs)]
        opened(ours, "record", {"a": value}, stage="episodes", finish=True)
        taken = opened(ours, "train_vision", stage="vision", flags=flags).complete
        assert taken == (value == 1), capsys.readouterr().out


def test_a_run_made_before_there_were_arguments_stays_valid(tmp_path):
    run = tmp_path / "run"
    opened(run, "record", stage="episodes", finish=True)
    file = run / "0/stages/episodes.json"
    older = json.loads(file.read_text())
    assert older["settings"]["env"].pop("kwargs") == "{}"
    older.pop("sum", None)
    file.write_text(json.dumps(older))
    assert opened(run, "record", stage="episodes").complete
    assert not opened(run, "train_vision", stage="vision").complete
    with pytest.raises(ValueError, match='--env.kwargs: {"a": 2} asked for.*made with {}'):
        opened(run, "record", {"a": 2}, stage="episodes")


@pytest.mark.parametrize(
    "flags, says",
    [
        (
            ["--env.kwargs", "size=3"],
            "--env.kwargs: expected the constructor's arguments as a JSON",
        ),
        (["--env.kwargs", "[3]"], "--env.kwargs: expected the constructor's arguments as a JSON"),
        (["--env.kwargs", '{"render_mode": "human"}'], "--env.kwargs: expected no render_mode"),
        (
            ["--env.id", "CarRacing-v3", "--env.kwargs", '{"continuous": false}'],
            "--env.kwargs: nothing in this run uses it.*Pendulum-v1; drop it",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(tmp_path, capsys, flags, says):
    with pytest.raises(SystemExit):
        record.main(words(tmp_path / "run", flags=flags))
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    pattern = says.replace("{", r"\{")
    assert re.search(pattern, error), error
    assert not (tmp_path / "run/config.json").exists()


MADE = {"config": "maze.txt"}
WHOSE = "environment Maze-v0: its"


@pytest.mark.parametrize(
    "kwargs, kind, says",
    [
        ({}, ValueError, "maze:Maze-v0: expected the arguments of its constructor in --env.kwargs"),
        ({}, ValueError, "received {}. Its constructor says: .*missing.*'config'"),
        ({**MADE, "depth": 1}, ValueError, "received .*\"depth\": 1.*unexpected.*'depth'"),
        (
            {"config": "none.txt"},
            ForeignError,
            "its constructor raised FileNotFoundError: .*none.t",
        ),
        ({"config": "none.txt"}, ForeignError, 'its --env.kwargs .{"config": "none.txt"}. or'),
        ({**MADE, "trouble": "exit"}, ForeignError, "constructor raised SystemExit: no licence;"),
        ({**MADE, "trouble": "type"}, ForeignError, "constructor raised TypeError: unsupported"),
        (
            {**MADE, "trouble": "reset"},
            ForeignError,
            f"{WHOSE} reset.. raised RuntimeError: no dis",
        ),
        ({**MADE, "trouble": "step"}, ForeignError, f"{WHOSE} step.. raised ZeroDivisionError: no"),
        ({**MADE, "trouble": "over"}, ForeignError, f"{WHOSE} step.. raised AssertionError; the f"),
        ({**MADE, "trouble": "old reset"}, ForeignError, "expected 2 values from its reset"),
        ({**MADE, "trouble": "old step"}, ForeignError, "expected 5 values.*step.*received 4;"),
        ({**MADE, "trouble": "render"}, ValueError, "expected a picture, uint8 .*NoneType; the f"),
        (
            {**MADE, "trouble": "black"},
            ValueError,
            "Maze-v0: expected pictures .* all black; the f",
        ),
        (
            {**MADE, "trouble": "flat"},
            ValueError,
            "Maze-v0: expected pictures .* all of a single colour each",
        ),
        ({**MADE, "trouble": "blinks"}, ValueError, "all of a single colour each"),
        (
            {**MADE, "trouble": "no reward"},
            ValueError,
            "Maze-v0: .* as the reward .*d None",
        ),
        ({**MADE, "trouble": "array"}, ValueError, "Maze-v0: .* as the reward .*d array"),
        ({**MADE, "trouble": "no info"}, ForeignError, "Maze-v0: expected a dict .*step.*NoneType"),
        (
            {**MADE, "trouble": "needed"},
            ForeignError,
            f"{WHOSE} step.. raised ResetNeeded: the",
        ),
    ],
)
def test_what_it_does_wrong_is_one_line_that_names_it(kwargs, kind, says):
    with pytest.raises(kind, match=says.replace("{", r"\{").replace("}", r"\}")) as raised:
        env = make_env("maze:Maze-v0", kwargs=kwargs, max_steps=10)
        env.reset(seed=0)
        for _ in range(10):
            env.step(np.zeros(1, np.float32))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "id, kind, says",
    [
        ("no_maze:Maze-v0", ValueError, "received 'no_maze:Maze-v0'. Gymnasium says: No module"),
        ("maze:Amaze-v0", ValueError, "received 'maze:Amaze-v0'. Gymnasium says: .*Amaze"),
        ("maze:a:Maze-v0", ValueError, "expected an id or MODULE:ID, received 'maze:a:Maze-v0'"),
        ("broken_maze:Maze-v0", ForeignError, "importing broken_maze raised KeyError.*that module"),
    ],
)
def test_an_id_whose_module_fails_is_one_line(id, kind, says):
    with pytest.raises(kind, match=says) as raised:
        make_env(id)
    assert "\n" not in str(raised.value)


def test_a_vector_of_another_length_than_its_space_says_names_the_environment():
    how = {"kwargs": {**MADE, "trouble": "longer"}, "observation": "vector", "max_steps": 10}
    env = make_env("maze:Maze-v0", **how)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"Maze-v0: expected .* shape \(2,\), .* shape \(3,\)"):
        for _ in range(10):
            env.step(np.zeros(1, np.float32))


def test_what_its_close_raises_is_ignored():
    env = make_env("maze:Maze-v0", kwargs={**MADE, "trouble": "close"})
    env.reset(seed=0)
    env.close()


def test_one_that_ends_its_process_is_one_line(tmp_path, capsys):
    out, error = recorded(tmp_path / "run", {**MADE, "trouble": "die"}, capsys=capsys)
    assert "it died with exit status 9; the fault is in the environment or another lib" in error
    assert out.count("worker replaced") == 2


def test_a_dark_beginning_is_no_fault():
    env = make_env("maze:Maze-v0", kwargs={**MADE, "trouble": "dark start"}, max_steps=10)
    for _ in range(2):
        env.reset(seed=0)
        seen = [env.step(np.zeros(1, np.float32))[0].any() for _ in range(10)]
        assert seen == [False] * 8 + [True] * 2


def test_a_world_that_cannot_go_on_after_its_end_is_refused_with_the_flag():
    env = IgnoreTermination(make_env("maze:Maze-v0", kwargs={**MADE, "trouble": "over"}))
    for _ in range(2):
        env.reset(seed=0)
        assert not any(env.step(np.zeros(1, np.float32))[2] for _ in range(3))
    with pytest.raises(ValueError, match="--record.full-episode: expected False for Maze"):
        env.step(np.zeros(1, np.float32))


def test_a_step_that_raises_in_a_worker_is_one_line_with_its_traceback_in_the_log(tmp_path, capsys):
    run = tmp_path / "run"
    out, error = recorded(run, {**MADE, "trouble": "step"}, capsys=capsys)
    assert error.startswith(
        "error: environment Maze-v0: its step() raised ZeroDivisionError: no wa"
    )
    assert error.endswith(f" it needs on this machine. Its traceback is in {run}/log.txt.")
    assert out.count("worker replaced") == 1
    log = (run / "log.txt").read_text()
    assert "maze.py" in log and "ZeroDivisionError: no wall here" in log


@pytest.mark.parametrize(
    "kwargs, says",
    [
        ({"config": "none.txt"}, "its constructor raised FileNotFoundError"),
        ({**MADE, "trouble": "reset"}, "its reset() raised RuntimeError: no display, none at all;"),
        ({**MADE, "trouble": "black"}, "expected pictures that show something"),
        ({**MADE, "trouble": "flat"}, "pictures are all of a single colour each"),
        ({**MADE, "trouble": "old step"}, "expected 5 values"),
    ],
)
def test_what_fails_at_once_leaves_nothing_behind(tmp_path, capsys, kwargs, says):
    run = tmp_path / "run"
    out, error = recorded(run, kwargs, capsys=capsys)
    assert says in error and "Maze-v0" in error and "replaced" not in out
    assert {path.name for path in run.iterdir()} <= {".lock", "log.txt"}


def test_a_reward_that_never_changes_is_warned_of_once(tmp_path, capsys):
    run = tmp_path / "run"
    out, error = recorded(run, {**MADE, "trouble": "reward"}, capsys=capsys)
    assert error == "" and out.count("warning") == 1
    assert "the reward was 1 at every step of all 3 episodes" in out
    assert "record: 3 episodes" in out and stage_facts(run / "0", "episodes")["complete"]


def test_an_environment_that_only_this_process_knows_needs_a_module(tmp_path, capsys):
    """Registered in a notebook's cell, as workers do not run it."""
    import maze

    gymnasium.register("OnlyHere-v0", maze.Maze, kwargs=MADE, disable_env_checker=True)
    _, error = recorded(tmp_path / "run", capsys=capsys, id="OnlyHere-v0")
    assert "OnlyHere" in error and error.endswith("and give --env.id MODULE:OnlyHere-v0")
