"""Which episodes are held out of training, to measure V and M on episodes they have not seen.

One rule serves both networks: an episode is held out if a hash of the seed, the iteration and its
file's name falls below --record.held-out-share. Hence episodes that are added move none. What has
been held out is listed in split.json of the iteration's folder, and stays held out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.draws import rng
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.remedies import command_for, removed_first
from WorldModels.experiment.stages import seed_of, stage_facts

FILE = "split.json"
Parts = tuple[list[Path], list[Path]]  # to train on, held out: each in the order given


@dataclass(frozen=True)
class Rule:
    """How the episodes of an iteration are split.

    Args:
        seed: with which they were recorded.
        iteration: that recorded them.
        share: of the episodes to hold out, 0..1.
        held_out: names of the episodes that have been held out before.
        trained: names that this rule would hold out, but that a network was trained on when there
            were too few episodes.
    """

    seed: int
    iteration: int
    share: float
    held_out: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()

    def chosen(self, names: Sequence[str]) -> set[str]:
        """The names to hold out: with a share above 0 at least one, but never all of them."""
        trained = set(self.trained)
        free = [name for name in names if name not in trained]
        ranked = sorted(free, key=self.draw)
        chosen = {name for name in free if self.draw(name) < self.share}
        chosen |= set(self.held_out) & set(names)
        if self.share > 0 and not chosen:
            chosen = set(ranked[:1])
        return chosen - set(ranked[-1:]) if len(chosen) == len(names) else chosen

    def listed(self, names: Sequence[str], held_out: Sequence[str]) -> "Rule":
        """The rule once a network is trained on those of the names that are not held out."""
        free = set(names) - set(held_out)
        late = [name for name in free if self.draw(name) < self.share]
        late = late if held_out or self.share == 0 else names  # the lowest might be one of these
        return replace(
            self,
            held_out=tuple(sorted({*self.held_out, *held_out})),
            trained=tuple(sorted({*self.trained, *late})),
        )

    def draw(self, name: str) -> float:
        """A number in 0..1 that looks random, and depends only on seed, iteration and name."""
        digest = hashlib.sha256(f"{self.seed} {self.iteration} {name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def rule_of(folder: Path, experiment: Any) -> Rule:
    """The rule for the episodes of an iteration.

    Args:
        folder: the iteration's folder.
        experiment: its seed and share hold where nothing is recorded yet.
    """
    file = folder / FILE
    if listed := read_json(file, lambda: removed_first(file, command_for(file, "train_vision"))):
        names = {each: tuple(listed.get(each, ())) for each in ("held_out", "trained")}
        return Rule(**listed | names)
    record = (stage_facts(folder, "episodes") or {}).get("settings", {}).get("record", {})
    share = record.get("held_out_share", experiment.record.held_out_share)
    return Rule(seed_of(folder, "episodes", experiment.seed), int(folder.name), share)


def split(
    paths: Sequence[Path], folder: Path, network: str, experiment: Any, older: float | None = None
) -> Parts:
    """The episodes, or their series, that a network trains on, and those held out.

    Args:
        paths: files of episodes or of series, of any of the run's iterations.
        folder: of the iteration whose network it is; its name is the iteration's number.
        network: vision or memory.
        experiment: see rule_of.
        older: the share with which an earlier version trained the network; see `older_share`.
    """
    if older is not None:
        if network == "vision":
            return _lowest(paths, older)
        seed = seed_of(folder, network, experiment.seed)
        return _permuted(paths, seed, older, int(folder.name))
    out = set()
    for iteration, own in _by_iteration(paths, int(folder.name)).items():
        chosen = rule_of(folder.parent / str(iteration), experiment).chosen(list(own))
        out |= {own[name] for name in chosen}
    return [path for path in paths if path not in out], [path for path in paths if path in out]


def split_and_list(paths: Sequence[Path], run: Any, network: str, older: float | None) -> Parts:
    """As `split`, before a run's network trains: what is held out is listed, and stays so."""
    parts = split(paths, run.path, network, run.experiment, older)
    own = _by_iteration(paths, run.iteration) if older is None else {}
    out = set(parts[1])
    for iteration, named in own.items():
        folder = run.folder / str(iteration)
        rule = rule_of(folder, run.experiment)
        listed = rule.listed([*named], [name for name, path in named.items() if path in out])
        if listed != rule:
            write_json(folder / FILE, vars(listed))
    if paths and not parts[1] and run.experiment.record.held_out_share > 0:
        run.say(
            f"{run.verb}: nothing is held out, as there is only one episode; scores on held-out "
            "episodes are missing."
        )
    return parts


def upper_half(paths: Sequence[Path], folder: Path, experiment: Any) -> list[Path]:
    """Those of some episodes or series whose draw is in the upper half; all, if none is.

    Args:
        paths: see `split`, as for the others.
        folder: the iteration's.
        experiment: see rule_of.
    """
    kept = set()
    for iteration, own in _by_iteration(paths, int(folder.name)).items():
        rule = rule_of(folder.parent / str(iteration), experiment)
        kept |= {path for name, path in own.items() if rule.draw(name) >= 0.5}
    return [path for path in paths if path in kept] or list(paths)


def older_share(folder: Path, network: str) -> float | None:
    """The share that an earlier version held out for a network alone; None: none did."""
    facts = stage_facts(folder, network)
    return facts["settings"].get(network, {}).get("validation_share") if facts else None


def _by_iteration(paths: Sequence[Path], last: int) -> dict[int, dict[str, Path]]:
    """Iteration -> episode's file name -> path of the episode or of its series."""
    groups: dict[int, dict[str, Path]] = {}
    for path in paths:
        if path.parent.name == "episodes":
            iteration, name = int(path.parent.parent.name), path.name
        else:
            iteration = iteration_of(path.stem, last)
            name = path.name.removeprefix(f"{iteration}-")
        groups.setdefault(iteration, {})[name] = path
    return groups


def iteration_of(name: str, last: int) -> int:
    """The iteration that recorded an episode, by the name that `named_episodes` gave it."""
    before, dash, _ = name.partition("-")
    return int(before) if dash and before.isdigit() else last


def _lowest(paths: Sequence[Path], share: float) -> Parts:
    """How an earlier version split V's episodes: the lowest hashes of the names were held out."""
    count = min(max(round(share * len(paths)), int(share > 0)), max(len(paths) - 1, 0))
    ranked = sorted(
        range(len(paths)), key=lambda i: hashlib.sha256(Path(paths[i]).name.encode()).digest()
    )
    out = set(ranked[:count])
    return [p for i, p in enumerate(paths) if i not in out], [paths[i] for i in sorted(out)]


def _permuted(paths: Sequence[Path], seed: int, share: float, iteration: int) -> Parts:
    """How an earlier version split M's series: by a draw for each iteration.

    Args:
        paths: files of the sound series, in the order of their names.
        seed: with which M was trained.
        share: of each iteration's episodes to hold out, 0..1; above 0, at least one.
        iteration: to which the names without an iteration number belong.
    """
    out: set[int] = set()
    iterations = np.array([iteration_of(path.stem, iteration) for path in paths])
    for each in set(iterations.tolist()):
        own = np.flatnonzero(iterations == each)
        count = min(max(round(share * len(own)), share > 0), len(own) - 1)
        draw = rng(seed, "train_memory", "held-out", each)
        out |= set(draw.permutation(own)[:count].tolist())
    return [path for i, path in enumerate(paths) if i not in out], [paths[i] for i in sorted(out)]
