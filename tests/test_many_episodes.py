"""What comes before the first step reads no frames but those it uses, and copies no series.

Bytes and openings are counted where Python opens files, so nothing depends on a clock.
"""

import builtins
import io
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_world import fake_network

from WorldModels import encode, train_memory, train_vision
from WorldModels.episodes.episode import Episode
from WorldModels.episodes.frames import FrameFile, sound_episodes, spread_frames, usual_frames
from WorldModels.episodes.series import Series
from WorldModels.episodes.stream import FrameStream
from WorldModels.experiment import files
from WorldModels.experiment.command import parse
from WorldModels.experiment.files import hash_files, sum_of
from WorldModels.experiment.reuse import inputs_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.sums import WeightsSum
from WorldModels.memory import baselines

SMALL = (8, 8, 3)  # of a frame


class Stop(BaseException):
    """The first step is about to be taken."""


class Reading:
    """How often each file was opened to be read, and how many bytes came from it."""

    def __init__(self):
        self.opened, self.bytes = Counter(), Counter()

    def clear(self):
        self.opened.clear()
        self.bytes.clear()

    def of(self, folder):
        """The bytes that came from the files of a folder."""
        return sum(count for path, count in self.bytes.items() if path.parent == folder)


@pytest.fixture
def reading(monkeypatch):
    """Counts what is read from .npz and .keras files."""
    found, usual = Reading(), io.open

    class Counted(io.FileIO):
        def readinto(self, buffer):
            count = super().readinto(buffer)
            found.bytes[Path(self.name)] += count
            return count

        def readall(self):
            content = super().readall()
            found.bytes[Path(self.name)] += len(content)
            return content

    def opened(file, mode="r", *arguments, **how):
        if mode != "rb" or not str(file).endswith((".npz", ".keras")):
            return usual(file, mode, *arguments, **how)
        found.opened[Path(file)] += 1
        return io.BufferedReader(Counted(os.fspath(file)))

    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(io, "open", opened)
    return found


def episode(steps, number=0, shape=(64, 64, 3)):
    frames = np.random.default_rng(number).integers(0, 256, (steps + 1, *shape), np.uint8)
    zeros = np.zeros((steps, 3)), np.zeros(steps)
    return Episode(frames, *zeros, False, True, number, "held")


def saved(folder, count, steps, shape=(64, 64, 3)):
    paths = [folder / f"{number:06}.npz" for number in range(count)]
    for number, path in enumerate(paths):
        episode(steps, number, shape).save(path)
    return paths


def flags(folder, *more):
    return ["carracing", "--scale", "smoke", "--results", str(folder), *more]


def completed(folder, stage):
    """Let a stage list the files that are there, as its verb does in the end."""
    run = Run(parse("record", flags(folder)), "record")
    made = run.stage(stage, inputs_of(run, stage))
    made.begin()
    made.finish()
    run.close()


def size_of(paths):
    return sum(path.stat().st_size for path in paths)


def damaged(path):
    """Change a byte of a file that keeps its date: no sum is compared, but its checksum differs."""
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


# Opening and listing


def test_episodes_that_their_stage_lists_are_not_opened(tmp_path, reading):
    folder = tmp_path / "0/episodes"
    paths = saved(folder, 6, 9, SMALL)
    completed(tmp_path, "episodes")
    reading.clear()
    assert sound_episodes(folder) == paths and not reading.opened
    paths[2].write_bytes(paths[2].read_bytes())
    paths[3].write_bytes(paths[3].read_bytes()[::-1])
    reading.clear()
    said = []
    assert sound_episodes(folder, said.append) == [path for path in paths if path != paths[3]]
    assert set(reading.opened) == set(paths[2:4]), "only those that were written since"
    assert "set aside as 000003.npz.damaged" in said[0] and "1 damaged file " in said[1]


def test_what_was_damaged_before_it_was_taken_is_known_to_be(tmp_path):
    paths = saved(tmp_path / "source/0/episodes", 3, 9, SMALL)
    completed(tmp_path / "source", "episodes")
    paths[1].write_bytes(paths[1].read_bytes()[::-1])
    argv = flags(tmp_path / "run", "--reuse", str(tmp_path / "source"))
    run = Run(parse("train_vision", argv), "train_vision", argv)
    (folder,) = run.need_episodes()
    assert [path.name for path in sound_episodes(folder, run.say)] == ["000000.npz", "000002.npz"]
    assert paths[1].exists(), "there it is left as it is"
    run.close()


