"""What the vector worlds take when they are reset: dreams and real worlds alike."""

import numpy as np
import pytest
from test_gates import FIRST, HOW, Walk
from test_latent import Corridor, Notes

from WorldModels.envs.dream import DreamVectorEnv
from WorldModels.envs.latent import LatentObservation, LatentVectorEnv

COUNT = 3


def dreams():
    return DreamVectorEnv(Walk(), None, FIRST, num_envs=COUNT, **HOW)


def real_worlds():
    return LatentVectorEnv(
        [lambda: LatentObservation(Corridor(), Notes(), "zh", "sampled")] * COUNT
    )


@pytest.fixture(params=[dreams, real_worlds])
def make(request):
    return request.param


def test_a_seed_of_any_integer_type_will_do(make):
    expected, _ = make().reset(seed=3)
    for seed in (np.int64(3), np.uint8(3), np.array(3), [3, 4, 5], np.arange(3, 6)):
        np.testing.assert_array_equal(make().reset(seed=seed)[0], expected)
    mixed, _ = make().reset(seed=[np.int32(3), None, 5])
    np.testing.assert_array_equal(mixed[[0, 2]], expected[[0, 2]])
    assert not np.array_equal(mixed[1], expected[1])


def test_a_mask_begins_some_worlds_again_and_stays_the_caller_s(make):
    env = make()
    before, _ = env.reset(seed=3)
    options = {"reset_mask": np.array([False, True, False])}
    after, _ = env.reset(seed=np.int64(50), options=options)
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    np.testing.assert_array_equal(after[1], make().reset(seed=50)[0][1])
    assert list(options) == ["reset_mask"]
    np.testing.assert_array_equal(env.reset(seed=3, options={})[0], before)


def test_no_world_begins_where_the_mask_names_none(make):
    env = make()
    before, _ = env.reset(seed=3)
    again, _ = env.reset(options={"reset_mask": np.zeros(COUNT, bool)})
    np.testing.assert_array_equal(again, before)


def test_real_worlds_begin_together_first():
    with pytest.raises(ValueError, match="expected all 3 worlds in the first reset, received 1"):
        real_worlds().reset(options={"reset_mask": [True, False, False]})


@pytest.mark.parametrize(
    "how, words",
    [
        ({"options": {"mask": [True] * COUNT, "speed": 2}}, ("reset_mask", "mask, speed")),
        ({"options": {"reset_mask": np.ones(2, bool)}}, ("expected 3 bools", "received 2")),
        ({"options": {"reset_mask": np.ones((3, 1), bool)}}, ("expected 3 bools", "(3, 1)")),
        ({"options": {"reset_mask": np.ones(3)}}, ("expected 3 bools", "float64")),
        ({"seed": [1, 2]}, ("seed: expected one, or 3", "received 2")),
        ({"seed": 1.5}, ("seed: expected whole numbers", "1.5")),
        ({"seed": [1, 2, "3"]}, ("seed: expected whole numbers",)),
        ({"seed": [1, [2], 3]}, ("seed: expected whole numbers",)),
        ({"seed": -1}, ("seed: expected whole numbers, 0 or more", "-1")),
        ({"options": {"reset_mask": [True, [False], True]}}, ("expected 3 bools",)),
        ({"options": ["reset_mask"]}, ("options: expected a dict", "list")),
    ],
)
def test_what_it_does_not_know_is_refused_in_one_line(make, how, words):
    env = make()
    env.reset(seed=1)
    with pytest.raises(ValueError) as refused:
        env.reset(**how)
    said = str(refused.value)
    assert all(word in said for word in words) and "\n" not in said, said
