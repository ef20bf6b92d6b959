"""docs/add-your-own.md, followed literally in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs/add-your-own.md").read_text()
BLOCK = re.compile(r"(?:^\*\*`([^`]+)`\*\*[^\n]*\n\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
# What each section may touch. A game: one file of games/, one folder of envs/, a launch script, and
# a line of each registry.
TOUCHED = {
    "# Add your own": {"corridor.py"},
    "A game": {
        "WorldModels/experiment/games/dot.py",
        "WorldModels/envs/dot/__init__.py",
        "WorldModels/envs/dot/game.py",
        "launch_scripts/dot.bash",
        "WorldModels/experiment/games/registry.py",
        "WorldModels/envs/make.py",
        "WorldModels/__init__.py",
    },
    "A kind of memory": {
        "WorldModels/memory/averaging.py",
        "WorldModels/memory/kinds.py",
        "WorldModels/experiment/settings/memory.py",
    },
    "A figure": {"WorldModels/figures/actions.py", "WorldModels/figures/checklist.py"},
}
LINES = {  # lines added to each existing file
    "WorldModels/experiment/games/registry.py": 1,
    "WorldModels/envs/make.py": 1,
    "WorldModels/__init__.py": 1,
    "WorldModels/memory/kinds.py": 1,
    "WorldModels/experiment/settings/memory.py": 5,
    "WorldModels/figures/checklist.py": 1,
}


@dataclass(frozen=True)
class Block:
    """A fenced block of the page: the text of a file if one is named, else something to run."""

    section: str
    file: str
    language: str
    text: str


def blocks():
    """The page's blocks, in order."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.M):
        title = section.split("\n", 1)[0]
        found += [Block(title, file, *rest) for file, *rest in BLOCK.findall(section)]
    return found


def changed(text, diff):
    """A file's text with a diff applied; each place must occur exactly once."""
    for hunk in diff.strip("\n").split("\n\n"):
        lines = hunk.split("\n")
        assert {line[0] for line in lines} <= set(" -+"), hunk
        old, new = (
            "".join(line[1:] + "\n" for line in lines if line[0] in signs) for signs in (" -", " +")
        )
        assert f"\n{text}".count(f"\n{old}") == 1, f"expected these lines once:\n{old}"
        text = f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
    return text


def write(folder, block):
    path = folder / block.file
    if block.language == "diff":
        path.write_text(changed(path.read_text(), block.text))
    else:
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package, with everything on the page added."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("WorldModels", "launch_scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    # The environment is already set up, and setup must not point it at the copy.
    (folder / "launch_scripts/setup.bash").write_text("exit 0\n")
    for block in blocks():
        if block.file:
            write(folder, block)
    return folder


def test_each_section_touches_its_files_and_no_other():
    touched = {title: set() for title in TOUCHED}
    for block in blocks():
        if block.file:
            touched[block.section].add(block.file)
    assert touched == TOUCHED


def test_files_that_were_there_get_only_a_few_lines():
    added = {
        block.file: sum(line.startswith("+") for line in block.text.splitlines())
        for block in blocks()
        if block.language == "diff"
    }
    assert added == LINES


def test_what_the_page_adds_keeps_the_rules_of_format(copy):
    own = [block.file for block in blocks() if "/" in block.file]  # not the user's own module
    files = [file for file in own if file.endswith(".py")]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *files],
            cwd=copy,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def run(folder, block):
    """Run a block as a reader would, in the copy."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WORLDMODELS_VENV": sys.prefix,
    }
    command = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    return subprocess.run(
        [*command[block.language], block.text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_page_works_from_its_first_command_to_its_last(copy):
    for block in blocks():
        if not block.file:
            done = run(copy, block)
            assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    results = copy / "results"
    assert len(list((results / "LunarLander-smoke/0/episodes").glob("*.npz"))) == 6
    assert (results / "Corridor-smoke/0/evaluation.json").exists()
    for name in ("evaluation.json", "real.mp4", "reconstructed.gif"):
        assert (results / "dot-smoke/0" / name).exists(), name
    assert (results / "dot-averaging/0/memory.keras").exists()
    assert (results / "dot-averaging/0/perception.onnx").exists()
    assert (results / "actions.png").stat().st_size > 1000