def test_of_other_episodes_no_frames_are_read(tmp_path, reading):
    paths = saved(tmp_path, 6, 99)
    reading.clear()
    assert sound_episodes(tmp_path) == paths
    assert set(reading.opened) == set(paths) and reading.of(tmp_path) < size_of(paths) / 10


@pytest.mark.parametrize("listed", [True, False])
def test_v_trains_before_it_has_read_all_frames(listed, tmp_path, monkeypatch, reading):
    paths = saved(tmp_path / "0/episodes", 12, 120)
    if listed:
        completed(tmp_path, "episodes")
    seen = []

    def first_step(model, batches, **how):
        seen.append(batches[0])
        batches.begin_epoch(0)
        raise Stop

    monkeypatch.setattr("WorldModels.assembly.fit.fit_with_checkpoints", first_step)
    reading.clear()
    with pytest.raises(Stop):
        train_vision.main(flags(tmp_path, "--vision.buffer-frames", "64"))
    assert seen[0].shape == (32, 64, 64, 3)
    assert all(reading.bytes[path] > 0 for path in paths), "what is counted is what is read"
    assert reading.of(paths[0].parent) < size_of(paths) / 3


def test_few_frames_of_many_are_read_without_the_rest(tmp_path, reading):
    paths = saved(tmp_path, 4, 300)
    whole = np.concatenate([episode(300, number).observations for number in range(4)])
    chosen = np.linspace(0, len(whole) - 1, 50).round().astype(int)
    reading.clear()
    np.testing.assert_array_equal(spread_frames(paths, 50), whole[chosen])
    assert reading.of(tmp_path) < size_of(paths) / 10
    # All are read where all are asked for, and then their checksum counts.
    np.testing.assert_array_equal(spread_frames(paths, 10_000), whole)
    damaged(paths[1])
    with pytest.raises(ValueError, match=r"000001\.npz: expected the frames of an episode"):
        spread_frames(paths, 10_000)
    content = paths[2].read_bytes()
    paths[2].write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"000002\.npz"):
        usual_frames(paths)


# Resuming


@pytest.mark.parametrize("buffer_frames", [150, 10_000])
def test_a_resumed_epoch_reads_only_what_is_left(buffer_frames, tmp_path, reading):
    paths = saved(tmp_path, 40, 24)
    batch, everything = 10, size_of(paths)

    def stream():
        return FrameStream(paths, batch, buffer_frames, lambda e: np.random.default_rng([0, e]))

    epoch = list(stream().batches(0))
    assert len(epoch) == 100
    for start in (0, 1, 37, 98):
        resumed = stream()
        reading.clear()
        batches = list(resumed.batches(0, start))
        assert len(batches) == 100 - start
        for one, other in zip(batches, epoch[start:], strict=True):
            np.testing.assert_array_equal(one, other)
        left = (100 - start) / 100 * everything + min(buffer_frames, 1000) / 1000 * everything
        assert reading.of(tmp_path) < 1.1 * left
    assert reading.of(tmp_path) < 0.6 * everything, "two batches of a hundred"


def test_damage_shows_in_one_line_where_frames_are_read(tmp_path, monkeypatch, capsys):
    paths = saved(tmp_path / "0/episodes", 6, 60)
    completed(tmp_path, "episodes")
    damaged(paths[0])
    damaged(paths[1])

    def an_epoch(model, batches, **how):
        for place in range(len(batches)):
            batches[place]

    monkeypatch.setattr("WorldModels.assembly.fit.fit_with_checkpoints", an_epoch)
    with pytest.raises(SystemExit) as end:
        train_vision.main(flags(tmp_path))
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert end.value.code == 2 and "Traceback" not in said
    assert any(f"rm -f {path} && python -m WorldModels.record carracing" in line for path in paths)


def test_numbers_that_are_not_finite_are_refused_where_they_are_read(tmp_path):
    vectors = np.zeros((9, 4), np.float32)
    vectors[5, 1] = np.nan
    path = tmp_path / "000000.npz"
    Episode(vectors, np.zeros((8, 1)), np.zeros(8), False, True, 0, "held").save(path)
    for read in (lambda: list(FrameFile(path).pieces(3)), lambda: FrameFile(path).some(np.r_[5])):
        with pytest.raises(ValueError, match=r"000000\.npz.*NaN"):
            read()
    assert FrameFile(path).some(np.array([4])).shape == (1, 4)


