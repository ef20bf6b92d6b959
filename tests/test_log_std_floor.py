"""Latents that do not vary: their likelihood has no maximum, so M's densities need a floor."""

import math

import numpy as np
import pytest
from conftest import assert_same
from fake_world import fake_network
from test_memory import EVERY, UNITS, A, K, Z, array, memory

from WorldModels import train_memory
from WorldModels.episodes.series import Series
from WorldModels.experiment.rows import read_rows

CONSTANT = [1, 4, 5, 7]


def narrowed(**options):
    """An M of a kind whose mixtures have log standard deviations far below any floor."""
    model = memory(**options)
    head = getattr(model.mixture, "mixture", model.mixture)
    bias = array(head.bias).copy()
    bias[-K * Z :] = -50
    head.bias.assign(bias)
    return model


@pytest.mark.parametrize(
    "kind", [*EVERY, {"mixture": "joint"}], ids=lambda kind: "-".join(kind.values())
)
def test_no_gaussian_is_narrower_than_the_floor(kind):
    hidden = np.random.default_rng(0).standard_normal((3, UNITS)).astype(np.float32)
    middle = {"component": np.zeros((3, Z), np.float32), "normal": np.zeros((3, Z), np.float32)}
    aside = {**middle, "normal": np.ones((3, Z), np.float32)}
    warm = np.ones(3, np.float32)
    for floor in (-1.0, -math.inf):
        model = narrowed(**kind, log_std_floor=floor)
        means, drawn = (array(model.draw(hidden, warm, noise)) for noise in (middle, aside))
        # dimension 0, as in some kinds the others depend on it
        assert_same(drawn[:, 0] - means[:, 0], np.full(3, math.exp(floor)))
        highest = -floor - 0.5 * math.log(2 * math.pi)
        assert (array(model.log_density(hidden, means)) <= highest + 1e-4).all()
        again = type(model).from_config(model.get_config())
        assert again.log_std_floor == floor, "the floor is saved with the network"
    older = {name: x for name, x in model.get_config().items() if name != "log_std_floor"}
    assert type(model).from_config(older).log_std_floor == -math.inf


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Train a tiny M on series of eight latents; returns what it said, or the error."""
    monkeypatch.setattr(train_memory, "_export", lambda *given: None)

    def train(*flags, constant=CONSTANT):
        rng = np.random.default_rng(0)
        (tmp_path / "0/series").mkdir(parents=True, exist_ok=True)
        fake_network(tmp_path / "0/vision.keras", "V")
        for i in range(6):
            mean, log_var = rng.standard_normal((41, 8)), np.full((41, 8), -2.0)
            mean[:, constant], log_var[:, constant] = 0, -60
            actions, rewards = rng.uniform(-1, 1, (40, A)), np.zeros(40)
            Series(mean, log_var, actions, rewards, False).save(tmp_path / f"0/series/{i:06}.npz")
        words = ["carracing", "--scale", "smoke", "--results", str(tmp_path), *flags]
        try:
            train_memory.main(words)
        except SystemExit:
            return capsys.readouterr().err
        return capsys.readouterr().out

    return train


def test_without_a_floor_the_error_names_the_latents_that_do_not_vary(run, tmp_path):
    said = run("--memory.log-std-floor=-inf")
    assert "4 of its dimensions (1, 4, 5, 7)" in said
    assert "--memory.log-std-floor" in said and "--vision.kl-weight" in said
    assert "learning rate" not in said and not (tmp_path / "0/memory.keras").exists()


@pytest.mark.slow
def test_with_the_floor_of_the_scale_m_learns(run, tmp_path):
    assert "memory.keras after 8 steps" in run()
    losses = [float(row[name]) for row in read_rows(tmp_path / "0/memory.csv") for name in row]
    assert losses and np.isfinite(losses).all()


@pytest.mark.slow
@pytest.mark.parametrize("constant, helps", [(CONSTANT, "(1, 4, 5, 7)"), ([], "lower the lear")])
def test_a_loss_that_is_no_number_comes_with_what_helps(run, constant, helps):
    flags = ("--memory.log-std-floor", "-80", "--memory.learning-rate", "1e9")
    said = run(*flags, "--memory.clip-value", "0", constant=constant)
    assert "loss: expected a finite number" in said and helps in said
    assert ("learning rate" in said) == (not constant)
