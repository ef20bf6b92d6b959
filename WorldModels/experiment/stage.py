"""One stage of one iteration: does its output contradict the settings, is it stale or complete?

A verb asks in this order: (1) does a setting contradict its input or its own earlier output?
(2) has its input changed since? (3) is its output complete? (4) If not, it runs and continues
what exists.
"""

import dataclasses
import math
import shlex
import time
from typing import Any

from WorldModels.experiment.choice import TRAINS_IN
from WorldModels.experiment.damage import AS_OF, check_own, mended, sums_of
from WorldModels.experiment.differences import flat, refuse_other
from WorldModels.experiment.fields import flag_of, idle_settings, plain, shown, words_for
from WorldModels.experiment.files import put_aside, remove, write_json
from WorldModels.experiment.older import KEPT
from WorldModels.experiment.reuse import take
from WorldModels.experiment.stages import (
    STAGE_OF,
    STAGES,
    SUMS,
    nouns_of,
    stage_facts,
    stage_file,
    stage_settings,
)
from WorldModels.experiment.sums import changed_inputs

WORTH_KEEPING = 600  # seconds that an output must have taken to be kept when it is replaced
BEGINNING = ("began", TRAINS_IN)  # entries that a stage keeps to its end
FORMAT = 2  # of the file that records what a stage was made with


