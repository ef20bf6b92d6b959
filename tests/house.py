"""The package as a graph: which file of WorldModels/ imports which, parsed with `ast`.

Nothing is imported. `python tests/house.py` prints the numbers that tests/test_imports.py limits.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "WorldModels"
TOP = {"__init__", "interfaces"}  # files at the top that are not verbs


def files() -> dict[str, Path]:
    """Every file of the package except each folder's `__init__`, by dotted name."""
    paths = (path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


def imported_names(path: Path) -> set[str]:
    """Dotted names that a file imports, in functions too; `from a import b` gives a and a.b."""
    found = set()
    package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            base = ".".join([*parents, *filter(None, [node.module])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


@cache
def graph() -> dict[str, set[str]]:
    """Each file's imports of other files of ours."""
    known = files()
    ours = {
        name: {
            i.removeprefix("WorldModels.")
            for i in imported_names(path)
            if i.startswith("WorldModels.")
        }
        for name, path in known.items()
    }
    return {name: (found & set(known)) - {name} for name, found in ours.items()}


def folder(name: str) -> str:
    """The first level under WorldModels/: a folder, a file of TOP, or `verbs` for the rest."""
    if "." in name:
        return name.split(".")[0]
    return name if name in TOP else "verbs"


def by_folder() -> dict[str, set[str]]:
    """Each folder's imports of other folders."""
    found: dict[str, set[str]] = {}
    for name, imports in graph().items():
        found.setdefault(folder(name), set()).update(folder(other) for other in imports)
    return {name: imports - {name} for name, imports in found.items()}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach one another."""
    reach = {name: reached(edges, [name]) for name in edges}
    groups = {
        tuple(sorted({other for other in reach[name] if name in reach[other]} | {name}))
        for name in edges
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def reached(edges: dict[str, set[str]], start: Iterable[str]) -> set[str]:
    """What some nodes import, directly or not; they include themselves only in a circle."""
    found: set[str] = set()
    left = [other for name in start for other in edges[name]]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += edges[name]
    return found


def floors(edges: dict[str, set[str]]) -> int:
    """The number of floors: a node is one above everything it imports; a circle is one floor."""
    group = {name: tuple(circle) for circle in circles(edges) for name in circle}

    @cache
    def floor(node) -> int:
        members = node if isinstance(node, tuple) else (node,)
        below = {group.get(other, other) for name in members for other in edges[name]} - {node}
        return 1 + max(map(floor, below), default=0)

    return max(floor(group.get(name, name)) for name in edges)


def verb_reach(verb: str) -> int:
    """How many files a verb reaches outside experiment/."""
    return len([name for name in reached(graph(), [verb]) if folder(name) != "experiment"])


if __name__ == "__main__":
    print(f"floors by folder {floors(by_folder())}, by file {floors(graph())}")
    print("circles by file:", circles(graph()), "by folder:", circles(by_folder()))
    print(
        {verb: verb_reach(verb) for verb in ("train_vision", "encode", "train_memory", "evaluate")}
    )
