"""The import rule: who may import whom. Every import statement of the package is read, none is run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "WorldModels"
STANDARD = set(sys.stdlib_module_names)

# Place: outside packages that it may import, and places of ours that lie below it.
BOTTOM = {"experiment", "interfaces"}
RULES = {
    "interfaces": ({"numpy"}, set()),
    "experiment": ({"tyro", "numpy"}, {"experiment"}),
    "episodes": ({"numpy"}, BOTTOM | {"episodes"}),
    "envs": (
        {"numpy", "gymnasium", "onnxruntime", "PIL", "pygame", "Box2D", "vizdoom"},
        BOTTOM | {"envs"},
    ),
    "vision": ({"keras", "numpy"}, BOTTOM | {"vision"}),
    "memory": ({"keras", "numpy"}, BOTTOM | {"memory"}),
    "playing": ({"numpy", "gymnasium", "pygame", "PIL"}, BOTTOM | {"playing"}),
    "control": ({"numpy", "gymnasium", "cma", "tqdm"}, BOTTOM | {"control", "episodes", "envs"}),
    "figures": ({"numpy", "matplotlib", "imageio", "av", "PIL"}, BOTTOM | {"figures", "episodes"}),
    "export": (
        {"keras", "tensorflow", "onnx", "onnxruntime", "tf2onnx", "numpy"},
        BOTTOM | {"export"},
    ),
}
VERBS_PARTS = {
    "evaluation",
    "comparison",
    "reporting",
}  # folders of single verbs: under the same rule as the top
HEAVY = {"models", "training"}  # of those at the top: they know Keras


def imports(path: Path) -> list[tuple[str, int, bool]]:
    """(module, line, at module level) of each import of a file, `from package import module`
    resolved to the module.
    """
    tree = ast.parse(path.read_text())
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) not in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module.startswith("WorldModels")
                else [node.module]
            )
            found += [(name, node.lineno, id(node) not in inner) for name in names]
    return found


def place(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0] if len(parts) > 1 or parts[0] == "interfaces" else "top"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_module_imports_only_what_lies_below_it(path):
    if place(path) in ("top", *VERBS_PARTS):
        return
    outside, below = RULES[place(path)]
    for module, line, _ in imports(path):
        root, *rest = module.split(".")
        where = f"{path}:{line} imports {module}"
        if root == "WorldModels":
            assert rest and rest[0] in below, f"{where}, which does not lie below {place(path)}"
        else:
            assert root in outside | STANDARD, f"{where}, which {place(path)} may not know"


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in (".", *VERBS_PARTS) for path in PACKAGE.glob(f"{folder}/*.py")),
    ids=lambda p: p.name,
)
def test_a_verb_imports_nothing_heavy_at_module_level(path):
    if path.stem in HEAVY | {"interfaces"}:
        return
    light_of_ours = BOTTOM | VERBS_PARTS | {path.stem for path in PACKAGE.glob("*.py")} - HEAVY
    for module, line, at_module_level in imports(path):
        root, *rest = module.split(".")
        light = root in STANDARD | {"numpy", "gymnasium"} or (
            root == "WorldModels" and (not rest or rest[0] in light_of_ours)
        )
        assert light or not at_module_level, (
            f"{path}:{line} imports {module} at module level: a spawned worker would pay for it"
        )


def test_only_export_imports_tensorflow():
    for path in PACKAGE.rglob("*.py"):
        for module, line, _ in imports(path):
            assert module.split(".")[0] != "tensorflow" or place(path) == "export", f"{path}:{line}"


def test_no_module_takes_a_name_of_the_standard_library():
    for path in PACKAGE.rglob("*.py"):
        assert path.stem not in {
            "types",
            "random",
            "copy",
            "queue",
            "logging",
            "signal",
            "utils",
            "common",
            "helpers",
        }, path


def test_importing_the_package_is_cheap():
    code = "import sys, gymnasium; before = set(sys.modules); import WorldModels; print(*sorted(set(sys.modules) - before))"
    new = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    ).stdout.split()
    assert {name.split(".")[0] for name in new} <= {"WorldModels"} | STANDARD, new
