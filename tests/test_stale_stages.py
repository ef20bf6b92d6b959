"""Each verb, on a finished run of which one input was changed: fresh, made anew, or refused."""

import shutil

import numpy as np
import pytest

from WorldModels import (
    encode,
    evaluate,
    record,
    temperatures,
    train_controller,
    train_memory,
    train_vision,
)
from WorldModels.assembly.models import load_memory, load_vision
from WorldModels.experiment import run as run_module
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.stage import Stage
from WorldModels.experiment.stages import stage_file

VERBS = {
    verb.__name__.split(".")[1]: verb
    for verb in (
        *(record, train_vision, encode, train_memory),
        *(train_controller, temperatures, evaluate),
    )
}
EXPECTED = {
    "nothing": {},
    "an episode, encoded": {"train_memory": "anew"},
    "vision": {"encode": "anew"}
    | dict.fromkeys(("train_memory", "train_controller", "temperatures", "evaluate"), "refused"),
    "memory": dict.fromkeys(("train_controller", "temperatures", "evaluate"), "anew"),
    "driver": {"evaluate": "anew"},
}


class Asked(BaseException):
    """A verb has opened its stage."""


@pytest.fixture(scope="module")
def finished(doom_run, tmp_path_factory):
    """The run of wm_doom.bash with a stage of temperatures, as if that verb had ended."""
    folder = tmp_path_factory.mktemp("stale") / "run"
    shutil.copytree(doom_run, folder)

    class Ended(Stage):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.finish()
            raise Asked

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Asked):
        patch.setattr(run_module, "Stage", Ended)
        temperatures.main(["takecover", "--scale", "smoke", "--results", str(folder)])
    return folder


def state(verb, folder, monkeypatch):
    """Whether a verb finds its stage fresh, makes it anew, or refuses; nothing is made."""

    class Opened(Stage):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            raise Asked("anew" if self.anew else "fresh")

    monkeypatch.setattr(run_module, "Stage", Opened)
    try:
        VERBS[verb].main(["takecover", "--scale", "smoke", "--results", str(folder)])
    except Asked as asked:
        return asked.args[0]
    except SystemExit as refused:
        return {2: "refused"}[refused.code]
    finally:
        monkeypatch.setattr(run_module, "Stage", Stage)


def trusted(zero, stage):
    """Let a changed file pass for one that its own stage has made."""
    file = stage_file(zero, stage)
    write_json(file, {name: value for name, value in read_json(file).items() if name != "sums"})


def change(folder, what):
    """Change one thing in a finished run."""
    zero = folder / "0"
    if what in ("vision", "memory"):
        network = {"vision": load_vision, "memory": load_memory}[what](zero / f"{what}.keras")
        weight = network.trainable_variables[0]
        weight.assign(weight + 0.1)
        network.save(zero / f"{what}.keras")
        trusted(zero, what)
        if what == "memory":
            train_memory.main(["takecover", "--scale", "smoke", "--results", str(folder)])
    elif what == "driver":
        with np.load(zero / "controller/best.npz") as file:
            arrays = dict(file)
        arrays["parameters"] = arrays["parameters"] + 0.1
        np.savez(zero / "controller/best.npz", **arrays)
        trusted(zero, "controller")
    elif what != "nothing":
        shutil.copy(zero / "episodes/000000.npz", zero / "episodes/000099.npz")
        encode.main(["takecover", "--scale", "smoke", "--results", str(folder)])


@pytest.mark.parametrize("what", EXPECTED)
def test_what_is_changed_makes_stale_what_was_made_from_it(
    what, finished, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    change(folder, what)
    found = {verb: state(verb, folder, monkeypatch) for verb in VERBS}
    assert found == dict.fromkeys(VERBS, "fresh") | EXPECTED[what]
    said = "the driver was evolved with another M than there is now" in capsys.readouterr().out
    assert said == (what == "memory"), "evaluate says that its driver is older"
