"""A run that somebody sends cannot run code: hostile pickles, and a Lambda in a .keras file."""

import ast
import copyreg
import importlib
import json
import operator
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from WorldModels.control.evolution import OPTIMIZERS
from WorldModels.control.generations import Progress
from WorldModels.control.search_names import CALLS, MADE, REFERRED
from WorldModels.control.search_state import load_state
from WorldModels.control.strategies.cmaes import CMAES
from WorldModels.experiment.command import parse
from WorldModels.experiment.presets import preset
from WorldModels.experiment.rows import append_row
from WorldModels.experiment.run import Run
from WorldModels.experiment.stored import stored_experiment

PACKAGE = ROOT / "WorldModels"


class Calls:
    """Pickles as a call of a function, perhaps with a state to set afterwards."""

    def __init__(self, function, *arguments, state=None):
        self.how = function, arguments, state

    def __reduce__(self):
        return self.how


def search(size=3, population=4, **more):
    return CMAES(size, population, 0.1, np.random.default_rng(0), **more)


def within(attribute, value):
    """A genuine search in which one attribute is replaced."""
    hidden = search()
    vars(hidden)[attribute] = value
    return hidden, Progress()


def raw(*steps):
    """A pickle of protocol 4 put together by hand."""
    return pickle.PROTO + b"\x04" + b"".join(steps) + pickle.STOP


def name(module, what):
    return b"c" + module.encode() + b"\n" + what.encode() + b"\n"


def text(word):
    return pickle.BINUNICODE + len(word.encode()).to_bytes(4, "little") + word.encode()


def hostile(marker):
    """Name -> a pickle that would create the file `marker`, or call what it must not."""
    command = f"touch {marker}"
    spawn = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    import cma
    from numpy.random._pickle import __bit_generator_ctor, __generator_ctor

    objects = {
        "os.system": Calls(os.system, command),
        "eval": Calls(eval, spawn),
        "exec": Calls(exec, spawn),
        "import": Calls(__import__, "this"),
        "getattr": Calls(getattr, Progress, "__init__"),
        "attrgetter": Calls(operator.attrgetter, "__init__.__globals__"),
        "methodcaller": Calls(operator.methodcaller, "tell", [1.0]),
        "reconstructor": Calls(copyreg._reconstructor, Progress, object, None),
        "open": Calls(open, str(marker), "w"),
        "numpy.load": Calls(np.load, str(marker)),
        "numpy.save": Calls(np.savetxt, str(marker), (1.0,)),
        "numpy.memmap": Calls(np.memmap, str(marker), "uint8", "w+", 0, (8,)),
        "an array of objects": np.array([search(), None], dtype=object),
        "pycma runs options": Calls(cma.CMAEvolutionStrategy, [0, 0], 1, {"popsize": spawn}),
        "pycma's logger": Calls(cma.CMADataLogger, str(marker)),
        "a strategy is called": Calls(CMAES, 3, 4, 0.1, np.random.default_rng(0)),
        "a generator's constructor": Calls(__generator_ctor, "x", cma.CMAOptions),
        "a bit generator of another kind": Calls(__bit_generator_ctor, cma.CMAOptions),
        "dtype of objects": np.dtype("O"),
        "dtype of fields": np.dtype([("a", "f8")]),
        "a flag of a dtype": Calls(
            np.dtype, "f8", False, True, state=(3, "<", None, None, None, -1, -1, 63)
        ),
        "the one dtype of all": Calls(
            np.dtype, "f8", False, False, state=(3, ">", None, None, None, -1, -1, 0)
        ),
        "deep inside a search": within("note", Calls(os.system, command)),
        "a hidden method": within("tell", 1),
        "a hidden special method": within("__setstate__", CMAES),
        "a state alone": (search(),),
        "a Progress alone": Progress(),
        "the wrong order": (Progress(), search()),
        "a dict": {"evolution": search()},
    }
    found = {each: pickle.dumps(what, protocol=5) for each, what in objects.items()}
    found |= {
        f"{each}, protocol 0": pickle.dumps(objects[each], 0) for each in ("os.system", "eval")
    }
    call = text(command) + pickle.TUPLE1 + pickle.REDUCE
    progress = name("WorldModels.control.generations", "Progress")
    return found | {
        "a dotted name": raw(
            *(text("WorldModels.control.generations"), text("Progress.__init__.__globals__")),
            pickle.STACK_GLOBAL,
        ),
        "a module through ours": raw(
            *(text("WorldModels.control.generations"), text("time.sys.modules")),
            pickle.STACK_GLOBAL,
        ),
        "an import of ours": raw(name("WorldModels.control.generations", "pickle")),
        "copyreg's own way": raw(
            *(name("copyreg", "__newobj__"), progress, pickle.TUPLE1, pickle.REDUCE)
        ),
        "INST": raw(pickle.MARK, text(command), b"ios\nsystem\n"),
        "OBJ": raw(pickle.MARK, name("os", "system"), text(command), pickle.OBJ),
        "NEWOBJ_EX": raw(progress, b")}", pickle.NEWOBJ_EX),
        "a persistent id": raw(b"Pmarker\n"),
        "an extension": raw(pickle.EXT1, b"\x01"),
        "a call of a class": raw(progress, call),
        "a call of what is only referred to": raw(name("numpy.linalg", "eigh"), call),
        "a state for a class": raw(progress, b"}", text("generation"), b"K\x01s", pickle.BUILD),
        "append of an object's own": raw(
            *(progress, b")", pickle.NEWOBJ, b"}", text("append"), name("os", "system"), b"s"),
            *(pickle.BUILD, text(command), pickle.APPEND),
        ),
        "append of an admitted class": raw(
            *(progress, b")", pickle.NEWOBJ, b"}", text("append")),
            *(name("cma.options_parameters", "CMAOptions"), b"s", pickle.BUILD),
            *(text(command), pickle.APPEND),
        ),
        "add of an admitted class": raw(
            *(progress, b")", pickle.NEWOBJ, b"}", text("add")),
            *(name("cma.options_parameters", "CMAOptions"), b"s", pickle.BUILD),
            *(pickle.MARK, text(command), pickle.ADDITEMS),
        ),
        "nothing": b"",
        "half a search": pickle.dumps((search(), Progress()), protocol=5)[:-40],
    }


