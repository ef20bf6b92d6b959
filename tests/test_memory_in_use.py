"""M reads in training what it reads in use, and every held-out step is scored exactly once."""

from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops
from test_memory import array, memory, some_series

from WorldModels.assembly.evaluation import truth
from WorldModels.assembly.memory_training import Training
from WorldModels.assembly.models import Imagination, KerasImagination
from WorldModels.envs.dream import DreamEnv
from WorldModels.experiment.presets import preset
from WorldModels.experiment.settings.memory import MemorySettings
from WorldModels.experiment.settings.vision import VisionSettings
from WorldModels.memory.baselines import held_out_batches
from WorldModels.memory.batches import KINDS, SeriesBatches
from WorldModels.memory.mixture_memory import MixtureMemory
from WorldModels.memory.terminal import terminated_logits
from WorldModels.memory.training import StreamTraining, compiled


class Echo(MixtureMemory):
    """A kind whose hidden state is the reward, or the restart flag, that it was given."""

    def __init__(self, flags=False, **shared):
        super().__init__(hidden_size=1, **shared)
        self.flags = flags
        self.build_heads()

    def initial_state(self, batch):
        state = {"h": ops.zeros((batch, 1))}
        return {**state, "stepped": ops.zeros((batch, 1))} if self.flags else state

    def step(self, state, z, action, reward):
        if self.flags:
            return {"h": 1 - state["stepped"], "stepped": ops.ones_like(state["stepped"])}
        return {"h": ops.reshape(reward, (-1, 1))}

    def sequence(self, z, actions, rewards, state, restarts=None):
        hidden = ops.convert_to_tensor(rewards)[..., None]
        if self.flags:
            first = 1 - ops.convert_to_tensor(state["stepped"])[:, None]
            hidden = ops.concatenate([first, 0 * hidden[:, 1:]], axis=1)
            if restarts is not None:
                hidden = ops.maximum(hidden, ops.convert_to_tensor(restarts)[..., None])
            state = {**state, "stepped": ops.ones_like(state["stepped"])}
        return hidden, {**state, "h": hidden[:, -1]}


def numbered(lengths):
    """Series whose step t has the reward 100 * episode + t + 1, and z that say the same."""
    series = some_series(lengths)
    for n, each in enumerate(series):
        each.rewards[:] = 100 * n + np.arange(1, len(each) + 1)
        each.mean[:], each.log_var[:] = 100 * n + np.arange(len(each) + 1)[:, None], -40
    return series


def rows_of(model, kind):
    """(batch, hidden (B, T), number of each step in its episode (B, T), mask), batch by batch."""
    batches = SeriesBatches(numbered([12, 5, 9, 30]), kind, 2, 6)
    trained = StreamTraining(model, batches.batch_size) if kind == "streams" else model
    for batch in (batches[i] for i in range(len(batches))):
        yield batch, array(trained(batch))[..., 0], np.round(batch["z"][..., 0]) % 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_memory_is_trained_on_the_reward_before_each_step_as_in_use(kind):
    model = Echo(latent_size=4, action_size=2, reward_head=True)
    for batch, hidden, step in rows_of(model, kind):
        here = batch["mask"] == 1
        before = np.where(step > 0, batch["rewards"] - 1, 0.0)
        np.testing.assert_allclose(hidden[here], before[here], atol=1e-3)


