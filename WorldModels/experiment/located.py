"""Where the runs of the experiment gymnasium lie: each environment has a folder of its own."""

import re
from pathlib import Path

from WorldModels.experiment.memo import memo_of

ANY = "gymnasium"  # the experiment whose environment --env.id names


def located(argv: list[str]) -> list[str]:
    """A command line with --results, if its experiment has one run for each environment.

    Args:
        argv: arguments of a verb.

    Raises:
        ValueError: it names neither an environment nor a folder; the message lists the runs.
    """
    if argv[:1] != [ANY] or {"-h", "--help"} & {*argv} or _value(argv, "--results"):
        return argv
    env_id = _value(argv, "--env.id")
    if not env_id:
        there = ", ".join(f"--results {folder} ({id})" for folder, id in _runs()) or "none yet"
        raise ValueError(
            f"experiment {ANY}: expected --env.id with the id of an environment, or --results with "
            f"the folder of a run ({there}), received neither."
        )
    return [*argv, "--results", str(folder_of(env_id, _value(argv, "--scale") or "laptop"))]


def folder_of(env_id: str, scale: str) -> Path:
    """results/LunarLander for LunarLander-v3, results/Pong-smoke for ALE/Pong-v5 at smoke scale."""
    name = re.sub(r"-v\d+$", "", re.split("[:/]", env_id)[-1])
    return Path("results") / (name if scale == "laptop" else f"{name}-{scale}")


def _value(argv: list[str], flag: str) -> str:
    """The value of a flag as typed; empty if it was not."""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name.replace("_", "-") == flag:
            return value if equals else following
    return ""


def _runs() -> list[tuple[Path, str]]:
    """The folders of the runs that there are, and their environments."""
    found = []
    for config in sorted(Path("results").glob("*/config.json")):
        memo = memo_of(config.parent)
        if memo and memo.name == ANY:
            found.append((config.parent, memo.typed.get("env.id", "?")))
    return found
