"""What "auto" stands for in --vision.dtype, --vision.decoder-form and --memory.dtype.

A stage that is continued keeps what it began with. A new one takes what trains fastest on the
device that trains. A few steps with each choice are timed once, and the times are kept in the
user's cache folder, so that equal commands on one machine go on giving equal weights. A short
training is not timed: it takes what is usual on the device, so no clock has a say in its result.
"""

import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from WorldModels.experiment.fields import plain
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.machine import (
    cache_folder,
    decoder_form,
    dtypes_of,
    trained_on,
    training_dtype,
)

Choice = dict[str, str]  # "dtype", and "decoder_form" where V's kind has several
Step = Callable[[], Any]  # trains one step, and waits for its end
AUTO, TRAINS_IN = "auto", "trains_in"  # the latter in a stage's file
OPTIONS = {
    "dtype": ("float32", "mixed_bfloat16"),
    "decoder_form": ("transpose", "depth_to_space"),
}
# A training on fewer frames (V) or steps of episodes (M) is not timed: on two cores it takes a
# minute or so, and timing it ten seconds.
WORTH_TIMING = {"vision": 50_000, "memory": 1_000_000, "judge": 1_000_000}
SECONDS, TURNS = 1.0, 5  # for which each choice is timed, and in how many turns
HOPELESS = 3.0  # times as long as the fastest: no further turn
MARGIN = 0.95  # the share of the usual choice's time that another may take at most to replace it


def choose(
    run: Any,
    stage: Any,
    asked: Choice,
    amount: int,
    keras: Any,
    sizes: dict,
    start: Callable[..., Step],
) -> Choice:
    """What a stage trains with; the run's log says why.

    Args:
        run: the open run.
        stage: the stage that trains; see `Stage`.
        asked: what the settings ask for; "auto" where they leave it open.
        amount: frames or steps of episodes in the complete training.
        keras: the module, which this one must not import.
        sizes: what a step's time depends on besides the choice and the machine; see `sizes_of`.
        start: starts a training with a choice, given by keywords, only to be timed.
    """
    if AUTO not in asked.values():
        return asked
    say, where = lambda line: run.say(f"{run.verb}: {line}"), trained_on(keras)  # noqa: E731
    how = amount, sizes, start, where, say, run.folder / "cache"
    choice, why = decided(stage.name, stage.facts, asked, *how)
    run.note(f"trains in {in_words(choice)}: {why}.")
    return choice


def decided(
    name: str, facts: dict | None, asked: Choice, amount: float, *how: Any
) -> tuple[Choice, str]:
    """What a stage trains with, and the reason in words.

    Args:
        name: the stage's.
        facts: the contents of its file; empty if it has not begun.
        asked: see `choose`.
        amount: see `choose`.
        how: what `fastest` takes after `asked`.
    """
    if facts:
        return kept_choice(facts, asked), "as when it began"
    if amount < WORTH_TIMING[name]:
        device = how[2]["device"]
        return usual_choice(asked, device), "the usual choice for a short training"
    return fastest(asked, *how)


def kept_choice(facts: dict, asked: Choice) -> Choice:
    """What a stage began with.

    Args:
        facts: the contents of its file. Earlier versions stored no choice, and took what is usual
            on the CPU, whatever trained.
        asked: see `choose`.
    """
    began, usual = facts.get(TRAINS_IN, {}), usual_choice(asked, "cpu")
    return {
        name: began[name] if value == AUTO and began.get(name) in OPTIONS[name] else usual[name]
        for name, value in asked.items()
    }


def usual_choice(asked: Choice, device: str) -> Choice:
    """What is usual on a device, where `asked` leaves it open.

    Args:
        asked: see `choose`.
        device: as Keras names it, such as "cpu:0".
    """
    known = {"dtype": training_dtype, "decoder_form": decoder_form}
    return {name: known[name](value, device=device) for name, value in asked.items()}


def fastest(
    asked: Choice,
    sizes: dict,
    start: Callable[..., Step],
    where: dict,
    say: Callable[[str], None] = print,
    otherwise: Path | None = None,
) -> tuple[Choice, str]:
    """What trains fastest here, as timed now or earlier, and the reason in words.

    The usual choice stays unless another is clearly faster, in every turn: what else the machine
    does can hide that another is faster, but hardly feign it.

    Args:
        asked: see `choose`.
        sizes: see `choose`.
        start: see `choose`.
        where: see machine.trained_on.
        say: prints a line before the seconds that timing takes.
        otherwise: the folder for the times if the user's cache folder cannot be written.
    """
    choices = open_choices(asked, where["device"])
    if len(choices) == 1:
        return choices[0], "this device leaves no other choice"
    made_with, files, turns = earlier_times(choices, sizes, where, otherwise)
    if not turns:
        say(f"times a few steps in {'; '.join(map(in_words, choices))} (once on this machine).")
        turns = step_seconds([partial(start, **choice) for choice in choices])
        _write(files, {"made_with": made_with, "seconds": turns})
    times = [
        f"{in_words(choice)} {f'{1000 * min(own):.4g} ms' if own else 'fails'}"
        for choice, own in zip(choices, turns, strict=True)
    ]
    return choices[best_of(turns)], f"time of a step: {'; '.join(times)}"