HOSTILE = sorted(hostile(Path("marker")))


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_state_is_refused_in_one_line_and_does_nothing(case, tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "state.pkl").write_bytes(hostile(marker)[case])
    with pytest.raises(ValueError, match="state.pkl: expected the state of an evolution") as error:
        load_state(tmp_path)
    assert not marker.exists()
    assert "--force" in str(error.value) and "\n" not in str(error.value)


def test_what_a_refused_state_named_is_named():
    """The line says what the file asked for."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "state.pkl").write_bytes(pickle.dumps(Calls(os.system, "true")))
        with pytest.raises(ValueError, match=rf"{os.system.__module__}\.system"):
            load_state(Path(folder))


# Among them every class of pycma's that a search may hold: another kind of step size above a
# thousand parameters, another table of solutions for large populations.
SEARCHES = [
    *((kind, 20, 8, generations, {}) for kind in OPTIMIZERS for generations in (0, 1, 12)),
    ("cma", 1, 4, 3, {}),
    ("cma", 200, 64, 3, {}),
    ("cma", 1200, 4, 2, {}),
]


@pytest.mark.parametrize("kind, size, population, generations, more", SEARCHES, ids=str)
def test_every_strategy_loads_and_continues_bit_for_bit(
    kind, size, population, generations, more, tmp_path
):
    evolution = OPTIMIZERS[kind](size, population, 0.1, np.random.default_rng(1), **more)
    for k in range(generations):
        evolution.anneal(k / 12, 0.4, 0.03)
        evolution.tell(-((evolution.ask() - 1) ** 2).sum(1))
    for _ in range(2):
        content = pickle.dumps((evolution, Progress(generations, best=1.5)), protocol=5)
        (tmp_path / "state.pkl").write_bytes(content)
        loaded, progress = load_state(tmp_path)
        assert progress == Progress(generations, best=1.5) and type(loaded) is type(evolution)
        asked = loaded.ask()
        np.testing.assert_array_equal(asked, evolution.ask())
        for each in (loaded, evolution):
            each.tell(-((asked - 1) ** 2).sum(1))
        np.testing.assert_array_equal(loaded.mean, evolution.mean)


def test_every_name_that_is_admitted_exists():
    for module, name in MADE | REFERRED | CALLS.keys():
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_a_lambda_in_a_keras_file_is_refused(tmp_path):
    """Keras' safe mode stays on."""
    import keras

    from WorldModels.assembly.models import load_memory, load_vision
    from WorldModels.assembly.weights import take_weights

    marker = tmp_path / "marker"
    layer = keras.layers.Lambda(lambda x, path=str(marker): (open(path, "w"), x)[1])
    model = keras.Sequential([keras.Input((2,)), layer])
    model.save(tmp_path / "vision.keras")
    marker.unlink(missing_ok=True)
    for load in (load_vision, load_memory, lambda file: take_weights(model, file)):
        with pytest.raises(ValueError, match="(?i)lambda"):
            load(tmp_path / "vision.keras")
    assert not marker.exists()


def with_layer(file, layer):
    """A .keras file whose only layer has this configuration."""
    import keras

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][-1] = layer
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


