"""What only Linux has is taken away: macOS has no /proc, no prctl and no sha256sum; and Windows."""

import math
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from conftest import PATIENCE, ROOT

from WorldModels.__main__ import VERBS
from WorldModels.assembly.speed.workers import private_memory
from WorldModels.envs import sessions
from WorldModels.envs.takecover import engine
from WorldModels.experiment.command import run_verb
from WorldModels.experiment.files import TEMPORARY, atomic, ended, host, process_began
from WorldModels.experiment.machine import cores, cpu_has_bfloat16, cpu_quota
from WorldModels.experiment.sweep import sweep


@pytest.fixture
def without_proc(monkeypatch):
    """No file under /proc can be read."""
    read_text = Path.read_text

    def elsewhere(path, *arguments, **how):
        if path.parts[:2] == ("/", "proc"):
            raise FileNotFoundError(path)
        return read_text(path, *arguments, **how)

    monkeypatch.setattr(Path, "read_text", elsewhere)


def test_without_proc_a_process_is_known_by_its_number(tmp_path, without_proc):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert process_began(os.getpid()) == 0
    assert not ended(os.getppid(), 0) and ended(gone.pid, 0)
    left = tmp_path / f"{TEMPORARY}{host()}-{gone.pid}.0-vision.keras"
    left.touch()
    with atomic(tmp_path / "file") as half:
        half.write_text("half")
        sweep(tmp_path)
        assert half.exists() and not left.exists()


