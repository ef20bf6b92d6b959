"""What iteration k takes from iteration k - 1: its driver, its episodes, its weights, its mean."""

import dataclasses
import json
import re

import numpy as np
import pytest
from conftest import run_verb_process
from fake_world import Line, fake_network

from WorldModels import train_controller
from WorldModels.assembly import weights
from WorldModels.control.controller import Controller
from WorldModels.control.policies import drivers
from WorldModels.episodes import iterations
from WorldModels.episodes.series import Series, read_series
from WorldModels.episodes.split import iteration_of, split
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run
from WorldModels.figures.iterations import comparison


@pytest.fixture
def opened(tmp_path):
    """Open iteration k with settings changed, e.g. opened(1, record={"policies": "held"})."""
    runs = []

    def open_run(iteration, verb="record", folder=tmp_path, reuse="", **changes):
        for run in runs:
            run.close()
        experiment = dataclasses.replace(
            preset("carracing", "smoke"), results=str(folder), iteration=iteration, reuse=reuse
        )
        nouns = {
            noun: dataclasses.replace(getattr(experiment, noun), **values)
            for noun, values in changes.items()
        }
        runs.append(Run(dataclasses.replace(experiment, **nouns), verb))
        return runs[-1]

    yield open_run
    for run in runs:
        run.close()


def series_of(folder, names):
    for name in names:
        steps = np.float32(int(name[-2:]))
        Series(np.full((3, 2), steps), np.zeros((3, 2)), np.zeros((2, 1)), np.zeros(2), False).save(
            folder / f"{name}.npz"
        )


def test_what_was_held_out_stays_held_out(opened, tmp_path):
    series_of(tmp_path / "0/series", [f"{i:06}" for i in range(20)])
    series_of(
        tmp_path / "1/series",
        [*(f"0-{i:06}" for i in range(20)), *(f"{i:06}" for i in range(20, 40))],
    )

    def parts_of(k):
        paths, series = read_series(tmp_path / f"{k}/series")
        run = opened(k, "train_memory")
        parts = split(paths, run.path, "memory", run.experiment)
        by_path = dict(zip(paths, series, strict=True))
        return [[int(by_path[path].mean[0, 0]) for path in part] for part in parts]

    first, second = parts_of(0), parts_of(1)
    assert [len(part) for part in (*first, *second)] == [16, 4, 31, 9]
    assert set(first[1]) <= set(second[1]) and not set(second[0]) & set(second[1])


@pytest.mark.parametrize(
    "iteration, policies, share, expected",
    [
        (0, "held", 0.5, {"held": 1.0}),
        (1, "held", 0.5, {"controller": 0.5, "held": 0.5}),
        (2, "held:0.5,cauchy:0.5", 0.2, {"controller": 0.2, "held": 0.4, "cauchy": 0.4}),
        (1, "held", 0.0, {"held": 1.0}),
        (1, "held", 1.0, {"controller": 1.0}),
        (1, "controller:0.9,held:0.1", 0.5, {"controller": 0.9, "held": 0.1}),
    ],
)
def test_who_records(iteration, policies, share, expected):
    assert drivers(policies, share, iteration) == pytest.approx(expected)


@pytest.mark.parametrize(
    "iteration, episodes, expected", [(0, "all", "0"), (2, "all", "012"), (2, "own", "2")]
)
def test_whose_episodes_are_seen(opened, tmp_path, iteration, episodes, expected):
    for k in range(3):
        (tmp_path / f"{k}/episodes").mkdir(parents=True)
        (tmp_path / f"{k}/episodes/000000.npz").touch()
    folders = opened(iteration, iterate={"episodes": episodes}).need_episodes()
    assert [folder.parent.name for folder in folders] == list(expected)
    named = iterations.named_episodes(folders)
    assert [str(iteration_of(name, iteration)) for name in named] == [
        path.parent.parent.name for path in named.values()
    ]
    assert len(named) == len(expected)


def test_a_network_of_other_sizes_is_refused(tmp_path):
    import keras

    small, large = (
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(size)]) for size in (2, 4)
    )
    small.save(tmp_path / "small.keras")
    with pytest.raises(ValueError, match="small.keras: .*--iterate.networks afresh"):
        weights.take_weights(large, tmp_path / "small.keras")
    (tmp_path / "small.keras").write_bytes(b"no network")
    with pytest.raises(ValueError, match="cannot be read"):
        weights.take_weights(small, tmp_path / "small.keras")


@pytest.mark.parametrize("schedule", ["constant", "cosine", "exponential"])
def test_a_warm_up_rises_to_the_schedule(schedule):
    from WorldModels.memory.training import adam

    plain, warm = (adam(100, 1e-2, schedule, 1e-4, 0.9, warmup_steps=steps) for steps in (0, 10))
    rates = []
    for step in range(20):
        for optimizer in (plain, warm):
            optimizer.iterations.assign(step)
        rates.append(float(warm.learning_rate) / float(plain.learning_rate))
    np.testing.assert_allclose(rates, np.minimum(1, (np.arange(20) + 1) / 10), rtol=1e-5)


@pytest.mark.parametrize("steps, expected", [(2, 1), (9, 4), (120, 60), (10_000, 60)])
def test_a_short_training_is_not_all_warm_up(steps, expected):
    assert weights.warmup_steps(steps) == expected