# Encoding


@pytest.fixture
def encoded(tmp_path, monkeypatch):
    """A run of five episodes, and a function that encodes them, with latents of 64 numbers."""

    def encoder(file):
        return lambda seen: (seen.reshape(len(seen), -1)[:, :64].astype(np.float32),) * 2

    monkeypatch.setattr("WorldModels.assembly.opening.keras_encoder", encoder)
    saved(tmp_path / "0/episodes", 5, 200, SMALL)
    completed(tmp_path, "episodes")
    fake_network(tmp_path / "0/vision.keras", "V")
    encode.main(flags(tmp_path))
    return lambda: encode.main(flags(tmp_path))


def test_what_is_encoded_is_not_read_again(encoded, tmp_path, reading, capsys):
    reading.clear()
    encoded()
    assert "5 series are there already" in capsys.readouterr().out
    assert not [path for path in reading.opened if path.parent.name in ("episodes", "series")]


def test_of_an_added_episode_alone_all_is_read(encoded, tmp_path, reading):
    series = sorted((tmp_path / "0/series").glob("*.npz"))
    episode(200, 5, SMALL).save(tmp_path / "0/episodes/000005.npz")
    completed(tmp_path, "episodes")
    reading.clear()
    encoded()
    frames = {p.name: n for p, n in reading.bytes.items() if p.parent.name == "episodes"}
    assert frames.keys() == {"000005.npz"}
    for path in series:  # the first latents of each, without the others
        assert 0 < reading.bytes[path] < path.stat().st_size / 2
    with np.load(tmp_path / "0/first_latents.npz") as first:
        for name, mean in zip(first["episodes"], first["mean"], strict=True):
            np.testing.assert_array_equal(
                mean, Series.load(tmp_path / f"0/series/{name}.npz").mean[0]
            )
        assert first["mean"].shape == (6, 64)


def test_a_series_written_since_is_encoded_again(encoded, tmp_path, capsys):
    path = tmp_path / "0/series/000003.npz"
    before = path.read_bytes()
    path.write_bytes(before[:-500] + bytes(500))
    with pytest.raises(SystemExit):
        train_memory.main(flags(tmp_path))
    assert "WorldModels.encode" in capsys.readouterr().err
    encoded()
    assert "set aside as 000003.npz.damaged" in capsys.readouterr().out
    assert path.read_bytes() == before


# M


def walk(steps, number=0, size=32):
    draw = np.random.default_rng(number)
    mean, log_var = draw.standard_normal((2, steps + 1, size), np.float32)
    return Series(mean, log_var, draw.uniform(-1, 1, (steps, 3)), np.zeros(steps), False)


def test_m_reads_each_series_once_before_its_first_step(tmp_path, monkeypatch, reading):
    folder = tmp_path / "0/series"
    for number in range(6):
        walk(2000, number).save(folder / f"{number:06}.npz")
    fake_network(tmp_path / "0/vision.keras", "V")
    completed(tmp_path, "series")

    def first_step(model, batches, **how):
        batches[0]
        raise Stop

    monkeypatch.setattr("WorldModels.assembly.fit.fit_with_checkpoints", first_step)
    monkeypatch.setattr("WorldModels.memory.baselines.FIT_STEPS", 10)
    reading.clear()
    with pytest.raises(Stop):
        train_memory.main(flags(tmp_path))
    assert {path: reading.opened[path] for path in folder.iterdir()} == dict.fromkeys(
        folder.iterdir(), 1
    )
    assert reading.of(folder) < 1.1 * size_of(folder.iterdir())


