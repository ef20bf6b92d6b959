"""A dream is fitted to the game: traces, the fit, what is kept of it, and a judge besides M."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from conftest import assert_same, run_verb_process

from WorldModels.assembly.evaluation import calibration
from WorldModels.control.controller import Controller
from WorldModels.control.generations import Generations
from WorldModels.experiment.files import read_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run
from WorldModels.memory.imagine import PopulationDream
from WorldModels.memory.judged import Judged
from WorldModels.memory.mdn_rnn import MDNRNN
from WorldModels.memory.traced import Trace, TracedDreams

Z, A, UNITS, LANES, STEPS = 3, 1, 8, 6, 60


def wild_memory(seed=0, bias=-4.0):
    """An M whose untrained heads vary, and whose dreams end now and then."""
    memory = MDNRNN(
        latent_size=Z, action_size=A, lstm_size=UNITS, reward_head=True, terminated_head=True
    )
    draw = np.random.default_rng(seed)
    for weight in memory.trainable_variables:
        weight.assign(draw.normal(0, 0.5, weight.shape))
    memory.terminated.bias.assign([bias])
    return memory


SHAPE = Controller("zh", Z, UNITS, action_size=A, latent="sampled")
PARAMETERS = np.random.default_rng(3).normal(0, 0.5, SHAPE.num_parameters)
FIRST = np.random.default_rng(4).normal(size=(LANES, Z)).astype(np.float32)


def act(parameters, features):
    from keras import ops

    return SHAPE.act(parameters, features, ops)


def test_a_trace_ends_as_the_dream_itself_does():
    memory = wild_memory()
    dream = PopulationDream(memory, act, ("z", "h"), termination="sampled", max_steps=STEPS)
    returns, lengths = dream.returns(PARAMETERS[None], FIRST, np.random.default_rng(7))
    trace = TracedDreams(memory, act, ("z", "h"), None).trace(
        np.zeros((STEPS, LANES, A)),
        FIRST,
        1.0,
        np.random.default_rng(7),
        PARAMETERS,
        np.ones(LANES, bool),
    )
    steps, sums = trace.outcome(trace.draws)
    assert 1 < len(set(steps)), "dreams that all end alike would show nothing"
    np.testing.assert_array_equal(steps, lengths[0])
    np.testing.assert_allclose(sums, returns[0], rtol=1e-4)


def test_given_actions_are_taken_where_no_controller_acts():
    memory, draw = wild_memory(), np.random.default_rng(0)
    actions = draw.uniform(-1, 1, (20, LANES, A)).astype(np.float32)
    driven = np.arange(LANES) < 2
    mixed = TracedDreams(memory, act, ("z", "h"), 1.0).trace(
        actions, FIRST, 1.0, np.random.default_rng(7), PARAMETERS, driven
    )
    given = TracedDreams(memory, None, (), 1.0).trace(actions, FIRST, 1.0, np.random.default_rng(7))
    assert_same(mixed.ends[:, ~driven], given.ends[:, ~driven])
    assert np.abs(mixed.ends[-1, driven] - given.ends[-1, driven]).max() > 1e-4
    assert (given.rewards == 1).all()


def test_one_trace_tells_how_long_dreams_last_at_any_threshold():
    ends = np.array([[0.1, 0.5], [0.6, 0.2], [0.9, 0.3]])
    trace = Trace(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), ends, np.full((3, 2), 0.4))
    for limit, steps, returns in (
        (0.05, [1, 1], [1, 2]),
        (0.55, [2, 3], [4, 12]),
        (1.0, [3, 3], [9, 12]),
        (trace.draws, [2, 1], [4, 2]),
    ):
        found = trace.outcome(limit)
        assert found[0].tolist() == steps and found[1].tolist() == returns


@pytest.fixture
def run(tmp_path):
    experiment = dataclasses.replace(preset("takecover", "laptop"), results=str(tmp_path))
    run = Run(experiment, "train_controller", typed=frozenset())
    run.path.mkdir()
    (run.path / "memory.keras").write_text("M")
    (run.path / "first_latents.npz").write_text("z")
    yield run
    run.close()


def fake_world(monkeypatch, lived):
    """Games that last as `lived` says; dreams in which the end grows likelier step by step.

    A dream of temperature t ends at step 100 t of threshold 0.5, and sooner below.
    """

    def games(run):
        steps = {name: [mean - 5.0, mean + 5.0] for name, mean in lived.items()}
        return {calibration.STEPS: steps, calibration.RETURNS: steps}

    def traces(run, temperatures, policies):
        lanes = len(policies) * calibration.DREAMS
        for temperature in temperatures:
            logits = np.arange(1, 2101)[:, None] / (100 * temperature) * 4 - 4
            ends = np.repeat(1 / (1 + np.exp(-logits)), lanes, axis=1)
            yield temperature, Trace(np.ones_like(ends), ends, np.full_like(ends, 0.5))

    monkeypatch.setattr(calibration, "_games", games)
    monkeypatch.setattr(calibration, "_traces", traces)


def test_the_fit_finds_the_dream_in_which_policies_live_as_long_as_in_the_game(run, monkeypatch):
    fake_world(monkeypatch, {"stay": 130.0, "left": 150.0})
    dream = calibration.calibrated(run)
    trace_length = (
        100 * dream.temperature * (np.log(dream.threshold / (1 - dream.threshold)) + 4) / 4
    )
    assert 130 < trace_length < 150
    there = read_json(run.path / "calibration.json")
    assert there["measure"] == "steps" and there["misfit"] < 0.1
    monkeypatch.setattr(calibration, "_fit", None)  # it is not fitted twice
    assert calibration.calibrated(run) == dream


@pytest.mark.parametrize("typed, kept", [("temperature", 1.3), ("threshold", 0.5)])
def test_what_was_typed_is_kept_and_only_the_other_is_fitted(run, monkeypatch, typed, kept):
    fake_world(monkeypatch, {"stay": 60.0})
    dream = dataclasses.replace(run.experiment.dream, **{typed: kept})
    run.experiment = dataclasses.replace(run.experiment, dream=dream)
    run.typed = frozenset({f"dream.{typed}"})
    fitted = calibration.calibrated(run)
    other = {"temperature": "threshold", "threshold": "temperature"}[typed]
    assert getattr(fitted, typed) == kept
    assert getattr(fitted, other) != getattr(dream, other)
    assert read_json(run.path / "calibration.json")["misfit"] < 0.2


def test_returns_are_compared_in_units_of_the_game_s_own():
    for dream, far in ((-50.0, 0.0), (0.0, 1.0), (-100.0, 1.0)):
        assert calibration.misfit_of({"a": [-50.0, -50.0]}, {"a": [dream]}, "returns") == far
    assert calibration.misfit_of({"a": [100.0]}, {"a": [200.0]}, "steps") == pytest.approx(
        np.log(2)
    )


def test_a_judge_decides_what_happens_and_the_driver_s_own_m_what_it_sees():
    own, judge = wild_memory(0), wild_memory(1, bias=-3.0)
    both = Judged(own, judge)
    state, alone = both.initial_state(2), own.initial_state(2)
    draw = np.random.default_rng(0)
    z = FIRST[:2]
    noise = {
        "component": draw.random((2, Z), np.float32),
        "normal": draw.standard_normal((2, Z), np.float32),
        "terminated": draw.random(2, np.float32),
    }
    decided = judge.initial_state(2)
    for _ in range(3):
        action, reward = draw.uniform(-1, 1, (2, A)).astype(np.float32), np.zeros(2, np.float32)
        state, alone = both.step(state, z, action, reward), own.step(alone, z, action, reward)
        decided = judge.step(decided, z, action, reward)
        assert_same(both.hidden(state)["h"], alone["h"])
        drawn, expected = (
            m.sample(s, np.ones(2, np.float32), noise) for m, s in ((both, state), (judge, decided))
        )
        for name in expected:
            assert_same(drawn[name], expected[name], name)
        z = np.asarray(drawn["z"])
    dream = PopulationDream(both, act, ("z", "h"), termination="sampled", max_steps=STEPS)
    returns, _ = dream.returns(PARAMETERS[None], FIRST, np.random.default_rng(7))
    alone = PopulationDream(judge, act, ("z", "h"), termination="sampled", max_steps=STEPS)
    assert np.abs(
        returns - alone.returns(PARAMETERS[None], FIRST, np.random.default_rng(7))[0]
    ).max()


class Falling:
    """A search whose mean is its generation."""

    sigma = sigma_rms = 1.0
    mean = np.zeros(SHAPE.num_parameters)

    def ask(self):
        return np.zeros((2, SHAPE.num_parameters))

    def tell(self, returns):
        self.mean = self.mean + 1


@pytest.mark.parametrize("patience, last", [(0, 12), (2, 8)])
def test_patience_ends_a_search_whose_validation_no_longer_rises(tmp_path, patience, last):
    settings = dataclasses.replace(
        preset("carracing", "smoke").controller, generations=12, validation_every=2
    )
    search = Generations(
        tmp_path,
        SHAPE,
        Falling(),
        settings,
        lambda parameters, *how: (np.zeros((2, 1)), np.ones((2, 1))),
        lambda mean: [-abs(mean[0] - 4)],  # generation 4 is the best
        patience=patience,
    )
    progress = search.run(show=False)
    assert (progress.generation, progress.best_generation) == (last, 4)


@pytest.mark.slow
def test_a_run_dreams_on_in_the_dream_that_was_fitted(doom_run, tmp_path):
    folder = tmp_path / "run"
    left_out = (".lock", "evaluation*", "*.mp4", "*.gif", "controller*", "gates.json")
    shutil.copytree(doom_run, folder, ignore=shutil.ignore_patterns(*left_out))
    flags = ("--dream.calibrate", "--dream.judge", "other", "--dream.patience", "3")
    flags += ("--env.max-steps", "60", "--evaluate.tracks", "1", "--evaluate.baseline-tracks", "1")
    flags += ("--evaluate.curve-games", "0", "--evaluate.dreams", "1")

    def verb(name, *flags):
        return run_verb_process(name, folder, *flags, experiment="takecover")

    refused = verb("train_controller", *flags)
    assert refused.returncode == 2 and "train_memory" in refused.stderr, "there is no judge yet"
    memory = (folder / "0/memory.keras").read_bytes()
    done = verb("train_memory", *flags)
    assert done.returncode == 0, done.stderr
    assert (folder / "0/memory.keras").read_bytes() == memory, "a finished M stays as it is"
    assert (folder / "0/judge.keras").exists() and "train_memory (judge)" in done.stdout
    done = verb("train_controller", *flags)
    assert done.returncode == 0, done.stderr
    fitted = json.loads((folder / "0/calibration.json").read_text())["fitted"]
    stage = json.loads((folder / "0/stages/controller.json").read_text())
    assert "judge" in stage["inputs"]
    assert {name: stage["settings"]["dream"][name] for name in fitted} == fitted
    done = verb("evaluate")
    assert done.returncode == 0, done.stderr
    how = json.loads((folder / "0/evaluation.json").read_text())["dream"]
    assert {name: how[name] for name in fitted} == fitted
    other = 0.9 if fitted["temperature"] != 0.9 else 0.8
    refused = verb("train_controller", "--dream.temperature", str(other))
    assert refused.returncode == 2 and "--dream.temperature" in refused.stderr
    again = verb("train_controller")
    assert again.returncode == 0 and "there already" in again.stdout
    other = tmp_path / "other"  # its episodes had the longer games
    longer = ("--env.max-steps", "200", "--dream.no-calibrate")
    reused = verb("train_controller", *longer, "--results", str(other), "--reuse", str(folder))
    assert reused.returncode == 0, reused.stderr
    assert f"judge: taken from {folder}" in reused.stdout
