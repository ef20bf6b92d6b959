"""The commands in README and docs/.

All of them parse, and those not marked `not run` run at smoke scale, in the order of their page.
"""

import importlib
import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT, SIX, run_verb_process

from WorldModels import __main__ as listing
from WorldModels.experiment.command import parse
from WorldModels.experiment.settings.experiment import Experiment

README = ROOT / "README.md"
TRIALS = ROOT / "docs/trials.md"  # its commands belong to earlier commits
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [README, *sorted({*ROOT.glob("docs/*.md")} - {TRIALS})]
}
FOLLOWED = "docs/add-your-own.md"  # test_add_your_own follows this page in a copy of the package
ELSEWHERE = "docs/exports.md"  # test_exports runs its programs
NAMES = {
    "carracing": "carracing",
    "wm_doom": "takecover",
    "temperatures": "takecover",
    "gymnasium": "gymnasium",
}
SETUP = {"--cpu", "--gpu", "--doom"}  # the flags of setup.bash
STAND_INS = {"D": "folder", "E": "3", "K": "4", "N": "5"}  # for the letters in the tables
BY_FIXTURE = {  # already run by fixtures or, with other flags, by test_trial and test_benchmark
    "python -m WorldModels.estimate carracing",
    "python -m WorldModels.benchmark --quick --only perception",
    "python -m WorldModels.estimate carracing --scale paper --controller.generations 300",
    "bash launch_scripts/carracing.bash",
    "bash launch_scripts/wm_doom.bash",
}
RAN = set()  # a command that is on several pages runs once


@dataclass(frozen=True)
class Command:
    """A line to type, without its comment."""

    page: str
    text: str
    runs: bool

    @property
    def words(self):
        return shlex.split(self.text)


def fenced(page, language):
    """The blocks in a language on a page, except those that hold a file."""
    block = rf"^([^\n]*)\n\n```{language}\n(.*?)^```$"
    found = re.finditer(block, PAGES[page].read_text(), re.M | re.S)
    return [match[2] for match in found if not match[1].startswith("**`")]


def typed(page):
    """The commands of a page's bash blocks."""
    lines = "".join(fenced(page, "bash")).replace("\\\n", " ").splitlines()
    for line in filter(None, lines):
        text, _, comment = line.partition(" #")
        yield Command(page, " ".join(text.split()), "not run" not in comment)


def inline(page):
    """The commands in a page's sentences and tables, which are parsed but not run."""
    text = re.sub(r"^```.*?^```$", "", PAGES[page].read_text(), flags=re.M | re.S)
    shape = rf"`((?:python -m WorldModels\.|bash launch_scripts/|(?:{'|'.join(SIX)}) --)[^`]*)`"
    for found in re.findall(shape, text):
        verb = "" if found.startswith(("python", "bash")) else "python -m WorldModels."
        yield Command(page, verb + " ".join(found.split()), False)


OF_BLOCKS = [command for page in PAGES if page != FOLLOWED for command in typed(page)]
COMMANDS = OF_BLOCKS + [command for page in PAGES for command in inline(page)]
OURS = [c for c in COMMANDS if c.text.startswith(("python -m WorldModels", "bash launch_scripts/"))]
RUNNING = [page for page in PAGES if any(c.runs for c in OF_BLOCKS if c.page == page)]


def settings_of(verb):
    """The settings class that a verb parses: its own class if it has flags of its own."""
    module = importlib.import_module(f"WorldModels.{verb}")
    found = [each for each in vars(module).values() if isinstance(each, type)]
    own = [each for each in found if issubclass(each, Experiment) and each is not Experiment]
    return own[0] if own else Experiment


def check_verb(verb, flags):
    """Parse a verb's flags as the verb does."""
    assert verb in listing.VERBS
    if verb == "benchmark":
        import tyro

        from WorldModels.benchmark import Settings

        return tyro.cli(Settings, args=flags)
    if not flags or flags[0].startswith("-"):
        flags = ["carracing", *flags]
    return parse(verb, [STAND_INS.get(flag, flag) for flag in flags], "", settings_of(verb))


def check_script(script, flags):
    """Check that a launch script exists and takes these flags."""
    assert (ROOT / "launch_scripts" / f"{script}.bash").exists()
    if script == "setup":
        assert set(flags) <= SETUP
    elif script in NAMES:
        verb = "temperatures" if script == "temperatures" else "record"
        check_verb(verb, [NAMES[script], *flags])


