"""Compare kinds side by side: all get the same episodes, driving budget and tests.

    python -m WorldModels.compare carracing                           # all kinds of memory
    python -m WorldModels.compare carracing --kinds mdn_rnn,mdn_rnn:joint,trade:paper
    python -m WorldModels.compare carracing --noun vision             # vae, vae_gan
    python -m WorldModels.compare carracing --noun optimizer --kinds cma,openes --frames 1000000

A kind may have options (kind:option). For results/carracing, trade:paper is made in
results/carracing-trade-paper. Each kind takes from the run (as --reuse does) what was made with the
same settings: episodes; for memories also V and series; for optimizers M too. The run's own
kind takes everything that exists. Each kind evolves a driver for --frames environment steps
(smoke 300, laptop 600,000, paper 100,000,000) and tests it on --tracks.

The table (markdown, JSON) and a plot go to compare/ in the run's folder. After an interruption the
same command continues. A kind that fails gets a line that says why; the others are not affected.
All other flags apply to every kind.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.fields import budget, free, within
from WorldModels.experiment.files import atomic, read_json, write_json
from WorldModels.experiment.presets import preset
from WorldModels.experiment.reuse import inputs_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

NEEDED = {
    "episodes": ("episodes", "record"),
    "vision": ("vision.keras", "train_vision"),
    "series": ("series", "encode"),
    "memory": ("memory.keras", "train_memory"),
}


@dataclass(frozen=True)
class CompareSettings(Experiment):
    """An experiment, and the kinds that are compared in it."""

    # what is compared; everything else stays the same
    noun: Literal["memory", "vision", "optimizer"] = free("memory")
    kinds: str = free("")  # which ones: a,b:option; default: the usual ones
    # environment steps to evolve each driver for; 0: --controller.steps, or by scale
    frames: int = budget(0, remembered=False)
    tracks: int = budget(0, remembered=False)  # test tracks for each driver; 0: --evaluate.tracks

    @property
    def compared_noun(self) -> str:
        """The noun whose kinds are compared: a flag of it may mean nothing to some of them."""
        return "controller" if self.noun == "optimizer" else self.noun

    def __post_init__(self):
        from WorldModels.assembly.comparison.kinds import parsed

        super().__post_init__()
        parsed(self.kinds, self.noun)
        within(self, "frames", 0, 10**12)
        within(self, "tracks", 0, 10**6)


def compare(run: Run) -> None:
    """Compare the kinds and write the table to compare/ in the run's folder.

    Raises:
        ValueError: the flags rule out a comparison, or a kind failed; the table has the others.
        FileNotFoundError: the run lacks something that the kinds share.
    """
    experiment, file = run.experiment, run.folder / "compare" / f"{run.experiment.noun}.json"
    contestants = _contestants(run)
    facts = {
        "noun": experiment.noun,
        "experiment": experiment.name,
        "scale": experiment.scale,
        "seed": experiment.seed,
        "environment": experiment.env.id,
        "world": experiment.controller.world,
    }
    complete = _measure(run, contestants, facts, file)
    _add_speeds(facts, complete, file)
    run.say(_write(facts, complete, file))
    files = sorted(path.name for path in file.parent.glob(f"{experiment.noun}*"))
    run.say(f"In {file.parent}: {', '.join(files)}.")
    failed = [f"{row['kind']} failed: {row['failed']}" for row in facts["rows"] if "failed" in row]
    if failed:
        raise ValueError("; ".join([*failed, "the same command tries again"]) + ".")


def _contestants(run: Run) -> list:
    """The contestants; every refusal happens here, before anything is made."""
    from WorldModels.assembly.comparison.kinds import NOUNS, parsed
    from WorldModels.assembly.comparison.lineup import contestant_of, frames_of, refuse_replaced

    experiment = run.experiment
    kinds = parsed(experiment.kinds, experiment.noun)
    if experiment.force:
        raise ValueError(
            "--force: expected none, since it does not say which kind to make again, received "
            f"--force; remove that kind's folder, such as {run.folder}{kinds[0].suffix}."
        )
    if run.iteration:
        raise ValueError(
            "--iteration: expected 0, since kinds are compared on the episodes of iteration 0, "
            f"received {run.iteration}; give --iteration 0."
        )
    refuse_replaced(experiment, run.typed or frozenset())
    of_preset = preset(experiment.name, experiment.scale).controller.steps
    frames = frames_of(experiment, experiment.frames, of_preset)
    for stage in NOUNS[experiment.noun].takes:
        run.need(*NEEDED[stage])
        run.stage(stage, inputs_of(run, stage))
    run.remember()
    return [contestant_of(run, kind, frames) for kind in kinds]


def _measure(run: Run, contestants: Sequence, facts: dict, file: Path) -> list:
    """Make and measure every contestant, and write the table after each.

    Args:
        run: the open run.
        contestants: all of them.
        facts: the table's contents; its rows are added here.
        file: the table's JSON. A row in it is kept until its contestant has a new one.

    Returns:
        The contestants that did not fail.
    """
    rows = {row["kind"]: row for row in (read_json(file) or {"rows": []})["rows"]}
    names, complete = [contestant.kind.name for contestant in contestants], []
    for contestant in contestants:
        name = contestant.kind.name
        run.say(f"compare: {name}, in {contestant.folder}.")
        speed = rows.get(name, {}).get("speed", {})
        rows[name] = _row(contestant, run.experiment) | {"speed": speed}
        complete += [contestant] * ("failed" not in rows[name])
        facts["rows"] = [rows[name] for name in names if name in rows]
        _write(facts, complete, file)
        _forget()
    return complete


def _row(contestant: Any, experiment: Experiment) -> dict:
    """A contestant's row in the table: its numbers, or why there are none."""
    from WorldModels.assembly.comparison import facts as measures
    from WorldModels.assembly.comparison.contestants import make

    row = {"kind": contestant.kind.name, "folder": str(contestant.folder)}
    own = {"memory": measures.memory_facts, "vision": measures.vision_facts}
    tracks = experiment.tracks or experiment.evaluate.tracks
    try:
        make(contestant, experiment.noun, _verbs())
        found = own[experiment.noun](contestant) if experiment.noun in own else {}
        return row | found | {"driver": measures.driver_facts(contestant, tracks)}
    except Exception as error:  # one failed contestant must not hide the others
        if os.environ.get("WORLDMODELS_TRACEBACK"):
            traceback.print_exc()
        return row | {"failed": one_line(error) or type(error).__name__}