def open_choices(asked: Choice, device: str) -> list[Choice]:
    """All choices that `asked` and the device leave open, the usual one first."""
    options = OPTIONS | {"dtype": dtypes_of(device)}
    open_ = [options[name] if value == AUTO else (value,) for name, value in asked.items()]
    choices = [dict(zip(asked, values, strict=True)) for values in itertools.product(*open_)]
    return sorted(choices, key=lambda choice: choice != usual_choice(asked, device))


def best_of(turns: list[list[float]]) -> int:
    """The fastest choice that is eligible."""
    return min(_eligible(turns), key=lambda i: min(turns[i], default=math.inf))


def _eligible(turns: list[list[float]]) -> list[int]:
    """The usual choice, which is the first, and those that were faster than it in every turn."""
    usual = turns[0]
    return [0] + [
        i
        for i, own in enumerate(turns)
        if own and all(a < b for a, b in zip(own, usual, strict=False))
        if not usual or min(own) < MARGIN * min(usual)
    ]


def earlier_times(
    choices: list[Choice], sizes: dict, where: dict, otherwise: Path | None
) -> tuple[dict, list[Path], list[list[float]] | None]:
    """What times depend on, the files that may keep them (the user's first), and times if any."""
    made_with = json.loads(json.dumps({"choices": choices, "sizes": sizes, "where": where}))
    digest = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()
    folders = filter(None, (cache_folder(), otherwise))
    files = [folder / f"training-{digest[:16]}.json" for folder in folders]
    return made_with, files, next(filter(None, (_read(file, made_with) for file in files)), None)


def _read(file: Path, made_with: dict) -> list[list[float]] | None:
    """The times in a file; None if there are none for this, or it is damaged."""
    try:
        there = read_json(file)
        turns = [[float(x) for x in own] for own in there["seconds"]]
        sound = there["made_with"] == made_with and len(turns) == len(made_with["choices"])
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return turns if sound else None


def _write(files: Sequence[Path], times: dict) -> None:
    """Keep times in the first of these files that can be written."""
    for file in files:
        try:
            return write_json(file, times)
        except OSError:
            continue


def step_seconds(starts: Sequence[Callable[[], Step]]) -> list[list[float]]:
    """Seconds that a step takes in each of several trainings, by turn; empty for one that fails.

    They take turns, so that whatever else the machine does meets all of them.
    """
    steps = [_started(start) for start in starts]
    turns: list[list[float]] = [[] for _ in steps]
    for turn in range(TURNS):
        fastest_yet = min((min(own) for own in turns if own), default=math.inf)
        for step, own in zip(steps, turns, strict=True):
            if step and min(own, default=0.0) <= HOPELESS * fastest_yet:
                own.append(_timed(step, SECONDS / TURNS if turn else 0.0))
    return turns


def _started(start: Callable[[], Step]) -> Step | None:
    """A training after its first steps, which compile; None if this device cannot train so."""
    try:
        step = start()
        step(), step()
    except Exception:  # whatever the backend raises for a dtype that the device lacks
        return None
    return step


def _timed(step: Step, seconds: float) -> float:
    """Mean seconds of a step in one turn, of at least one step."""
    started, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - started < seconds:
        step()
        count += 1
    return (time.perf_counter() - started) / count


def sizes_of(settings: Any, batch: Any) -> dict:
    """What a step's time depends on: the network's kind and sizes, and a batch's.

    Args:
        settings: of V or M.
        batch: an array, or a dict of arrays.
    """
    arrays = batch if isinstance(batch, dict) else {"observations": batch}
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    fixed = {
        name: plain(getattr(settings, name))
        for name, field in type(settings).__dataclass_fields__.items()
        if field.metadata.get("role") == "shape"
    }
    return {"noun": settings.flag_prefix, **fixed, "batch": shapes}


def in_words(choice: Choice) -> str:
    """A choice as the verbs' lines say it."""
    return ", decoder by ".join(choice.values())
