"""Which package may import which. Every import statement is read, and none is run."""

import ast
import subprocess
import sys
from pathlib import Path

import house
import pytest

from WorldModels.__main__ import VERBS

PACKAGE = house.PACKAGE
STANDARD = set(sys.stdlib_module_names)
NOUNS = {"envs", "vision", "memory", "episodes"}
ABOVE_NOUNS = {"control", "export", "figures", "playing"}

# Place: the third-party packages and the places of ours that it may import.
BOTTOM = {"experiment", "interfaces"}
RULES = {
    "interfaces": ({"numpy"}, set()),
    "experiment": ({"tyro", "numpy"}, {"experiment"}),
    "episodes": ({"numpy"}, BOTTOM),
    "envs": ({"numpy", "gymnasium", "onnxruntime", "PIL", "pygame", "Box2D", "vizdoom"}, BOTTOM),
    "vision": ({"keras", "numpy"}, BOTTOM),
    "memory": ({"keras", "numpy"}, BOTTOM),
    "playing": ({"numpy", "gymnasium", "pygame", "PIL"}, BOTTOM | NOUNS),
    "control": ({"numpy", "gymnasium", "cma", "tqdm"}, BOTTOM | NOUNS),
    "figures": ({"numpy", "matplotlib", "imageio", "av", "PIL"}, BOTTOM | NOUNS),
    "export": (
        {"keras", "tensorflow", "onnx", "onnxruntime", "tf2onnx", "numpy"},
        BOTTOM | NOUNS,
    ),
}
# Packages that one file alone may import, in a function.
OWN = {"experiment/pretrained.py": {"safetensors"}, "experiment/games/gymnasium.py": {"gymnasium"}}
# In assembly/ a file imports only from lower tiers and from its own folder.
TIERS = (
    {"models", "tensorboard_files", "checkpoint"},
    {"opening", "fit", "weights", "populations", "shards", "packing"},
    {"worlds", "memory_training"},
    {"evolve", "gymnasium_ids", "recorder", "beginnings"},
    {"evaluation"},
    {"speed", "showing"},
    {"comparison"},
)
# How many files outside experiment/ a verb used to reach, and what share of that it may reach now.
REACH = {
    "train_vision": (36, 2 / 3),
    "encode": (24, 2 / 3),
    "train_memory": (30, 2 / 3),
    "evaluate": (50, 0.9),
}


def imports(path: Path) -> list[tuple[str, int, bool]]:
    """(module, line, at module level) of each import of a file."""
    tree = ast.parse(path.read_text())
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        outside = id(node) not in inner
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, outside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            ours = node.module.startswith("WorldModels")
            names = [f"{node.module}.{a.name}" for a in node.names] if ours else [node.module]
            found += [(name, node.lineno, outside) for name in names]
    return found


def place(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0] if len(parts) > 1 or parts[0] == "interfaces" else "top"


def paths_of(*places: str) -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if place(path) in places)


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", paths_of(*RULES), ids=named)
def test_a_module_imports_only_what_lies_below_it(path):
    outside, below = RULES[place(path)]
    for module, line, _ in imports(path):
        root, *rest = module.split(".")
        where = f"{path}:{line} imports {module}"
        if root == "WorldModels":
            allowed = below | {place(path)}
            assert rest and rest[0] in allowed, f"{where}, which is not below {place(path)}"
        else:
            assert root in outside | STANDARD | OWN.get(named(path), set()), (
                f"{where}, which {place(path)} may not use"
            )


def tier(name: str) -> int:
    part = name.split(".")[1]
    return next(i for i, members in enumerate(TIERS) if part in members)


def test_assembly_has_its_tiers():
    for name, imported in house.graph().items():
        for other in imported if house.folder(name) == "assembly" else ():
            if house.folder(other) != "assembly":
                assert house.folder(other) != "verbs", f"{name} imports the verb {other}"
                continue
            same_folder = name.split(".")[1] == other.split(".")[1] and name.count(".") > 1
            assert same_folder or tier(other) < tier(name), f"{name} imports {other}"