def test_an_untouched_series_that_rotted_names_the_command_that_mends_it(
    encoded, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "0/series/000003.npz"
    damaged(path)
    with pytest.raises(SystemExit):
        train_memory.main(flags(tmp_path))
    said = capsys.readouterr().err
    assert f"rm -f {path} && python -m WorldModels.encode carracing" in said
    path.unlink()
    encoded()
    assert Series.load(path)


def all_of(series, name, first=0):
    return np.concatenate([getattr(each, name)[first:] for each in series])


def peak_of(work):
    """The most bytes that Python and numpy held at once for some work."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_statistics_are_those_of_all_frames_and_copy_no_series():
    series = [walk(3000 + number, number) for number in range(30)]
    found = baselines.GaussianBaselines(series)
    assert peak_of(lambda: baselines.GaussianBaselines(series)) < all_of(series, "mean").nbytes / 4
    mean, steps = (
        all_of(of, "mean").astype(np.float64)
        for of in (series, [SimpleNamespace(mean=np.diff(each.mean, axis=0)) for each in series])
    )
    noise = np.exp(all_of(series, "log_var").astype(np.float64)).mean(axis=0)
    np.testing.assert_allclose(found.mean, mean.mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.variance, mean.var(axis=0) + noise, rtol=1e-12)
    np.testing.assert_allclose(found.step_variance, (steps**2).mean(axis=0) + 2 * noise, rtol=1e-12)
    for each in series:
        each.mean[:, 3], each.log_var[:, 3] = 0.25, -60
    assert baselines.constant_latents(series) == [3]


def test_the_latents_that_a_head_is_fit_to_are_drawn_from_all_and_copy_no_series(monkeypatch):
    monkeypatch.setattr(baselines, "FIT_STEPS", 10)
    monkeypatch.setattr(baselines, "FEWEST_STEPS", 10)
    monkeypatch.setattr(baselines, "FIT_LATENTS", 2000)
    series, given = [walk(3000 + number, number) for number in range(30)], []
    fitted = SimpleNamespace(compile=lambda how: None, fit=lambda z, **how: given.append(z))
    fitted.optimizer, fitted.trainable_variables = SimpleNamespace(build=lambda own: None), []
    peak = peak_of(lambda: baselines.Unconditional.fit_latents(fitted, series, 5))
    mean, log_var = all_of(series, "mean", 1), all_of(series, "log_var", 1)
    assert peak < mean.nbytes / 2
    draw = np.random.default_rng(5)
    chosen = draw.permutation(len(mean))[:2000]
    noise = draw.standard_normal((2000, 32), np.float32)
    z = mean[chosen] + np.exp(log_var[chosen] / 2) * noise
    expected = [z[draw.integers(2000, size=baselines.FIT_BATCH)] for _ in range(10)]
    np.testing.assert_array_equal(given[0], np.concatenate(expected))


def test_held_out_batches_are_made_one_at_a_time_and_are_the_same_each_time():
    series = [walk(200, number) for number in range(300)]
    batches = baselines.held_out_batches(series, seed=1)
    first = [batch["z"] for batch in batches]
    for one, other in zip(first, batches, strict=True):
        np.testing.assert_array_equal(one, other["z"])
    each = sum(array.nbytes for array in next(iter(batches)).values())
    assert len(first) == 6
    assert peak_of(lambda: [len(b) for b in baselines.held_out_batches(series, 1)]) < 3 * each


# Sums


def test_a_file_is_summed_once_until_it_changes(tmp_path, monkeypatch, reading):
    path = tmp_path / "vision.keras"
    fake_network(path, "V")
    date = path.stat().st_mtime_ns
    first = sum_of(path)
    fake_network(path, "W")  # as long, within the same moment
    os.utime(path, ns=(date, date))
    assert sum_of(path) != first and WeightsSum(path) == WeightsSum(path)
    monkeypatch.setattr(files, "SETTLED", 0)
    reading.clear()
    sums = [(sum_of(path), WeightsSum(path), hash_files([path])) for _ in range(3)]
    assert len(set(sums)) == 1 and reading.opened[path] == 2, "the file, and the weights in it"
    fake_network(path, "X")
    os.utime(path, ns=(date, date))
    assert sum_of(path) != sums[0][0] and WeightsSum(path) != sums[0][1]


def test_the_sum_of_series_is_that_of_their_contents(tmp_path, reading):
    folder = tmp_path / "0/series"
    for number in range(3):
        walk(40, number).save(folder / f"{number:06}.npz")
    fake_network(tmp_path / "0/vision.keras", "V")
    run = SimpleNamespace(path=tmp_path / "0")
    unlisted = inputs_of(run, "memory")["series"]
    assert unlisted == hash_files(list(folder.iterdir()))
    completed(tmp_path, "series")
    reading.clear()
    assert inputs_of(run, "memory")["series"] == unlisted and reading.of(folder) == 0
    walk(40, 9).save(folder / "000003.npz")
    assert inputs_of(run, "memory")["series"] == hash_files(list(folder.iterdir())) != unlisted
