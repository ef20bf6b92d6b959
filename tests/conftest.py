"""One smoke-scale run of each launch script, shared by all tests that need a run."""

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run_module

# Several processes already share the cores: more threads in each only wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
ROOT = Path(__file__).parent.parent
SIX = ["record", "train_vision", "encode", "train_memory", "train_controller", "evaluate"]


# The slowest files, slowest first; the first two make the runs that all share. If a process began
# such a file last, the others would wait for it.
LONGEST = (
    *("pipeline", "dream_pipeline", "notebooks", "compare", "two_iterations", "vision_laws"),
    *("compare_others", "without_tensorflow", "benchmark", "report", "frame_96"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The slowest files come first, then others with slow tests, then the quick ones.

    A test that needs a run made by a launch script is slow.
    """
    for item in items:
        if {"smoke_launch", "doom_script"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    rank = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (rank.get(item.path.stem, len(rank)), item.path not in slow))
    gc.freeze()  # garbage collection skips what the tests have imported, which stays


# Seconds that a test waits for something certain: processors differ fivefold, and may be busy.
PATIENCE = 600

# With all of XLA's optimizations, compiling on JAX takes ten times as long as a second or two.
JAX_QUICKLY = {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def assert_same(received, expected, what=""):
    """Two float32 results agree to within 1e-4 of the largest value: the order of sums varies."""
    received, expected = np.asarray(received), np.asarray(expected)
    np.testing.assert_allclose(
        received, expected, rtol=0, atol=1e-4 * np.abs(expected).max(initial=0), err_msg=what
    )


def compiled(model, optimizer):
    """Compile a model, and make its optimizer's variables: TensorFlow then traces a step once."""
    model.compile(optimizer)
    optimizer.build(model.trainable_variables)
    return model


def hears_signals():
    """Call it in a child before it starts.

    Children of a background job ignore Ctrl-C, and those of nohup the terminal's end.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def run_verb_process(
    verb, folder, *flags, experiment="carracing", scale="smoke", env=None, **kwargs
):
    """Run a verb as a user types it, at smoke scale or, with scale None, the run's.

    It is forked from a server that has imported TensorFlow; with arguments for subprocess.run it is
    a process of its own.
    """
    scales = ["--scale", scale] if scale else []
    arguments = [experiment, *scales, "--results", str(folder), *flags]
    if not kwargs:
        return run_module(f"WorldModels.{verb}", *arguments, env=env)
    command = [sys.executable, "-m", f"WorldModels.{verb}", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=env or os.environ, **kwargs
    )


def of_a_user():
    """The environment without the log level that JAX sets when a test imports it."""
    return {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def launched(script, tmp_path_factory):
    """The folder that a launch script made at smoke scale, its stdout and its stderr.

    It runs once; each test process has its own copy of the folder.
    """
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made, printed = root / script / "run", root / script / "printed.txt"
    errors = root / script / "errors.txt"
    with open(root / f"{script}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            command = [
                "bash",
                f"launch_scripts/{script}.bash",
                "--scale",
                "smoke",
                "--results",
                str(made),
            ]
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=ROOT, env=of_a_user()
            )
            assert done.returncode == 0, done.stdout + done.stderr
            errors.write_text(done.stderr)
            printed.write_text(done.stdout)
    folder = own / f"{script}-run"
    shutil.copytree(made, folder)
    return folder, printed.read_text().replace(str(made), str(folder)), errors.read_text()


@pytest.fixture(scope="session")
def smoke_launch(tmp_path_factory):
    """`bash launch_scripts/carracing.bash --scale smoke`: its folder, stdout and stderr."""
    return launched("carracing", tmp_path_factory)


@pytest.fixture(scope="session")
def smoke_script(smoke_launch):
    """The folder and the output of that launch."""
    return smoke_launch[:2]


@pytest.fixture(scope="session")
def smoke_run(smoke_script):
    """The folder of a finished smoke-scale run."""
    return smoke_script[0]


@pytest.fixture(scope="session")
def doom_script(tmp_path_factory):
    """The folder and the output of `bash launch_scripts/wm_doom.bash --scale smoke`."""
    return launched("wm_doom", tmp_path_factory)[:2]


@pytest.fixture(scope="session")
def doom_run(doom_script):
    """The folder of a finished smoke-scale run of Take Cover."""
    return doom_script[0]


@pytest.fixture(scope="module")
def beside(smoke_run, tmp_path_factory):
    """A folder for a comparison, with the smoke-scale run in it as links, which are only read."""
    folder = tmp_path_factory.mktemp("compare") / "run"
    folder.mkdir()
    (folder / "0").symlink_to(smoke_run / "0")
    return folder