def _verbs() -> dict:
    """Stage -> the verb that makes it."""
    from WorldModels.encode import encode
    from WorldModels.train_controller import train_controller
    from WorldModels.train_memory import train_memory
    from WorldModels.train_vision import train_vision

    return {
        "vision": train_vision,
        "series": encode,
        "memory": train_memory,
        "controller": train_controller,
    }


def _add_speeds(facts: dict, contestants: Sequence, file: Path) -> None:
    """Add speeds to the complete rows; not for optimizers, whose drivers are equally fast."""
    if not contestants or facts["noun"] == "optimizer":
        return
    from WorldModels.assembly.comparison.speeds import speed_facts

    own = file.with_name(f"{facts['noun']}_speeds.json")
    speeds = speed_facts(contestants, facts["noun"], own, facts["scale"] == "smoke")
    facts["rows"] = [row | {"speed": speeds.get(row["kind"], {})} for row in facts["rows"]]


def _write(facts: dict, contestants: Sequence, file: Path) -> str:
    """Write the table so far and its pictures, if anything is new; return the table."""
    from WorldModels.assembly.comparison.tables import markdown

    text, sound = markdown(facts), [row for row in facts["rows"] if "failed" not in row]
    if read_json(file) == facts and file.with_suffix(".md").exists():
        return text
    from WorldModels.figures import comparison
    from WorldModels.figures.curves import save

    if sound:
        save(comparison.FIGURES[facts["noun"]](sound), file.with_suffix(".png"))
    if contestants and facts["noun"] == "vision":
        _draw_frames(contestants, file.with_name("vision_frames.png"))
    write_json(file, facts)
    with atomic(file.with_suffix(".md")) as temporary:
        temporary.write_text(text)
    return text


def _draw_frames(contestants: Sequence, file: Path) -> None:
    """Draw held-out frames above each V's reconstructions."""
    from WorldModels.assembly.comparison.facts import SHOWN_FRAMES, held_out_frames, picture_of
    from WorldModels.figures import comparison
    from WorldModels.figures.curves import save

    frames = held_out_frames(contestants[0], SHOWN_FRAMES)
    pictures = {contestant.kind.name: picture_of(contestant) for contestant in contestants}
    save(comparison.reconstructions(frames, pictures), file)


def _forget() -> None:
    """Let Keras drop the networks of a contestant."""
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("compare", compare, argv, __doc__, settings=CompareSettings)


if __name__ == "__main__":
    main()
