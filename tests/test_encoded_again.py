"""Series are encoded again where their episodes are others, whatever the dates of the files."""

import os

import numpy as np
import pytest
from fake_world import fake_network

from WorldModels import encode, record


@pytest.fixture
def encoded(tmp_path, monkeypatch):
    """A run of two episodes and their series; a function that counts the frames V then encodes."""
    seen = []

    def encoder(file):
        def look(frames):
            seen.append(len(frames))
            return (frames.reshape(len(frames), -1)[:, :4].astype(np.float32),) * 2

        return look

    monkeypatch.setattr("WorldModels.assembly.opening.keras_encoder", encoder)
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path), "--workers", "1"]
    argv += ["--record.episodes", "2", "--record.max-frames", "20", "--record.min-frames", "20"]
    record.main(argv)
    fake_network(tmp_path / "0/vision.keras", "V")

    def again():
        seen.clear()
        encode.main(argv)
        return sum(seen)

    assert again() == 42
    return again, lambda: record.main([*argv, "--force", "--seed", "7"]), tmp_path / "0/episodes"


def dated(folder, year):
    for path in folder.glob("*.npz"):
        os.utime(path, ((year - 1970) * 31_557_600,) * 2)


def test_a_copied_run_whose_files_have_other_dates_is_not_encoded_again(encoded):
    again, _, episodes = encoded
    dated(episodes, 2100)
    assert again() == 0


def test_other_episodes_with_older_dates_are_encoded(encoded):
    again, record_others, episodes = encoded
    record_others()
    dated(episodes, 2000)
    assert again() == 42
    assert again() == 0