class Stage:
    """One stage of one iteration.

    Args:
        run: the open `Run`.
        name: a key of STAGES.
        inputs: hashes of the files that the output is made from.
        part: the folder in the stage's own folder that holds one of several independent outputs of
            this stage, each with a stage file of its own; empty: the stage's own output.

    Attributes:
        idle: dotted names of settings that do nothing in this run, so may differ.
        facts: what its file records of the output that is continued (empty at the start).
        done: budgets spent so far (empty at the start).
        complete: the output reaches the present budget.
        anew: the earlier output is removed when the stage begins.

    Raises:
        ValueError: a setting contradicts an input or the stage's own earlier output.
    """

    def __init__(self, run: Any, name: str, inputs: dict[str, str], part: str = ""):
        self.run, self.name, self.inputs = run, name, inputs
        self.part, self.outputs = part, (f"{name}/{part}",) if part else STAGES[name].outputs
        self.file = stage_file(run.path, f"{name}-{part}" if part else name)
        self.idle = idle_settings(run.experiment)
        self.take_settings()
        # Every stage shares the environment of the episodes.
        reads = () if name == "episodes" else dict.fromkeys(("episodes", *STAGES[name].reads))
        for read in reads:
            self._check_input(read)
        if run.experiment.reuse and not self.file.exists():
            take(self, run.experiment.reuse)
        self.facts = facts = self._facts()
        self._keep(facts)
        self.done = facts.get("budgets", {}) if facts.get("complete") else {}
        self.complete = bool(facts.get("complete")) and covers(self.done, self.budgets)
        if self.complete and STAGE_OF.get(run.verb) == name:
            run.remember()

    def take_settings(self) -> None:
        """Take the run's settings; call it again after changing one of them."""
        ours = self.run
        self.settings, self.budgets = stage_settings(ours.experiment, self.name, ours.iteration)

    def _facts(self) -> dict:
        """What the stage's file records; empty if the stage is to be made again."""
        facts = self._stored()
        self.anew = bool(self.run.experiment.force and facts)
        if self.anew:
            self.run.say(f"{self.name}: made again, as --force asks.")
            return {}
        if facts:
            self._check_own(facts)
        changed = changed_inputs(self.inputs, facts["inputs"]) if facts else []
        if changed:
            self.run.say(
                f"{self.name}: its input ({', '.join(changed)}) has changed since it was made; "
                f"{self.name} is made again."
            )
            self.anew = True
            return {}
        missing = [name for name in STAGES[self.name].promises if self._lacks(name, facts)]
        if missing:
            self.run.say(
                f"{self.name}: {', '.join(missing)} is missing; {self.name} is made again."
            )
            self.anew = True
            return {}
        return facts

    def _keep(self, facts: dict) -> None:
        """Keep the settings of the past that what is there was made with."""
        for noun, _, field in (name.partition(".") for name in KEPT):
            value = facts.get("settings", {}).get(noun, {}).get(field)
            if value is not None and noun in self.settings:
                self.settings[noun][field] = value

    def _lacks(self, name: str, facts: dict) -> bool:
        return bool(facts.get("complete")) and not (self.run.path / name).exists()

    def _check_input(self, read: str) -> None:
        facts = stage_facts(self.run.path, read)
        for noun in nouns_of(read, self.run.experiment) if facts else ():
            self._check_noun(noun, facts["settings"].get(noun, {}), read)

    def _check_noun(self, noun: str, there: dict, read: str) -> None:
        settings = getattr(self.run.experiment, noun)
        # A stage may change the recipe of its environment or dream, but not their shape.
        roles = ("shape",) if noun in ("env", "dream") else ("shape", "recipe")
        for field in dataclasses.fields(settings):
            if field.metadata["role"] not in roles or field.name not in there:
                continue
            if f"{noun}.{field.name}" in self.idle:
                continue
            here, stored = plain(getattr(settings, field.name)), there[field.name]
            name = f"{noun}.{field.name}"
            if here != stored:
                raise ValueError(
                    f"{flag_of(name)}: {shown(here)} asked for, but the {read} stage of "
                    f"{self.run.path} was made with {shown(stored)}; drop the flag, give "
                    f"{shlex.join(words_for(name, stored))}, or name another folder with "
                    "--results FOLDER."
                )

    def _check_own(self, facts: dict) -> None:
        """Refuse a setting that differs from the one that the output was made with."""
        there = flat(facts["settings"])
        for name, value in flat(self.settings).items():
            if name not in self.idle:
                refuse_other(name, value, there.get(name), self.name, self.run.path)

    def begin(self, **facts: Any) -> None:
        """Record what the output is made with, before any of it is written.

        Call it when nothing can be refused any more: from here on the flags are remembered.
        """
        if self.anew:
            self.clear()
            self.anew = False
        self.run.remember()
        self._write(False, facts)

    def finish(self, **facts: Any) -> None:
        """Record that the output is complete at the present budget."""
        self.complete, self.done = True, self.budgets
        self._write(True, facts)

    def _write(self, complete: bool, facts: dict) -> None:
        made_with = {"format": FORMAT, "settings": self.settings, "budgets": self.budgets}
        earlier = self._stored()
        # A resumed stage keeps its beginning, in seconds since 1970, and what it trains in.
        began = {"began": time.time()} | {k: earlier[k] for k in BEGINNING if k in earlier}
        state = {"inputs": self.inputs, "complete": complete, **began}
        state |= {"ended": time.time()} if complete else {}
        write_json(self.file, {**made_with, **state, **facts, **self._sums(earlier, complete)})

    def _sums(self, earlier: dict, complete: bool) -> dict:
        """What the stage's file lists of its files: their sums, and since when they count.

        While the stage is under way these are the sums of its last complete output, of which it
        may keep some files.
        """
        kept, as_of = earlier.get(SUMS, {}), earlier.get(AS_OF, 0)
        if earlier.get("complete"):
            as_of = self.file.stat().st_mtime_ns
        if complete:
            return {SUMS: sums_of(self.run.path, self.outputs, kept, as_of)}
        return {SUMS: kept, AS_OF: as_of} if kept else {}

    def mend(self, needed: tuple[str, ...] = ()) -> bool:
        """Restore damaged files from others with the same content; whether all are sound now.

        Args:
            needed: files without which nothing can go on.

        Raises:
            ValueError: one of those is damaged, and there is no other with its content.
        """
        if self.anew:
            return True
        left = mended(self.run.path, self.file.stem, self.run.say)
        for name in needed:
            if name in left:
                check_own(self.run.path / name)
        return not left

    def sum_again(self) -> None:
        """List the present sums of a complete output, some files of which were written again."""
        facts = self._stored()
        write_json(self.file, facts | self._sums(facts, True))

    def _stored(self) -> dict:
        return stage_facts(self.run.path, self.file.stem) or {}

    def clear(self) -> None:
        """Remove the stage's output; what took over ten minutes is kept in replaced/."""
        outputs = [self.run.path / name for name in self.outputs]
        facts = self._stored()
        if facts.get("ended", time.time()) - facts.get("began", math.inf) > WORTH_KEEPING:
            name = f"{self.part}-{self.name}" if self.part else self.name
            kept = put_aside(self.run.path, name, [*outputs, self.file])
            self.run.say(f"{self.name}: its earlier output is kept in {kept}.")
        for output in (*outputs, self.file):
            remove(output)


def covers(done: dict, budgets: dict) -> bool:
    """Whether what has been done reaches every budget."""
    return all(_number(done.get(name)) >= _number(value) for name, value in budgets.items())


def _number(value: Any) -> float:
    return -math.inf if value is None else float(value)