def test_another_run_s_episodes_are_those_of_the_same_iteration(opened, tmp_path):
    for k in (0, 1):
        stage = opened(k, folder=tmp_path / "one").stage("episodes")
        stage.begin()
        (tmp_path / f"one/{k}/episodes").mkdir()
        (tmp_path / f"one/{k}/episodes/00000{k}.npz").touch()
        stage.finish()
    for k in (0, 1):
        assert (
            opened(k, folder=tmp_path / "other", reuse=str(tmp_path / "one"))
            .stage("episodes")
            .complete
        )
        assert [path.name for path in (tmp_path / f"other/{k}/episodes").iterdir()] == [
            f"00000{k}.npz"
        ]


@pytest.fixture
def evolved(tmp_path, monkeypatch):
    """A run with a driver of a cheap world in iteration 0, and stand-ins for V and M in both."""
    monkeypatch.setattr("WorldModels.assembly.worlds.real_world", lambda *_, **__: Line)
    for k in "01":
        (tmp_path / k).mkdir()
        for name in ("vision.keras", "memory.keras"):
            fake_network(tmp_path / k / name, name)
    evolve(tmp_path, 0)
    return tmp_path


def evolve(folder, iteration, *flags):
    train_controller.main(
        [
            "carracing",
            "--scale",
            "smoke",
            "--results",
            str(folder),
            "--controller.features",
            "z",
            "--workers",
            "1",
            "--vision.latent-size",
            "4",
            "--iteration",
            str(iteration),
            *flags,
        ]
    )
    return Controller.load(folder / str(iteration) / "controller/best.npz")[1]


def test_the_search_begins_at_the_mean_before_or_at_zeros(evolved):
    before = Controller.load(evolved / "0/controller/best.npz")[1]
    still = ("--controller.sigma", "1e-9")
    assert np.abs(before).max() > 1e-2
    np.testing.assert_allclose(evolve(evolved, 1, *still), before, atol=1e-6)
    assert (
        np.abs(evolve(evolved, 1, *still, "--iterate.controller", "anew", "--force")).max() < 1e-6
    )


def test_another_driver_before_makes_the_driver_anew(evolved, capsys):
    evolve(evolved, 1)
    evolve(evolved, 0, "--controller.generations", "6")
    capsys.readouterr()
    evolve(evolved, 1)
    assert "its input (0/controller/best.npz) has changed" in capsys.readouterr().out


def test_a_driver_of_another_shape_is_no_beginning(evolved, capsys):
    with pytest.raises(SystemExit):
        evolve(evolved, 1, "--controller.num-hidden", "3")
    assert "give --iterate.controller anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb, flags, words",
    [
        (
            "record",
            [],
            ["0/controller/best.npz is missing", "train_controller carracing", "--iteration 0"],
        ),
        (
            "train_vision",
            [],
            ["0/vision.keras is missing", "train_vision carracing", "--iteration 0"],
        ),
        (
            "train_vision",
            ["--iterate.networks", "afresh"],
            ["--iterate.controller", "expected anew", "received previous"],
        ),
        (
            "train_vision",
            ["--iterate.networks", "afresh", "--iterate.controller", "anew"],
            [
                "0/episodes is missing",
                "record carracing",
                "--iteration 0",
                "--iterate.episodes own",
            ],
        ),
        ("estimate", ["--iterations", "2"], ["--iteration", "--iterations 2", "received 1"]),
    ],
)
def test_what_is_missing_or_contradicts_is_refused(tmp_path, verb, flags, words):
    done = run_verb_process(verb, tmp_path, "--iteration", "1", *flags)
    said = re.sub(r"[\s│]+", " ", done.stderr)
    assert done.returncode == 2 and "Traceback" not in said
    assert all(word in said for word in words), said
    assert not (tmp_path / "1").exists()


def test_a_later_iteration_notes_what_it_takes_and_the_first_does_not(opened):
    for name in ("episodes", "vision", "series", "memory", "controller"):
        assert (
            "iterate" not in opened(0).stage(name).settings
            and "iterate" in opened(1).stage(name).settings
        )
    stage = opened(1).stage("vision")
    stage.begin()
    stage.finish()
    with pytest.raises(ValueError, match="--iterate.episodes: own .* all"):
        opened(1, iterate={"episodes": "own"}).stage("vision")
    assert opened(1, iterate={"controller_share": 0.1}).stage("vision").complete


def test_iterations_stand_beside_one_another_with_what_each_gained(tmp_path):
    for k, scores in enumerate(([0.0, 10.0, 20.0], [5.0, 15.0], [5.0, 15.0, 40.0], [9.0])):
        (tmp_path / str(k)).mkdir()
        facts = {
            "mean": float(np.mean(scores)),
            "sd": 1.0,
            "median": 1.0,
            "iqm": 1.0,
            "interval": [0.0, 1.0],
            "n": len(scores),
        }
        report = {"first_seed": 5 if k < 3 else 6, "scores": {"return": facts | {"tracks": scores}}}
        (tmp_path / str(k) / "evaluation.json").write_text(json.dumps(report))
    assert comparison(tmp_path, 0) is None and comparison(tmp_path, 4) is None
    assert comparison(tmp_path, 3) is None, "other tracks"
    lines = comparison(tmp_path, 2).splitlines()[1:]
    assert [line.split("  ")[0] for line in lines] == [
        *(f"iteration {k}, return" for k in range(3)),
        "1 minus 0",
        "2 minus 1",
    ]
    assert " 5.0 " in lines[3] and " 0.0 " in lines[4] and lines[4].split()[-1] == "2"
