"""A verb forked from a server behaves like one in its own process; TensorFlow prints nothing."""

import os
import subprocess
import sys

import pytest
from commands import run_module
from conftest import ROOT, of_a_user

from WorldModels.experiment import quiet


@pytest.mark.parametrize("arguments", [["nosuchverb"], ["record", "--scale"], []])
def test_a_forked_verb_prints_and_ends_like_a_process_of_its_own(arguments):
    forked = run_module("WorldModels", *arguments)
    command = [sys.executable, "-m", "WorldModels", *arguments]
    own = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        own.returncode,
        own.stdout,
        own.stderr,
    )


SPAWNS = """
import multiprocessing, os, sys
def work(pipe):
    pipe.send((__name__, os.getcwd(), os.environ["MARK"], "tensorflow" in sys.modules))
if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work, args=(theirs,))
    process.start()
    print(*ours.recv(), "tensorflow" in sys.modules, sys.argv[1:])
    process.join()
    sys.exit(7)
"""


def test_it_has_its_own_environment_folder_and_workers(tmp_path):
    (tmp_path / "spawns.py").write_text(SPAWNS)
    done = run_module("spawns", "a b", env={**os.environ, "MARK": "here"}, cwd=tmp_path)
    said = f"__mp_main__ {tmp_path} here False True ['a b']\n"
    assert (done.returncode, done.stdout) == (7, said), done.stderr


def test_an_exception_is_a_traceback_and_status_1(tmp_path):
    (tmp_path / "fails.py").write_text("raise KeyError('lost')")
    done = run_module("fails", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.endswith("KeyError: 'lost'\n")


def test_a_note_of_tensorflow_is_left_out_and_a_warning_is_passed_on(capfd):
    notes = b"WARNING: All log messages before absl::InitializeLog() is called\nI0000 00:00 on\n"

    def imports(module):
        os.write(2, notes + b"W0000 00:00 old driver\n")
        raise ImportError("no such driver")

    with pytest.raises(ImportError, match="no such driver"):
        quiet._QuietImport().execute(imports, None)
    assert capfd.readouterr().err == "W0000 00:00 old driver\n"


@pytest.mark.slow
def test_importing_keras_prints_nothing():
    code = (
        "from WorldModels.experiment.quiet import quiet_tensorflow; quiet_tensorflow(); "
        "import keras; keras.ops.zeros(1)"
    )
    how = {"capture_output": True, "text": True, "cwd": ROOT, "env": of_a_user()}
    done = subprocess.run([sys.executable, "-c", code], **how)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
