"""One process at a time writes into a run's folder, on disks with file locks and without them."""

import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest

from WorldModels.experiment import files, lock
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import atomic, host, process_began
from WorldModels.experiment.lock import OWNER, UNSIGNED, Lock


def refusing(monkeypatch, number):
    """Have flock answer as a disk that refuses it does."""

    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def without_flock(monkeypatch):
    refusing(monkeypatch, errno.ENOSYS)


def taken(folder, holder="record"):
    """The text of .lock-owner while the folder is locked; None if there is no such file."""
    held = Lock(folder, holder)
    try:
        return lock._read(folder / OWNER)
    finally:
        held.release()


def ended_process():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def signed(folder, name, process, began, holder="encode"):
    (folder / OWNER).write_text(f"{name} {process} {began} {holder}")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_verb_goes_on_with_a_warning_where_a_disk_has_no_locks(
    tmp_path, monkeypatch, capsys, number
):
    refusing(monkeypatch, number)
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path)]
    signatures = []
    for _ in range(2):  # the first leaves nothing that stops the second
        run_verb("record", lambda run: signatures.append((tmp_path / OWNER).read_text()), argv)
    printed = capsys.readouterr()
    assert printed.out.count("has no file locks") == 2 and printed.err == ""
    assert "has no file locks" in (tmp_path / "log.txt").read_text()
    process = os.getpid()
    assert set(signatures) == {f"{host()} {process} {process_began(process)} record"}
    assert not (tmp_path / OWNER).exists()


def test_where_a_disk_has_locks_there_is_no_second_file_and_no_warning(tmp_path, capsys):
    argv = ["carracing", "--scale", "smoke", "--results", str(tmp_path)]
    there = []
    run_verb("record", lambda run: there.append((tmp_path / OWNER).exists()), argv)
    assert there == [False] and "locks" not in capsys.readouterr().out


def test_a_second_process_is_refused_by_name(tmp_path, without_flock):
    held = Lock(tmp_path, "record")
    with pytest.raises(ValueError, match=f"in use by record .process {os.getpid()} on {host()}"):
        Lock(tmp_path, "encode")
    assert "record" in (tmp_path / OWNER).read_text()
    held.release()
    assert "encode" in taken(tmp_path, "encode")
    held.release()  # a second time: without effect


def test_a_running_process_of_this_host_keeps_its_lock(tmp_path, without_flock):
    signed(tmp_path, host(), os.getppid(), process_began(os.getppid()))
    with pytest.raises(ValueError, match=f"in use by encode .process {os.getppid()} on"):
        taken(tmp_path)
    assert "encode" in (tmp_path / OWNER).read_text()


@pytest.mark.parametrize("reused", [False, True])
def test_the_lock_of_a_process_that_has_ended_is_taken_over(tmp_path, without_flock, reused):
    """Even if another process has its number by now."""
    process = os.getppid() if reused else ended_process()
    signed(tmp_path, host(), process, 1)
    assert taken(tmp_path).endswith(" record")
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_another_host_s_lock_is_left_and_the_line_says_what_to_remove(tmp_path, without_flock):
    signed(tmp_path, "node_7", ended_process(), 1)
    with pytest.raises(ValueError) as refused:
        taken(tmp_path)
    for words in ("in use by encode", "on node_7", f"If it has ended, remove {tmp_path / OWNER}"):
        assert words in str(refused.value)
    assert (tmp_path / OWNER).exists()


def test_a_host_whose_disk_has_locks_heeds_one_whose_disk_has_none(tmp_path):
    signed(tmp_path, "node_7", 1, 1)
    with pytest.raises(ValueError, match="in use by encode"):
        taken(tmp_path)
    signed(tmp_path, host(), ended_process(), 1)
    assert taken(tmp_path) is None


def test_a_lock_that_another_process_takes_over_first_is_left_to_it(
    tmp_path, without_flock, monkeypatch
):
    """Both have judged the same file; the other one has replaced it since."""
    signed(tmp_path, host(), ended_process(), 1)
    left = lock._left

    def judged(owner, signature):
        answer = left(owner, signature)
        if answer:
            signed(tmp_path, host(), os.getppid(), process_began(os.getppid()), "evaluate")
        return answer

    monkeypatch.setattr(lock, "_left", judged)
    with pytest.raises(ValueError, match="in use by evaluate"):
        taken(tmp_path)
    assert (tmp_path / OWNER).read_text().endswith("evaluate")
    assert {path.name for path in tmp_path.iterdir()} == {".lock", OWNER}


def test_a_lock_file_without_a_name_was_left_by_a_killed_process_after_a_while(
    tmp_path, without_flock
):
    (tmp_path / OWNER).touch()
    with pytest.raises(ValueError, match="a process that has just taken it"):
        taken(tmp_path)
    before = time.time() - UNSIGNED - 1
    os.utime(tmp_path / OWNER, (before, before))
    assert taken(tmp_path).endswith(" record")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_fault_of_the_disk_is_told_as_what_it_is(tmp_path, monkeypatch, capsys, number):
    refusing(monkeypatch, number)
    with pytest.raises(SystemExit) as stop:
        run_verb("record", lambda run: None, ["carracing", "--results", str(tmp_path)])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and os.strerror(number) in message and "in use" not in message


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_files_are_complete_on_a_disk_that_cannot_flush_a_folder(tmp_path, monkeypatch, number):
    fsync, refused = os.fsync, []

    def of_files_only(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            refused.append(descriptor)
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", of_files_only)
    with atomic(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole" and refused
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "")))
    with pytest.raises(OSError), atomic(tmp_path / "other") as temporary:
        temporary.write_text("lost")
    assert not (tmp_path / "other").exists()