def test_what_is_neither_keras_nor_ours_is_not_called_from_a_keras_file(tmp_path):
    from WorldModels.assembly.models import load_memory

    marker = tmp_path / "marker"
    command = {"command": f"touch {marker}"}
    (tmp_path / "payload.py").write_text(f"open({str(marker)!r}, 'w')")
    activation = {"class_name": "function", "config": "system", "module": "os"}
    dense = {"units": 2, "activation": activation}
    for layer in (
        {"module": "os", "class_name": "system", "config": command, "registered_name": "system"},
        {"module": "posix", "class_name": "system", "config": command, "registered_name": None},
        {"module": "payload", "class_name": "X", "config": {}, "registered_name": "X"},
        {"module": "keras.layers", "class_name": "Dense", "config": dense, "registered_name": None},
        {
            "module": "keras.utils",
            "class_name": "get_file",
            "config": {"origin": f"file://{tmp_path}/payload.py", "fname": str(marker)},
            "registered_name": "get_file",
        },
    ):
        with pytest.raises((ValueError, TypeError)):
            load_memory(with_layer(tmp_path / "memory.keras", layer))
        assert not marker.exists(), layer


@pytest.mark.parametrize(
    "folder, file, module",
    [
        ("results/evil", "payload.py", "results.evil.payload"),
        ("results/evil", "deep/payload.py", "results.evil.deep.payload"),
        ("results/evil", "../other/payload.py", "results.other.payload"),
        ("evil", "__init__.py", "evil"),
        (".", "payload.py", "payload"),
    ],
)
@pytest.mark.parametrize("where", ["config", "stage", "typed"])
def test_a_run_cannot_bring_the_code_of_its_environment(
    folder, file, module, where, tmp_path, monkeypatch
):
    """Gymnasium imports the module of an id such as results.evil.payload:Game-v0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as python -m does
    run, marker = Path(folder), tmp_path / "marker"
    (run / file).parent.mkdir(parents=True, exist_ok=True)
    (run / "0/stages").mkdir(parents=True)
    (run / file).write_text(f"open({str(marker)!r}, 'w')")
    typed = {"env.id": f"{module}:Game-v0"}
    config = {"name": "carracing", "scale": "smoke", "typed": typed if where == "config" else {}}
    (run / "config.json").write_text(json.dumps(config))
    if where == "stage":
        settings = {"seed": 0, "env": {"id": typed["env.id"]}}
        facts = {"settings": settings, "budgets": {}, "inputs": {}, "complete": True}
        (run / "0/stages/episodes.json").write_text(json.dumps(facts))
    flags = ["--env.id", typed["env.id"]] if where == "typed" else []
    with pytest.raises(ValueError, match="--env.id.*must not bring code"):
        parse("record", ["carracing", "--results", folder, *flags])
    if where != "typed":
        with pytest.raises(ValueError, match="must not bring code"):
            stored_experiment(folder)
    assert not marker.exists()


def test_an_environment_of_a_package_beside_the_run_is_no_code_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    Path("mine/results/run").mkdir(parents=True)
    Path("mine/games.py").write_text("")
    flags = ["--env.id", "mine.games:Game-v0", "--results", "mine/results/run"]
    assert parse("record", ["carracing", *flags]).env.id == "mine.games:Game-v0"


def calls(tree):
    """(name of what is called, its keywords) of each call in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = {each.arg: ast.unparse(each.value) for each in node.keywords}
            yield ast.unparse(node.func), keywords


@pytest.mark.parametrize("name", [".lock", "log.txt", "0/rows.csv"])
def test_nothing_is_written_through_a_link_in_a_run(name, tmp_path):
    precious, path = tmp_path / "precious", tmp_path / "run" / name
    precious.write_text("a,b\n1,2\nhalf a row")
    path.parent.mkdir(parents=True)
    path.symlink_to(precious)
    run = replace(preset("carracing", "smoke"), results=str(tmp_path / "run"))
    with pytest.raises(OSError, match="received a link to elsewhere"):
        if name.endswith(".csv"):
            append_row(path, {"a": 3, "b": 4})
        Run(run, "record").say("a line")
    assert precious.read_text() == "a,b\n1,2\nhalf a row"


def test_nothing_else_unpickles_a_file_and_every_network_is_read_in_safe_mode():
    """worker.py unpickles what its own parent process sends through a pipe."""
    may = {"control/search_state.py", "control/worker.py"}
    for path in PACKAGE.rglob("*.py"):
        where = str(path.relative_to(PACKAGE))
        for called, keywords in calls(ast.parse(path.read_text())):
            last = called.split(".")[-1]
            assert keywords.get("allow_pickle", "False") == "False", where
            unpickles = called in ("pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load")
            assert where in may or not unpickles, (where, called)
            assert last != "load_model" or keywords.get("safe_mode") == "True", (where, called)
            assert not last.endswith("Lambda") and last != "enable_unsafe_deserialization", where
