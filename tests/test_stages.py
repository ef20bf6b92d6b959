"""What a verb does when it has output already: refuse, redo, return, or continue."""

import dataclasses
import os

import pytest

from WorldModels.experiment import files, rows
from WorldModels.experiment.draws import rng
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run


@pytest.fixture
def experiment(tmp_path):
    return dataclasses.replace(preset("carracing", "smoke"), results=str(tmp_path / "run"))


def change(experiment, noun, **values):
    return dataclasses.replace(
        experiment, **{noun: dataclasses.replace(getattr(experiment, noun), **values)}
    )


def opened(experiment, name, inputs=None, finish=False, verb="verb"):
    run = Run(experiment, verb)
    try:
        stage = run.stage(name, inputs)
        if finish:
            stage.begin()
            stage.finish()
        return stage
    finally:
        run.close()


def test_a_finished_stage_is_complete_and_a_begun_one_is_not(experiment):
    run = Run(experiment, "record")
    run.stage("episodes").begin()
    assert not run.stage("episodes").complete
    run.stage("episodes").finish()
    assert run.stage("episodes").complete
    run.close()


def test_a_larger_budget_goes_on_and_a_smaller_one_is_complete(experiment):
    opened(experiment, "episodes", finish=True)
    assert not opened(change(experiment, "record", episodes=9), "episodes").complete
    assert opened(change(experiment, "record", episodes=2), "episodes").complete


def test_a_setting_that_contradicts_the_output_is_refused_with_both_values(experiment):
    opened(experiment, "episodes", finish=True)
    with pytest.raises(ValueError, match=r"--record.max-frames: 77 .* 60.*--results"):
        opened(change(experiment, "record", max_frames=77), "episodes")


def test_a_setting_that_contradicts_the_input_is_refused_with_both_values(experiment):
    opened(experiment, "vision", finish=True)
    with pytest.raises(ValueError, match=r"--vision.latent-size: 16 .* 32"):
        opened(change(experiment, "vision", latent_size=16), "series")


def test_force_makes_the_output_anew(experiment, tmp_path):
    opened(experiment, "episodes", finish=True)
    (tmp_path / "run/0/episodes").mkdir()
    forced = dataclasses.replace(change(experiment, "record", max_frames=77), force=True)
    assert not opened(forced, "episodes").complete
    assert (tmp_path / "run/0/episodes").exists(), "nothing is lost before the stage begins"
    opened(forced, "episodes", finish=True)
    assert not (tmp_path / "run/0/episodes").exists()


def test_an_input_made_anew_makes_the_output_anew(experiment, capsys):
    opened(experiment, "memory", {"series": "one"}, finish=True)
    assert opened(experiment, "memory", {"series": "one"}).complete
    assert not opened(experiment, "memory", {"series": "two"}).complete
    assert "is made again" in capsys.readouterr().out


def test_another_run_s_episodes_are_taken_where_the_settings_agree(experiment, tmp_path, capsys):
    opened(experiment, "episodes", finish=True)
    folder = tmp_path / "run/0/episodes"
    folder.mkdir()
    (folder / "000000.npz").write_bytes(b"an episode")
    other = dataclasses.replace(
        experiment, results=str(tmp_path / "other"), reuse=str(tmp_path / "run")
    )
    assert opened(other, "episodes").complete
    assert (tmp_path / "other/0/episodes/000000.npz").read_bytes() == b"an episode"
    third = dataclasses.replace(
        change(other, "record", max_frames=77), results=str(tmp_path / "third")
    )
    assert not opened(third, "episodes").complete
    assert "other settings" in capsys.readouterr().out


def test_a_reuse_that_was_killed_goes_on(experiment, tmp_path):
    opened(experiment, "episodes", finish=True)
    for folder in (
        "run",
        "other",
    ):  # the second as a kill leaves it: a link, and no stage file
        (tmp_path / folder / "0/episodes").mkdir(parents=True)
    (tmp_path / "run/0/episodes/000000.npz").write_bytes(b"an episode")
    os.link(tmp_path / "run/0/episodes/000000.npz", tmp_path / "other/0/episodes/000000.npz")
    other = dataclasses.replace(
        experiment, results=str(tmp_path / "other"), reuse=str(tmp_path / "run")
    )
    assert opened(other, "episodes").complete


def test_a_vision_of_other_pictures_is_not_taken(experiment, tmp_path):
    opened(experiment, "episodes", finish=True)
    opened(experiment, "vision", finish=True)
    larger = change(
        dataclasses.replace(
            experiment, results=str(tmp_path / "other"), reuse=str(tmp_path / "run")
        ),
        "env",
        frame_size=96,
    )
    assert not opened(larger, "vision").complete


def test_what_a_kill_left_half_written_is_swept_away(experiment, tmp_path):
    opened(experiment, "episodes")
    # An earlier process had this one's number.
    half = tmp_path / "run/0" / f"{files.TEMPORARY}{files.host()}-{os.getpid()}.1-vision.keras"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half")
    opened(experiment, "episodes")
    assert not half.exists()


def test_a_file_is_complete_or_absent(tmp_path):
    with pytest.raises(RuntimeError):
        with files.atomic(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise RuntimeError
    assert os.listdir(tmp_path) == []
    with files.atomic(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_replaces_the_older_one_whole(tmp_path):
    for text in ("old", "new"):
        with files.atomic(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert os.listdir(tmp_path / "folder") == ["new"]


def test_a_row_is_whole_even_after_half_a_row(tmp_path):
    path = tmp_path / "log.csv"
    rows.append_row(path, {"epoch": 1, "loss": 2.0})
    with open(path, "a") as file:
        file.write("2,0.")
    rows.append_row(path, {"epoch": 2, "loss": 1.0})
    assert rows.read_rows(path) == [{"epoch": "1", "loss": "2.0"}, {"epoch": "2", "loss": "1.0"}]


def test_random_draws_depend_on_their_purpose_alone():
    draw = rng(0, "record", "episode", 0, 5).random(4)
    rng(0, "record", "episode", 0, 4).random(100)
    assert (rng(0, "record", "episode", 0, 5).random(4) == draw).all()
    seed, stage = (1, "record", "episode", 5), (0, "encode", "episode", 5)
    purpose, index = (0, "record", "policy", 5), (0, "record", "episode", 6)
    for other in (seed, stage, purpose, index):
        assert (rng(*other[:3], 0, other[3]).random(4) != draw).any()


@pytest.mark.parametrize(("minutes", "kept"), [(5, False), (11, True)])
def test_output_that_took_over_ten_minutes_is_kept_when_it_is_replaced(
    experiment, tmp_path, capsys, minutes, kept
):
    opened(experiment, "vision", finish=True)
    path = tmp_path / "run/0"
    facts = files.read_json(path / "stages/vision.json")
    files.write_json(path / "stages/vision.json", facts | {"ended": facts["began"] + 60 * minutes})
    (path / "vision.keras").write_text("old")
    (path / "replaced/vision-1").mkdir(parents=True)  # of an earlier time
    opened(dataclasses.replace(experiment, force=True), "vision", finish=True)
    assert not (path / "vision.keras").exists()
    assert (path / "replaced/vision-1").exists() is not kept
    there = [str(p.relative_to(path)) for p in path.glob("replaced/vision-2*/**/*") if p.is_file()]
    assert (
        len(there) == (2 if kept else 0)
        and ("replaced/vision-2" in capsys.readouterr().out) is kept
    )
    if kept:
        (old,) = path.glob("replaced/vision-2*/vision.keras")
        assert old.read_text() == "old" and (old.parent / "stages/vision.json").exists()
