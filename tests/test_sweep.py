"""Verbs that write without a lock, while another one sweeps what killed processes left behind."""

import os
import subprocess
import sys
import time

import pytest

from WorldModels.experiment import sweep as module
from WorldModels.experiment.files import TEMPORARY, atomic, host
from WorldModels.experiment.presets import preset
from WorldModels.experiment.run import Run
from WorldModels.experiment.sweep import sweep

WRITE = """
import sys, time
from pathlib import Path
from WorldModels.experiment.files import atomic
with atomic(Path(sys.argv[1])) as temporary:
    if sys.argv[2] == "folder":
        temporary.mkdir()
        (temporary / "part").write_text("half")
    else:
        temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path):
    """Starts a process that has written half of a file or a folder, and waits."""
    begun = []

    def begin(kind):
        command = [sys.executable, "-c", WRITE, str(tmp_path / "run/0" / kind), kind]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        begun.append(process)
        return process, tmp_path / process.stdout.readline().strip()

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ("file", "folder"))
def test_what_another_process_writes_is_left_until_the_process_is_gone(tmp_path, writer, kind):
    process, half = writer(kind)
    for _ in range(2):
        sweep(tmp_path)
        assert half.exists() and half.name.startswith(f"{TEMPORARY}{host()}-{process.pid}.")
    process.kill()
    while half.exists():  # a killed process may be listed for a moment
        sweep(tmp_path)
    process, half = writer(kind)
    process.communicate("go on\n")
    assert process.returncode == 0 and (tmp_path / "run/0" / kind).exists()
    assert [path.name for path in (tmp_path / "run/0").iterdir()] == [kind]


def test_a_verb_that_opens_the_run_sweeps_and_leaves_what_is_being_written(tmp_path, monkeypatch):
    from dataclasses import replace

    experiment = replace(preset("carracing", "smoke"), results=str(tmp_path / "run"))
    gone = tmp_path / "run/0/series" / f"{TEMPORARY}{host()}-{os.getpid()}.1-000000.npz"
    gone.parent.mkdir(parents=True)
    gone.write_text("half")
    with atomic(tmp_path / "run/0/report.html") as half:
        half.write_text("half")
        Run(experiment, "record").close()
        assert half.exists() and not gone.exists()
    assert (tmp_path / "run/0/report.html").read_text() == "half"


@pytest.mark.parametrize("name", (f"{TEMPORARY}elsewhere-1.5-vision.keras", f"{TEMPORARY}12-old"))
def test_another_host_s_are_removed_after_a_day(tmp_path, name):
    half = tmp_path / name
    half.mkdir()
    (half / "part").write_text("half")
    day_before = time.time() - module.ABANDONED - 60
    os.utime(half, (day_before, day_before))
    sweep(tmp_path)
    assert half.exists()  # a file in it was written just now
    os.utime(half / "part", (day_before, day_before))
    sweep(tmp_path)
    assert not half.exists()


def test_a_host_s_name_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "node-7-1.a-cluster/3")
    with atomic(tmp_path / "a-1.2-file") as half:
        half.write_text("half")
        sweep(tmp_path)
        assert half.exists() and half.parent == tmp_path
        monkeypatch.setattr("os.kill", lambda *_: (_ for _ in ()).throw(ProcessLookupError))
        sweep(tmp_path)
        assert not half.exists()
        half.write_text("half")


def test_folders_that_vanish_meanwhile_do_not_matter(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").mkdir()
    walk = os.walk

    def vanishing(folder):
        for place, folders, files in walk(folder):
            if place == str(tmp_path / "a"):
                (tmp_path / "a/b").rmdir()
            yield place, folders, files

    monkeypatch.setattr(module.os, "walk", vanishing)
    sweep(tmp_path)
