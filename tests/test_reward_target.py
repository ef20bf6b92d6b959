"""--memory.reward-target tiles: M learns how many tiles are reached, not what one is worth."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import run_verb_process
from test_memory import array, memory, some_series

from WorldModels.control.policies import POLICIES
from WorldModels.control.rollout import rollout
from WorldModels.encode import _series
from WorldModels.envs.make import make_env
from WorldModels.episodes.episode import Episode
from WorldModels.episodes.series import STEP_COST, Series, of_tiles
from WorldModels.experiment.command import parse
from WorldModels.experiment.games.registry import game_of
from WorldModels.memory.batches import SeriesBatches


def driven(tiles, scale, known=True):
    """A series in which each step reaches some tiles."""
    (series,) = some_series([len(tiles)])
    rewards = np.float32(np.asarray(tiles) * scale - STEP_COST)
    return replace(series, rewards=rewards, reward_scale=scale if known else 0.0)


@pytest.mark.parametrize("known", [True, False])
def test_equal_tiles_have_equal_targets_on_every_track(known):
    tiles = [0, 1, 0, 2, 1]
    parts = [[driven(tiles, scale, known) for scale in (3.0, 4.0)], [driven(tiles, 5.0, known)]]
    (one, other), (held_out,) = of_tiles(parts)
    expected = np.asarray(tiles) * 3.5 - STEP_COST  # a track as long as the usual one
    for each in (one, other, held_out):
        np.testing.assert_allclose(each.targets, expected, atol=1e-5)
    np.testing.assert_array_equal(one.rewards, parts[0][0].rewards)


def test_what_is_no_tile_stays_and_what_is_unknown_is_left_out_of_the_loss():
    left = driven([0, 0, 0], 4.0, known=False)
    off = driven([1, 0, 0], 4.0)
    off.rewards[2] = -100.0  # off the playfield
    ((off, left, other),) = of_tiles([[off, left, driven([1, 1, 1], 2.0)]])
    np.testing.assert_allclose(off.targets, [3 - STEP_COST, -STEP_COST, -100], atol=1e-5)
    assert np.isnan(left.targets).all()
    batch = SeriesBatches([off, left, other], "episodes", 3, 3)[0]
    np.testing.assert_array_equal(np.sort(batch["rewarded"].sum(1)), [0, 3, 3])
    model = memory(reward_head=True)
    _, weights = model.loss_terms(batch, model(batch))["reward_loss"]
    np.testing.assert_array_equal(array(weights), batch["rewarded"].ravel())
    assert np.isfinite(array(model.compute_loss(batch, y_pred=model(batch))))


def test_without_a_tile_anywhere_it_is_refused():
    with pytest.raises(ValueError, match="--memory.reward-target tiles: expected an episode"):
        of_tiles([[driven([0, 0], 3.0, known=False)], []])


def test_a_recording_keeps_what_a_tile_is_worth_and_so_do_series_and_older_ones_follow(tmp_path):
    env = make_env(renderer="fast", max_steps=80)
    gas = POLICIES["straight"](game_of("CarRacing-v3").named_actions(3))
    episode = rollout(env, gas, 3, 80, keep="episode").episode
    env.close()
    episode.save(tmp_path / "0.npz")
    there = Episode.load(tmp_path / "0.npz")
    tiles = 1000 / there.reward_scale
    assert abs(tiles - round(tiles)) < 1e-9 and 200 < tiles < 400
    look = lambda frames: (np.zeros((len(frames), 2), np.float32),) * 2  # noqa: E731
    ((_, series),) = _series([("0.npz", there)], look)
    series.save(tmp_path / "series.npz")
    assert Series.load(tmp_path / "series.npz").reward_scale == there.reward_scale
    ((ours, older),) = of_tiles([[series, replace(series, reward_scale=0.0)]])
    np.testing.assert_allclose(older.targets, ours.targets, atol=1e-4)
    reached = (ours.targets[ours.targets > 0] + STEP_COST) / there.reward_scale
    np.testing.assert_allclose(reached, np.round(reached), atol=1e-4)
    with np.load(tmp_path / "0.npz") as file:  # a file of an earlier version
        np.savez(tmp_path / "1.npz", **{name: file[name] for name in file.files[:-1]})
    assert Episode.load(tmp_path / "1.npz").reward_scale == 0


@pytest.mark.parametrize("flags", [["takecover"], ["carracing", "--memory.no-reward-head"]])
def test_it_is_refused_where_nothing_counts_tiles(flags):
    with pytest.raises(ValueError, match="--memory.reward-target"):
        parse("train_memory", [*flags, "--memory.reward-target", "tiles"])


def test_the_verb_trains_on_tiles(smoke_run, tmp_path):
    flags = ("--reuse", str(smoke_run), "--memory.reward-target", "tiles")
    done = run_verb_process("train_memory", tmp_path / "run", *flags)
    assert done.returncode == 0 and "after 8 steps" in done.stdout, done.stderr