def test_without_proc_nothing_is_assumed_of_the_processor(tmp_path, without_proc, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count() and cpu_quota() == float("inf")
    assert cpu_has_bfloat16() is False
    assert math.isnan(private_memory())


def test_memory_is_returned_only_where_the_c_library_can(monkeypatch):
    """glibc has a function for it; the C library of macOS has none."""
    called = []
    for functions in ({"malloc_trim": called.append}, {}):
        monkeypatch.setattr("ctypes.CDLL", lambda _, has=functions: types.SimpleNamespace(**has))
        sessions._return_freed_memory()
    assert called == [0]


PARENT = """
import subprocess, sys
child = '''
import os, sys, time, types
from WorldModels.control import worker
worker.ctypes = None  # and with it prctl
worker.sys = types.SimpleNamespace(platform="darwin")
worker.die_with(os.getppid())
print(os.getpid(), flush=True)
time.sleep(600)
'''
subprocess.run([sys.executable, "-c", child])
"""


def test_without_prctl_a_worker_still_ends_with_its_parent():
    """Even in the middle of a task, when it does not read its pipe."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    assert not ended(child, process_began(child))
    began = process_began(child)
    parent.kill()
    parent.wait()
    until = time.monotonic() + PATIENCE
    while not ended(child, began) and time.monotonic() < until:
        time.sleep(0.02)
    assert ended(child, began)


def test_elsewhere_vizdoom_starts_its_engine_itself(monkeypatch):
    monkeypatch.setattr(engine.sys, "platform", "darwin")
    monkeypatch.setattr(engine, "SHARED", "/nowhere")  # macOS keeps shared memory out of sight
    called = []

    class Game:
        def __getattr__(self, name):
            return lambda *arguments: called.append(name)

    engine.start(Game(), "/engine")
    assert called == ["init"]


SUM = "cat > /dev/null && echo '0123abc  -'"


@pytest.fixture
def bare(tmp_path):
    """Runs a launch script where only a few commands are there, as on macOS.

    Its bash is version 3.2, without mapfile; its sums come from shasum. Commands of the virtual
    environment only log their calls.
    """
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    for name in ("bash", "cat", "dirname", "touch"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    command(tmp_path / "bin/shasum", f'[[ "$*" == "-a 256" ]] && {SUM}')
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "launch_scripts", tmp_path / "launch_scripts")
    (tmp_path / "before").write_text("enable -n mapfile readarray\n")
    (tmp_path / "called").touch()

    def launch(script, *flags):
        done = subprocess.run(
            ["bash", f"launch_scripts/{script}.bash", *flags],
            cwd=tmp_path,
            env={
                "PATH": str(tmp_path / "bin"),
                "WORLDMODELS_VENV": str(tmp_path / "venv"),
                "BASH_ENV": str(tmp_path / "before"),
            },
            capture_output=True,
            text=True,
        )
        return done, (tmp_path / "called").read_text().splitlines()

    return launch


def command(path, text):
    """Write a command that runs a line of bash."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def test_the_launch_scripts_need_nothing_that_macos_lacks(tmp_path, bare):
    command(
        tmp_path / "venv/bin/python",
        '[[ "$2" != *.iterations ]] || printf -- "--iteration 0\\n--iteration 1\\n"\n'
        f'echo "$*" >> {tmp_path}/called',
    )
    (tmp_path / "venv/bin/activate").write_text(f'export PATH="{tmp_path}/venv/bin:$PATH"\n')
    done, called = bare("carracing", "--iterations", "2")
    assert done.returncode == 0 and "command not found" not in done.stderr, done.stderr
    runs = [line.split()[1] for line in called if " pip " not in line]
    assert len(runs) == 2 + 2 * 6 and called[-1].endswith("--iterations 2 --iteration 1")
    assert (tmp_path / "venv/.installed").read_text().split()[-2] == "0123abc"
    assert len(bare("setup")[1]) == len(called)  # set up already


@pytest.mark.parametrize("version, there", [("10, 9", 0), ("11, 0", 1), ("13, 9", 1), ("14, 0", 0)])
def test_setup_takes_a_python_for_which_tensorflow_is_made(tmp_path, bare, version, there):
    """Here one that says it has another version, and makes an environment that logs its calls."""
    code = f"import sys; sys.version_info = (3, {version}); exec(sys.argv[1])"
    made = f'mkdir -p "$3/bin"; cp {tmp_path}/noted "$3/bin/python"'
    command(tmp_path / "noted", f'echo "$*" >> {tmp_path}/called')
    command(
        tmp_path / "bin/python3",
        f"PATH={os.defpath}; if [[ $1 == -m ]]; then {made}; else "
        f"exec {sys.executable} -c '{code}' \"$2\"; fi",
    )
    done, called = bare("setup")
    assert len(called) == 2 * there
    assert (done.returncode, "3.13" in done.stderr) == ((0, False) if there else (2, True))


@pytest.mark.parametrize("verb", ["record", "play"])
def test_on_windows_a_verb_names_wsl(monkeypatch, capsys, verb, tmp_path):
    monkeypatch.setattr("WorldModels.experiment.machine.sys.platform", "win32")
    with pytest.raises(SystemExit) as stop:
        run_verb(verb, lambda run: None, ["carracing", "--results", str(tmp_path / "run")])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.count("\n") == 1
    assert message.startswith("error: ") and "Windows" in message and "WSL" in message
    assert not (tmp_path / "run").exists()


def test_on_windows_every_verb_gets_as_far_as_naming_wsl():
    """Its Python has no fcntl, and no masks of signals."""
    code = f"""
import importlib, signal, sys
import multiprocessing, numpy, gymnasium, tyro, tqdm, PIL  # these look for Windows' modules too
sys.modules["fcntl"] = None
del signal.pthread_sigmask
verbs = {{verb: importlib.import_module(f"WorldModels.{{verb}}") for verb in {list(VERBS)}}}
sys.platform = "win32"
for verb, module in verbs.items():
    try:
        module.main(["carracing"])
    except SystemExit as stop:
        assert stop.code == 2, verb
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(VERBS) and all("WSL" in line for line in lines), done.stderr


def test_on_windows_the_launch_scripts_and_the_readme_name_wsl():
    for system in ("msys", "cygwin"):
        done = subprocess.run(
            ["bash", "launch_scripts/setup.bash"],
            cwd=ROOT,
            env=os.environ | {"OSTYPE": system},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2 and "WSL" in done.stderr
    assert "WSL" in (ROOT / "README.md").read_text()
