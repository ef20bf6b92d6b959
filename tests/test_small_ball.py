"""A ball of 2x2 pixels in a world that nobody has told V about: V finds it by default."""

import ball
import numpy as np
import pytest
from ball import places, regression_error

from WorldModels.experiment.rows import read_rows
from WorldModels.record import main as record
from WorldModels.train_vision import main as train_vision

pytestmark = pytest.mark.slow


def played(episodes, seed):
    """Frames of the ball, pushed at random: (n, 64, 64, 3)."""
    draw, world, frames = np.random.default_rng(seed), ball.Ball(), []
    for _ in range(episodes):
        frames.append(world.reset(seed=int(draw.integers(2**31)))[0])
        frames += [world.step(draw.uniform(-1, 1, 2))[0] for _ in range(200)]
    return np.stack(frames)


def test_v_finds_a_ball_of_four_pixels(tmp_path):
    from WorldModels.assembly.models import load_vision

    flags = ["carracing", "--scale", "smoke", "--results", str(tmp_path), "--workers", "1"]
    episodes = ["--record.episodes", "12", "--record.max-frames", "200", "--env.max-steps", "200"]
    record([*flags, *episodes, "--record.held-out-share", "0.1", "--env.id", "ball:SmallBall-v0"])
    train = ["--vision.epochs", "12", "--vision.batch-size", "25", "--vision.dtype", "float32"]
    train_vision([*flags, *train, "--vision.learning-rate", "0.002"])
    vision = load_vision(tmp_path / "0/vision.keras")
    seen, new = played(40, seed=1), played(5, seed=2)
    z, new_z = (
        np.concatenate([np.asarray(vision.encode(part)[0]) for part in np.array_split(x, 10)])
        for x in (seen, new)
    )
    where, new_where = places(seen), places(new)
    assert np.abs(new_where - new_where.mean(0)).mean() > 12
    assert regression_error(z, where, new_z, new_where) <= 4
    last = read_rows(tmp_path / "0/vision.csv")[-1]
    assert float(last["val_latents_in_use"]) > 16 and float(last["val_rare_error"]) < 0.6