def test_no_verb_imports_a_verb_but_compare():
    for name, imported in house.graph().items():
        verbs = {other for other in imported if house.folder(other) == "verbs"}
        if house.folder(name) == "verbs" and name != "compare":
            assert not verbs, f"{name} imports {verbs}"


def test_only_verbs_import_assembly():
    for name, imported in house.graph().items():
        if house.folder(name) not in ("assembly", "verbs"):
            assert not [other for other in imported if house.folder(other) == "assembly"], name


def test_the_top_holds_verbs_and_three_files():
    top = {path.stem for path in PACKAGE.glob("*.py")}
    assert top == set(VERBS) | {"__init__", "__main__", "interfaces"}


def test_there_are_few_floors_and_no_circle(capsys):
    by_file, by_folder = house.floors(house.graph()), house.floors(house.by_folder())
    with capsys.disabled():
        print(f"\nfloors: {by_folder} by folder, {by_file} by file")
    assert house.circles(house.graph()) == [] and house.circles(house.by_folder()) == []
    assert by_file <= 10 and by_folder <= 7


@pytest.mark.parametrize("verb", REACH)
def test_a_verb_reaches_few_files(verb):
    before, share = REACH[verb]
    assert house.verb_reach(verb) <= before * share


@pytest.mark.parametrize("path", paths_of("top"), ids=named)
def test_a_verb_imports_nothing_heavy_at_module_level(path):
    for module, line, at_module_level in imports(path):
        root, *rest = module.split(".")
        light = root in STANDARD | {"numpy", "gymnasium"}
        light |= root == "WorldModels" and bool(rest) and rest[0] in BOTTOM
        assert light or not at_module_level, (
            f"{path}:{line} imports {module} at module level: a spawned worker would pay for it"
        )


def test_only_export_imports_tensorflow():
    for path in PACKAGE.rglob("*.py"):
        for module, line, _ in imports(path):
            assert module.split(".")[0] != "tensorflow" or place(path) == "export", f"{path}:{line}"


def test_a_package_s_init_imports_nothing_of_ours():
    for path in PACKAGE.rglob("__init__.py"):
        assert not [m for m, _, _ in imports(path) if m.startswith("WorldModels")], path


def test_no_module_takes_a_name_of_the_standard_library():
    taken = {"types", "random", "copy", "queue", "logging", "signal", "utils", "common", "helpers"}
    for path in PACKAGE.rglob("*.py"):
        assert path.stem not in taken, path


def test_importing_the_package_is_cheap():
    code = (
        "import sys, gymnasium; before = set(sys.modules); import WorldModels; "
        "print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", code]
    new = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    names = {name.split(".")[0] for name in new.stdout.split()}
    assert names <= {"WorldModels"} | STANDARD, names


PROTOCOL = {
    # Keras'
    "call", "build", "get_config", "compute_loss", "compute_output_shape", "compute_metrics",
    "on_epoch_begin", "on_epoch_end", "on_train_batch_end", "train_step", "metrics",
    # Gymnasium's
    "step", "reset", "render", "close", "observation", "action", "reward",
    # A policy's
    "act",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=named)
def test_public_methods_say_what_they_do(path):
    """Except those that Keras or Gymnasium prescribes, and property setters."""
    for node in ast.walk(ast.parse(path.read_text())):
        public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for method in node.body if public else ():
            if not isinstance(method, ast.FunctionDef) or method.name.startswith("_"):
                continue
            setter = any(isinstance(d, ast.Attribute) for d in method.decorator_list)
            if method.name not in PROTOCOL and not setter:
                where = f"{path}:{method.lineno} {node.name}.{method.name}"
                assert ast.get_docstring(method), where


def test_files_and_functions_are_short():
    files, functions = [], []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        files.append(len(text.splitlines()))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= 40, f"{path}:{node.lineno} {node.name} has {length} lines"
                functions.append(length)
    assert sum(length <= 250 for length in files) >= 0.95 * len(files)
    assert sum(length <= 25 for length in functions) >= 0.9 * len(functions)


def test_formatting_is_switched_off_on_few_tables_only():
    skips = sum(path.read_text().count("fmt: skip") for path in PACKAGE.rglob("*.py"))
    assert skips <= 30
