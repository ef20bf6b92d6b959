"""make_env for environments whose observation is a vector: which are accepted or refused."""

import gymnasium
import numpy as np
import pytest

from WorldModels.envs.make import make_env


class Two(gymnasium.Env):
    """Observes two axes."""

    observation_space = gymnasium.spaces.Box(0, 1, (2, 2), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)


class Unseen(Two):
    """Observes float64 numbers, and knows no render_mode."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)

    def reset(self, *, seed=None, options=None):
        return np.array([1e-3, 70.0, -0.1]), {}


def test_numbers_of_another_type_and_worlds_that_draw_nothing_will_do():
    gymnasium.register("Unseen-v0", Unseen, disable_env_checker=True)
    env = make_env("Unseen-v0", observation="vector")
    observation, _ = env.reset(seed=0)
    assert observation.dtype == np.float32 and observation in env.observation_space
    np.testing.assert_array_equal(observation, np.array([1e-3, 70.0, -0.1], np.float32))
    with pytest.raises(ValueError, match="Unseen-v0.*rgb_array"):
        make_env("Unseen-v0")


def test_numbers_on_two_axes_become_one_vector_and_lists_are_refused(monkeypatch):
    gymnasium.register("TwoAxes-v0", Two, disable_env_checker=True)
    space = make_env("TwoAxes-v0", observation="vector").observation_space
    assert space.shape == (np.prod(Two.observation_space.shape),)
    monkeypatch.setattr(Two, "observation_space", gymnasium.spaces.Sequence(Two.observation_space))
    with pytest.raises(ValueError, match="TwoAxes-v0: expected observations .* (flatten|one axis)"):
        make_env("TwoAxes-v0", observation="vector")
    with pytest.raises(ValueError, match="frame, vector"):
        make_env("LunarLanderContinuous-v3", observation="numbers")
