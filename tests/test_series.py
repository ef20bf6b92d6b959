"""Laws of series: saving and loading changes nothing, and bad files are refused by name."""

import numpy as np
import pytest

from WorldModels.episodes.series import Series, read_series, sound_series


def a_series(steps=7, latent_size=4, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    return Series(
        draw(steps + 1, latent_size),
        draw(steps + 1, latent_size),
        draw(steps, 3),
        draw(steps),
        True,
    )


def test_saved_series_come_back_equal(tmp_path):
    series = a_series()
    series.save(tmp_path / "000000.npz")
    loaded = Series.load(tmp_path / "000000.npz")
    for name in ("mean", "log_var", "actions", "rewards"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(series, name))
        assert getattr(loaded, name).dtype == np.float32
    assert loaded.terminated is True and len(loaded) == 7


def damage(path, how):
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    elif how == "foreign":
        np.savez(path, something=np.zeros(3))
    elif how == "pickled":
        np.savez(path, mean=np.array([{}], dtype=object))
    else:
        series = a_series()
        if how == "nan":
            series.mean[2, 1] = np.nan
        else:
            series.rewards = series.rewards[:-1]
        series.save(path)


@pytest.mark.parametrize("how", ["truncated", "foreign", "pickled", "nan", "lengths"])
def test_what_is_no_series_is_refused_by_name_and_set_aside(tmp_path, how):
    a_series().save(tmp_path / "000000.npz")
    path = tmp_path / "000001.npz"
    a_series().save(path)
    damage(path, how)
    with pytest.raises(ValueError, match="000001.npz"):
        Series.load(path)
    with pytest.raises(ValueError, match="000001.npz"):
        read_series(tmp_path)
    said = []
    assert [p.name for p in sound_series(tmp_path, said.append)] == ["000000.npz"]
    assert "000001.npz.damaged" in said[0] and (tmp_path / "000001.npz.damaged").exists()
