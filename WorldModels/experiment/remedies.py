"""The commands that messages suggest: each names the run, and its own verb accepts it."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path


def command(verb: str, words: Sequence[str]) -> str:
    """A verb's command as typed in a shell."""
    return f"python -m WorldModels.{verb} {shlex.join(words)}"


def command_for(path: str | Path, verb: str, otherwise: str = "carracing") -> str:
    """The command that runs a verb on the run that a file or folder belongs to.

    It names the run and its folder; an iteration only if the run has several.

    Args:
        path: the run's folder, or anything in it; it need not exist.
        verb: the verb's name.
        otherwise: the experiment's name, if the folder does not say.
    """
    folder, iteration = _place(Path(path))
    words = [_noted(folder, "name") or otherwise, "--results", str(folder)]
    several = iteration and len(list(folder.glob("[0-9]*/"))) > 1
    return command(verb, [*words, "--iteration", iteration] if several else words)


def removed_first(path: str | Path, again: str) -> str:
    """A command that removes a file before another one makes it again."""
    return f"rm -f {shlex.quote(str(path))} && {again}"


def config_again(path: Path) -> str:
    """The command that writes a damaged config.json again, with what can be read of it."""
    words = [_noted(path.parent, "name") or "carracing", "--results", str(path.parent)]
    scale = _noted(path.parent, "scale")
    words += ["--scale", scale] if scale else []
    return removed_first(path, command("record", words))


def _noted(folder: Path, what: str) -> str:
    """The run's name or scale in a config.json that may be damaged; empty if it has none."""
    try:
        text = (folder / "config.json").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    try:
        found = json.loads(text)[what]
    except (ValueError, TypeError, LookupError):
        match = re.search(rf'^  "{what}": "(\w+)"', text, re.MULTILINE | re.ASCII)
        return match[1] if match else ""
    return found if isinstance(found, str) else ""


def _place(path: Path) -> tuple[Path, str]:
    """A run's folder, and the number of the iteration that a path in it names; "" for none."""
    numbers = [inside for inside in (path, *path.parents) if inside.name.isdigit()]
    # temperatures/1 is a folder of an iteration, not one.
    own = [inside for inside in numbers if (inside.parent / "config.json").exists()]
    for inside in own or numbers:
        if not (inside / "config.json").exists():
            return inside.parent, inside.name
    return (path.parent if path.suffix and not path.is_dir() else path), ""
