"""Blind policies in game and dream, how faithful a dream is, and a blindfolded driver."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from WorldModels.assembly.evaluation import gates, truth
from WorldModels.assembly.evaluation.baselines import baseline_names
from WorldModels.assembly.evaluation.curve import curve, evolved_in, kept_means
from WorldModels.control.lockstep import lockstep
from WorldModels.control.policies import POLICIES
from WorldModels.control.rollout import rollout
from WorldModels.envs.blindfold import AnotherGame, FrozenFrame
from WorldModels.envs.dream import DreamEnv, DreamVectorEnv
from WorldModels.episodes.series import Series
from WorldModels.episodes.split import split
from WorldModels.experiment.files import read_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run


class Walk:
    """An imagination whose latent moves by the action plus noise, and that ends far from 0."""

    sizes, action_size, heads, state_spec = (
        {"z": 2, "h": 2},
        2,
        ("terminated",),
        {"z": (2,), "reward": ()},
    )

    def __init__(self, noise=0.1):
        self.noise = noise

    def __call__(self, action, temperature, noise, state):
        z = (state["z"] + action + self.noise * temperature[:, None] * noise["normal"]).astype(
            np.float32
        )
        return (
            z,
            z,
            None,
            None,
            (np.abs(z).max(1) > 3).astype(np.float32),
            {"z": z, "reward": state["reward"]},
        )


FIRST, HOW = (np.zeros((1, 2)), np.full((1, 2), -9.0)), dict(reward="constant", max_steps=30)


class Sees:
    """Acts on what it sees, and counts how often."""

    def reset(self, seed):
        self.seed, self.acted = seed, 0

    def act(self, features):
        self.acted += 1
        return np.tanh(features[:2] + self.seed % 3 - 1).astype(np.float32)


def test_episodes_side_by_side_are_the_same_alone():
    seeds, policies, seen = [7, 8, 9, 10], [Sees() for _ in range(4)], []
    env = DreamVectorEnv(Walk(), None, FIRST, num_envs=4, **HOW)
    returns, steps = lockstep(
        env, policies, seeds, lambda features, alive: seen.append((features.copy(), alive))
    )
    alone = [
        rollout(DreamEnv(Walk(), None, FIRST, **HOW), Sees(), seed, 30, keep="frames")
        for seed in seeds
    ]
    assert [result.return_ for result in alone] == list(returns) and [
        result.length for result in alone
    ] == list(steps)
    assert len(set(steps)) > 1 and [policy.acted for policy in policies] == list(steps)
    for lane, result in enumerate(alone):
        np.testing.assert_allclose(
            [features[lane] for features, alive in seen if alive[lane]], result.frames, atol=1e-6
        )
    with pytest.raises(ValueError, match="4 policies and seeds"):
        lockstep(env, policies, seeds[:3])


class Counter(gymnasium.Env):
    """A world whose frames count the steps; the return is the sum of the actions."""

    observation_space, action_space = Box(0, 255, (2, 2, 3), np.uint8), Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.time = 50 + seed % 7
        return np.full((2, 2, 3), self.time, np.uint8), {}

    def step(self, action):
        self.time += 1
        return (
            np.full((2, 2, 3), self.time, np.uint8),
            float(action[0]),
            self.time == 60,
            False,
            {"time": self.time},
        )


def test_a_driver_is_shown_another_game_over_and_over_and_its_own_goes_on():
    games = [np.arange(12 * n, dtype=np.uint8).reshape(n, 2, 2, 3) for n in (3, 2)]
    env = AnotherGame(Counter(), games)
    for seed in (4, 5):
        shown = [env.reset(seed=seed)[0]]
        results = [env.step(np.array([0.5])) for _ in range(5)]
        frames = games[seed % 2]
        for t, frame in enumerate(shown + [result[0] for result in results]):
            np.testing.assert_array_equal(frame, frames[t % len(frames)])
        assert [result[1] for result in results] == [0.5] * 5 and results[-1][4][
            "time"
        ] == 55 + seed % 7
    for wrong in ([], [np.zeros((3, 4, 4, 3), np.uint8)]):
        with pytest.raises(ValueError, match=r"\(2, 2, 3\)"):
            AnotherGame(Counter(), wrong)


def test_a_frozen_frame_is_the_game_s_own_first():
    env = FrozenFrame(Counter())
    for seed in (3, 1):
        first = env.reset(seed=seed)[0]
        assert first.max() == 50 + seed
        for _ in range(4):
            frame, reward, *_ = env.step(np.array([1.0]))
            assert reward == 1 and np.array_equal(frame, first)


@pytest.mark.parametrize(
    "real, dream, sd, expected",
    [
        (142, 443, 38, True),
        (142, 280, 38, False),
        (776, 1163, 465, False),
        (-30, -10, 5, False),
        (-30, 40, 5, True),
        (-30, 40, 90, False),
    ],
)
def test_a_dream_is_warned_of_where_it_is_much_kinder_than_the_game(real, dream, sd, expected):
    assert gates.kinder({"mean": real, "sd": sd}, {"mean": dream}) is expected


def test_a_ratio_needs_two_positive_means():
    assert (
        gates.ratio([100, 200], [300]) == 2
        and gates.ratio([-1], [3]) is None
        and gates.ratio([3], [-1]) is None
    )


def test_baselines_are_known_policies_each_once():
    assert baseline_names("uniform, stay,uniform") == ["uniform", "stay"]
    for text, received in (("uniform,controller", "'controller'"), ("", "''")):
        with pytest.raises(
            ValueError, match=f"--evaluate.baselines.*{', '.join(POLICIES)}.*{received}"
        ):
            baseline_names(text)


@pytest.fixture
def run(tmp_path):
    experiment = dataclasses.replace(preset("takecover", "smoke"), results=str(tmp_path))
    run = Run(experiment, "train_controller")
    run.path.mkdir()
    (run.path / "memory.keras").write_text("M")
    (run.path / "first_latents.npz").write_text("z")
    yield run
    run.close()


def test_gates_are_kept_for_an_m_and_warn_of_what_evolution_would_farm(run, monkeypatch, capsys):
    played = []

    def examine(examiner, wanted, **how):
        played.append(wanted)
        lives = {("gates", "stay"): 140, ("gate_dreams", "stay"): 2000}
        return {
            (kind, who, n): {"return": lives.get((kind, who), 200) + n} for kind, who, n in wanted
        }

    seen = {"terminal_recall": 0.7, "false_alarms": 1.2, "terminal_auc": 0.93, "episodes": 5}
    monkeypatch.setattr(gates, "examine", examine)
    monkeypatch.setattr(truth, "foresight_of", lambda folder, experiment: seen)
    report = gates.show_gates(run)
    printed = capsys.readouterr().out
    assert report["deadlier"] == []
    assert (
        report["warnings"] == ["stay"]
        and printed.count("warning:") == 1
        and "stay gets 2004 in the dream but 140 in the game" in printed
    )
    assert "recall 0.70" in printed and "below 0.95" in printed
    assert read_json(run.path / "gates.json") == report
    assert {kind for kind, _, _ in played[0]} == {"gates", "gate_dreams"} and len(
        played[0]
    ) == 5 * (2 + 8)

    assert (
        gates.show_gates(run) == report and len(played) == 1 and capsys.readouterr().out in printed
    )
    (run.path / "memory.keras").write_text("another M")
    gates.show_gates(run)
    assert len(played) == 2

    text = (run.path / "gates.json").read_text()
    (run.path / "gates.json").write_text(text.replace("stay", "stax"))
    capsys.readouterr()
    gates.show_gates(run)
    assert len(played) == 3 and "gates.json: expected JSON" in capsys.readouterr().out

    older = read_json(run.path / "gates.json")
    older["made_with"]["environment"] |= {"renderer": "fast", "lap_complete": "0.95"}
    (run.path / "gates.json").write_text(json.dumps(older))
    gates.show_gates(run)
    assert len(played) == 3, "an older file also lists settings of other games"


def at_scale(run, scale, **dream):
    return dataclasses.replace(
        run.experiment, scale=scale, dream=dataclasses.replace(run.experiment.dream, **dream)
    )


def test_a_dream_that_is_too_kind_stops_the_search_unless_it_is_accepted(run, monkeypatch, capsys):
    kind = {"warnings": ["stay"], "deadlier": []}
    monkeypatch.setattr(gates, "show_gates", lambda run: dict(kind))
    gates.pass_gates(run)  # at smoke scale it only warns
    assert read_json(run.path / "gates.json")["accepted"] is False
    run.experiment = at_scale(run, "laptop")
    with pytest.raises(ValueError, match="too kind to stay.*--dream.accept-gate"):
        gates.pass_gates(run)
    run.experiment = at_scale(run, "laptop", accept_gate=True)
    gates.pass_gates(run)
    assert read_json(run.path / "gates.json")["accepted"] is True
    run.experiment = at_scale(run, "laptop")
    monkeypatch.setattr(gates, "show_gates", lambda run: {"warnings": [], "deadlier": ["left"]})
    gates.pass_gates(run)
    assert read_json(run.path / "gates.json")["accepted"] is False


def walked(steps, seed):
    """A series that Walk predicts exactly."""
    draw = np.random.default_rng(seed)
    actions = draw.uniform(-1, 1, (steps, 2)).astype(np.float32)
    mean = np.concatenate([np.zeros((1, 2)), np.cumsum(actions, axis=0)]).astype(np.float32)
    return Series(mean, np.full_like(mean, -30.0), actions, np.ones(steps, np.float32), True)


def test_an_m_that_knows_the_world_dreams_it_and_a_frame_that_is_kept_does_not(run, monkeypatch):
    series = [walked(90, seed) for seed in range(4)] + [walked(30, 9)]
    monkeypatch.setattr(
        "WorldModels.assembly.opening.open_imagination", lambda folder: Walk(noise=0.1)
    )
    monkeypatch.setattr(
        "WorldModels.assembly.opening.open_decode",
        lambda folder: lambda z: np.tile(z[:, None, None, :1], (1, 8, 8, 3)) / 10,
    )
    errors = truth.horizon_errors(run.path, series, run.rng)
    assert (
        errors["horizons"] == [1, 2, 5, 10, 20, 50]
        and errors["windows"] == truth.WINDOWS
        or errors["windows"] == 4 * 21
    )
    assert max(errors["latent"][truth.MODE]) < 1e-9 and max(errors["frame"][truth.MODE]) < 1e-9
    assert errors["latent"][truth.SAMPLED] == pytest.approx(
        [0.01 * h for h in errors["horizons"]], rel=0.5
    )
    assert errors["latent"][truth.CONSTANT][0] == pytest.approx(
        1 / 3, rel=0.3
    )  # the variance of one action
    assert errors["latent"][truth.CONSTANT][-1] > 5 * errors["latent"][truth.CONSTANT][0]


def test_where_nothing_was_held_out_nothing_is_said(run):
    assert truth.held_out_series(run.path, run.experiment) == [], "there are no series"
    assert (
        truth.horizon_errors(run.path, [], run.rng) is None
        and truth.foresight_of(run.path, run.experiment) is None
    )


def test_held_out_series_are_those_that_the_split_names(run):
    for n in range(6):
        walked(20 + n, n).save(run.path / "series" / f"{n:06}.npz")
    paths = [run.path / "series" / f"{n:06}.npz" for n in range(6)]
    training, held_out = split(paths, run.path, "memory", run.experiment)
    assert held_out and sorted(training + held_out) == paths
    assert [len(s) for s in truth.held_out_series(run.path, run.experiment)] == [
        20 + int(p.stem) for p in held_out
    ]
    (run.path / "stages").mkdir(exist_ok=True)
    paths[3].write_bytes(b"damaged")
    with pytest.raises(ValueError, match="000003.npz.*WorldModels.encode"):
        truth.held_out_series(run.path, run.experiment)


@pytest.mark.parametrize(
    "count, expected",
    [(3, [1, 2, 3]), (10, list(range(1, 11))), (40, [1, 5, 10, 14, 18, 23, 27, 31, 36, 40])],
)
def test_at_most_ten_generations_play_the_first_and_the_last_among_them(tmp_path, count, expected):
    for generation in range(1, count + 1):
        file = tmp_path / "generations" / f"{generation}.npz"
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert [int(generation) for generation in kept_means(tmp_path)] == expected


def test_the_curve_has_each_generation_s_games_beside_its_validation_in_the_dream(run):
    assert evolved_in(run.path, run.experiment) == run.path / "controller"
    run.experiment = dataclasses.replace(
        run.experiment, controller=dataclasses.replace(run.experiment.controller, world="mixed")
    )
    folder = evolved_in(run.path, run.experiment)
    assert folder == run.path / "controller" / "dream"  # the rest was evolved in the real world
    folder.mkdir(parents=True)
    (folder / "generations.csv").write_text(
        "generation,validation,validation_sd\n10,900.5,400\n20,,\n"
    )
    first, second = curve(folder, {"10": [200.0, 300.0], "20": [500.0]})
    assert (
        first["generation"],
        first["dream"],
        first["dream_sd"],
        first["real"]["mean"],
        first["real"]["n"],
    ) == (10, 900.5, 400, 250, 2)
    assert (second["generation"], second["dream"], second["dream_sd"], second["real"]["mean"]) == (
        20,
        None,
        None,
        500,
    )