def test_the_pages_have_commands():
    assert len(OURS) > 40 and any("launch_scripts" in command.text for command in OURS)
    assert sum(command.runs for command in OURS) >= 20


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    """Work in a folder with the runs that --reuse names, which have a config.json and no stages."""
    for name, scale in (("carracing", "laptop"), ("carracing-smoke", "smoke")):
        (tmp_path / "results" / name).mkdir(parents=True)
        memo = {"name": "carracing", "scale": scale, "typed": {}}
        (tmp_path / "results" / name / "config.json").write_text(json.dumps(memo))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "text",
    sorted({command.text for command in OURS}),
    ids=lambda text: text.split("WorldModels.")[-1],
)
def test_every_flag_of_a_command_is_known(text, two_runs):
    program, first, *rest = shlex.split(text)
    if program == "bash":
        check_script(Path(first).stem, rest)
    elif rest[0] != "WorldModels":
        verb, flags = rest[0].removeprefix("WorldModels."), rest[1:]
        if "--help" in flags:
            with pytest.raises(SystemExit) as end:
                check_verb(verb, flags)
            assert end.value.code == 0
        else:
            check_verb(verb, flags)


def test_what_is_not_ours_is_marked_as_not_run():
    assert [command.text for command in OF_BLOCKS if command.runs and command not in OURS] == []


def test_readme_is_short_and_leads_to_every_page():
    text = README.read_text()
    assert len(text.splitlines()) <= 200
    for page in PAGES:
        assert page == "README.md" or f"]({page})" in text, page


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    text = PAGES[page].read_text()
    new = set(re.findall(r"^\*\*`([^`]+)`\*\* \(new\)", text, re.M))
    for name in re.findall(r"`((?:WorldModels|tests|launch_scripts|docs|docker)/[\w/.-]+)`", text):
        environment = re.search(r"-v\d+$", name)  # WorldModels/DreamCarRacing-v0
        assert environment or name in new or (ROOT / name).exists(), name
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (PAGES[page].parent / name).exists(), name


def at_smoke_scale(flags):
    """A verb's flags, with --scale smoke unless the run remembers a scale.

    A command that gives another scale gets a results folder of its own if it names none.
    """
    if "--scale" in flags:
        place = flags.index("--scale") + 1
        own = ["--results", f"results/{flags[place]}"] if "--results" not in flags else []
        return [*flags[:place], "smoke", *flags[place + 1 :], *own]
    folder = flags[flags.index("--results") + 1] if "--results" in flags else ""
    known = folder and Path(folder, "config.json").exists()
    return flags if known else [*flags, "--scale", "smoke"]


def run_as_typed(command):
    """Run a command of a page in the current folder, at smoke scale."""
    name, *flags = command.words[2:]
    if name == "WorldModels":
        return listing.main(flags)
    main = importlib.import_module(name).main
    if "--help" in flags:
        with pytest.raises(SystemExit, match="^0$"):
            main(flags)
    else:
        main(flags if name.endswith("benchmark") else at_smoke_scale(flags))


@pytest.fixture(scope="module")
def desk(smoke_run, tmp_path_factory):
    """A working folder, with a finished smoke-scale run where the commands expect it."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(smoke_run, folder / "results/carracing-smoke")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING)
def test_the_commands_of_a_page_run_in_their_order(page, desk, monkeypatch, request):
    monkeypatch.chdir(desk)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the processes that a verb starts
    for command in OF_BLOCKS:
        if command.page != page or not command.runs or command.text in RAN:
            continue
        RAN.add(command.text)
        if command.text in BY_FIXTURE:
            request.getfixturevalue("doom_run" if "doom" in command.text else "smoke_run")
        else:
            run_as_typed(command)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in (FOLLOWED, ELSEWHERE)])
def test_the_programs_of_a_page_run(page, desk, monkeypatch):
    monkeypatch.chdir(desk)
    for program in fenced(page, "python"):
        names = {}
        exec(program, names)
        names["env"].reset(seed=0)
        names["env"].step(names["env"].action_space.sample())
        assert names["env"].render().shape == (64, 64, 3)
        names["env"].close()


@pytest.mark.slow
def test_a_trained_controller_records_the_next_iteration(smoke_run, tmp_path):
    import numpy as np

    (tmp_path / "run").mkdir()
    (tmp_path / "run/0").symlink_to(smoke_run / "0")
    done = run_verb_process(
        "record",
        tmp_path / "run",
        "--iteration",
        "1",
        "--record.policies",
        "controller:0.5,held:0.5",
        "--controller.generation",
        "1",
    )
    assert done.returncode == 0, done.stderr
    drivers = {str(np.load(path)["policy"]) for path in (tmp_path / "run/1/episodes").glob("*.npz")}
    assert drivers == {"controller", "held"}