def test_the_end_is_predicted_from_the_reward_before_too():
    model = Echo(latent_size=4, action_size=2, terminated_head=True)
    model.terminated.set_weights([np.ones((1, 1)), np.zeros(1)])
    logits, _ = terminated_logits(model, [SeriesBatches(numbered([5, 3]), "episodes", 2)[0]])
    for found in logits:
        np.testing.assert_allclose(np.diff(found)[1:], 1.0, atol=1e-3)
        assert found[0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_restart_flag_is_1_exactly_where_an_episode_begins(kind):
    model = Echo(latent_size=4, action_size=2, flags=True)
    for batch, hidden, step in rows_of(model, kind):
        here = batch["mask"] == 1
        np.testing.assert_array_equal(hidden[here], (step == 0)[here])


def test_an_lstm_with_the_restart_flag_sees_it_too():
    model, series = memory(restart_input=True), some_series([30, 30])
    batch = SeriesBatches(series, "segments", 4, 6)[0]
    assert batch["stepped"].any()
    fresh = array(model({**batch, "stepped": np.zeros_like(batch["stepped"])}))
    differs = np.abs(array(model(batch)) - fresh).max(axis=(1, 2)) > 1e-6
    np.testing.assert_array_equal(differs, batch["stepped"][:, 0] == 1)


def test_in_a_dream_with_a_constant_reward_it_reads_the_reward_that_is_given():
    model = Echo(latent_size=4, action_size=2, reward_head=True)
    model.reward.set_weights([np.zeros((1, 1)), np.full(1, 7.0)])  # what M itself would predict
    first = np.zeros((3, 4), np.float32), np.full((3, 4), -40, np.float32)
    for reward, expected in (("constant", [0.0, 2.5, 2.5]), ("head", [0.0, 7.0, 7.0])):
        how = {"reward": reward, "step_reward": 2.5, "termination": "never"}
        dream = DreamEnv(KerasImagination(Imagination(model)), None, first, **how)
        dream.reset(seed=0)
        seen = [dream.step(np.zeros(2, np.float32))[0][4] for _ in expected]
        np.testing.assert_allclose(seen, expected)


def test_what_begins_within_an_episode_is_foreseen_without_the_restart_flag():
    model, flags = Echo(latent_size=4, action_size=2, flags=True), []
    imagination = KerasImagination(Imagination(model))

    class Watched:
        state_spec = imagination.state_spec

        def __call__(self, *inputs):
            made = imagination(*inputs)
            flags.append(made[1][:, 0])
            return made

    windows = truth._windows(numbered([truth.WARM + 7]), 5, np.random.default_rng(0))
    truth.dreamt_on(Watched(), windows, 5, 0.0, np.random.default_rng(1))
    np.testing.assert_array_equal(flags[0], windows["z"][:, 0, 0].round() == 0)
    assert 0 < flags[0].sum() < len(flags[0]) and not np.any(flags[1:])


@pytest.mark.parametrize("count", [40, 99])
def test_the_held_out_score_is_the_mean_over_every_held_out_step(count, monkeypatch):
    monkeypatch.setattr("WorldModels.memory.baselines.unconditional", lambda *args: {})
    monkeypatch.setattr(Training, "_seed", lambda self, purpose: 3)
    experiment = preset("carracing", "smoke")
    model, series = memory(), numbered([1 + n % 7 for n in range(count)])
    compiled(model, experiment.memory, 8, 4)
    run = SimpleNamespace(experiment=experiment)
    validate = Training(run, SimpleNamespace(name="memory"))._validation(model, series[:9], series)
    total, weight = 0.0, 0.0
    for batch in held_out_batches(series, 3):
        mean, counts = model.loss_terms(batch, model(batch))["nll"]
        total, weight = (
            total + float(array(mean * counts).sum()),
            weight + float(array(counts).sum()),
        )
    for epoch in range(2):
        assert validate(epoch)["val_nll"] == pytest.approx(total / weight, rel=1e-4)


@pytest.mark.parametrize("count", [1, 49, 50, 99, 101])
def test_every_held_out_step_counts_once(count):
    series = numbered([1 + n % 3 for n in range(count)])
    batches = held_out_batches(series, seed=1)
    rewards = [batch["rewards"][batch["mask"] == 1] for batch in batches]
    expected = np.concatenate([each.rewards for each in series])
    np.testing.assert_array_equal(np.sort(np.concatenate(rewards)), np.sort(expected))
    assert len({batch["z"].shape for batch in batches}) == 1


@pytest.mark.parametrize(
    "settings, how",
    [
        (MemorySettings, {"schedule": "cosine"}),
        (MemorySettings, {"schedule": "exponential", "decay": 0.99}),
        (VisionSettings, {"schedule": "cosine"}),
    ],
)
def test_a_falling_schedule_may_not_rise(settings, how):
    with pytest.raises(ValueError, match="final-learning-rate: expected at most .*received 0.01"):
        settings(learning_rate=1e-3, final_learning_rate=1e-2, **how)
    settings(learning_rate=1e-3, final_learning_rate=1e-3, **how)
    settings(learning_rate=1e-3, final_learning_rate=1e-2, schedule="constant")
