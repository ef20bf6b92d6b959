"""Laws of the frame stream: each frame once per epoch, a bounded buffer, a fixed order."""

import threading
import tracemalloc

import numpy as np
import pytest

from WorldModels.episodes import stream as module
from WorldModels.episodes.episode import Episode
from WorldModels.episodes.frames import FrameFile, spread_frames
from WorldModels.episodes.stream import FrameStream, read_ahead

LENGTHS = (7, 40, 1, 93, 25, 60)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Episodes of various lengths; every frame holds its own number."""
    folder, numbers, paths = tmp_path_factory.mktemp("episodes"), iter(range(10_000)), []
    for i, steps in enumerate(LENGTHS):
        frames = np.zeros((steps + 1, 8, 8, 3), np.uint8)
        for frame in frames:
            frame.reshape(-1)[:2] = divmod(next(numbers), 256)
        paths.append(folder / f"{i:06}.npz")
        Episode(frames, np.zeros((steps, 3)), np.zeros(steps), False, True, i, "held").save(
            paths[-1]
        )
    return paths


def stream(paths, buffer_frames, batch_size=10, seed=0):
    return FrameStream(
        paths, batch_size, buffer_frames, lambda epoch: np.random.default_rng([seed, epoch])
    )


def numbers(batches):
    flat = [batch.reshape(len(batch), -1)[:, :2].astype(int) for batch in batches]
    return [b[:, 0] * 256 + b[:, 1] for b in flat]


@pytest.mark.parametrize("buffer_frames", [1, 90, 150, 10_000])
def test_every_frame_comes_once_an_epoch(paths, buffer_frames):
    frames = stream(paths, buffer_frames)
    batches = numbers(frames.batches(0))
    drawn = np.concatenate(batches)
    assert frames.num_frames == sum(LENGTHS) + len(LENGTHS) == 232
    assert len(batches) == frames.num_batches == 23 and {len(b) for b in batches} == {10}
    assert len(set(drawn)) == 230 and set(drawn) <= set(range(232))


@pytest.mark.parametrize("buffer_frames", [90, 10_000])
def test_the_order_follows_from_seed_and_epoch_alone(paths, buffer_frames):
    first, again = stream(paths, buffer_frames), stream(paths, buffer_frames)
    list(first.batches(0))  # an earlier epoch changes nothing
    epoch = numbers(first.batches(1))
    np.testing.assert_array_equal(epoch, numbers(again.batches(1)))
    np.testing.assert_array_equal(epoch[5:], numbers(again.batches(1, start=5)))
    assert not np.array_equal(epoch, numbers(first.batches(2)))
    assert not np.array_equal(epoch, numbers(stream(paths, buffer_frames, seed=1).batches(1)))


def test_a_buffer_smaller_than_the_data_still_mixes_episodes(paths):
    # Of 150 frames, those read ahead leave room for 80 in the buffer, which holds 20 when the first
    # batch is drawn.
    episode = np.repeat(np.arange(len(LENGTHS)), np.array(LENGTHS) + 1)
    mixed = [len(set(episode[batch])) for batch in numbers(stream(paths, 150).batches(0))]
    assert np.mean(mixed) > 2


def test_the_buffer_bounds_what_is_held(tmp_path):
    paths, frame_bytes = [tmp_path / f"{i}.npz" for i in range(4)], 64 * 64 * 3
    for path in paths:
        Episode(
            np.zeros((200, 64, 64, 3), np.uint8),
            np.zeros((199, 3)),
            np.zeros(199),
            False,
            True,
            0,
            "held",
        ).save(path)
    frames = stream(paths, 200)
    list(frames.batches(0))  # what Python imports at the first call is not counted
    tracemalloc.start()
    count = sum(1 for _ in frames.batches(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 80 and peak < 1.1 * 200 * frame_bytes


def test_frames_of_another_size_are_refused_by_name(paths, tmp_path):
    other = tmp_path / "other.npz"
    Episode(
        np.zeros((3, 6, 6, 3), np.uint8), np.zeros((2, 3)), np.zeros(2), False, True, 0, "held"
    ).save(other)
    with pytest.raises(ValueError, match="other.npz"):
        stream([*paths, other], 100)
    with pytest.raises(ValueError, match="232"):
        stream(paths, 100, batch_size=1000)
    with pytest.raises(ValueError, match="record"):
        stream([], 100)


def test_damaged_frames_are_never_given_out(paths, tmp_path):
    content = bytearray(paths[3].read_bytes())
    content[3000] ^= 255  # among the frames: the archive's list of members stays sound
    broken = tmp_path / "broken.npz"
    broken.write_bytes(content)
    for buffer_frames in (90, 10_000):
        with pytest.raises(ValueError, match="broken.npz"):
            list(stream([paths[1], paths[5], broken], buffer_frames).batches(0))
    truncated = tmp_path / "truncated.npz"
    truncated.write_bytes(content[:5000])
    with pytest.raises(ValueError, match="truncated.npz"):
        stream([truncated], 90)


def test_compressed_episodes_are_read_too(paths, tmp_path):
    with np.load(paths[3]) as file:
        np.savez_compressed(tmp_path / "small.npz", **file)
        frames = file["observations"]
    np.testing.assert_array_equal(spread_frames([tmp_path / "small.npz"], 10**6), frames)


def test_spread_frames_cover_all_episodes(paths):
    frames = spread_frames(paths, 24)
    drawn = numbers([frames])[0]
    assert len(drawn) == 24 and drawn[0] == 0 and drawn[-1] == 231 and np.ptp(np.diff(drawn)) <= 1
    assert len(spread_frames(paths, 10_000)) == 232


def test_reading_ahead_raises_errors_here_and_stops_its_thread():
    def failing():
        yield 1
        raise ValueError("no more")

    items = read_ahead(failing(), 2)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)
    endless = read_ahead(iter(int, 1), 2)
    next(endless)
    endless.close()
    assert not [t for t in threading.enumerate() if t.name == "read_ahead"]


def reading_threads():
    return [t for t in threading.enumerate() if t.name == "read_ahead"]


def test_one_thread_reads_files_while_another_shuffles(paths, monkeypatch):
    threads, pieces, fill = {"read": set(), "shuffle": set()}, FrameFile.pieces, module._fill

    def read(self, size):
        for frames in pieces(self, size):
            threads["read"].add(threading.get_ident())
            yield frames

    def shuffle(*arguments):
        threads["shuffle"].add(threading.get_ident())
        return fill(*arguments)

    monkeypatch.setattr(FrameFile, "pieces", read)
    monkeypatch.setattr(module, "_fill", shuffle)
    batches = stream(paths, 90).batches(0)
    next(batches)
    assert len(reading_threads()) == 2
    batches.close()
    assert not reading_threads(), "both end with the epoch"
    assert len(threads["read"]) == len(threads["shuffle"]) == 1
    assert not threads["read"] & threads["shuffle"]
    assert threading.get_ident() not in threads["read"] | threads["shuffle"]


@pytest.mark.parametrize("buffer_frames", [1, 90, 150, 10_000])
def test_threads_change_no_order(paths, buffer_frames, monkeypatch):
    threaded = numbers(stream(paths, buffer_frames).batches(1))
    monkeypatch.setattr(module, "read_ahead", lambda items, depth: items)
    np.testing.assert_array_equal(threaded, numbers(stream(paths, buffer_frames).batches(1)))
