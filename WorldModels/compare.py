"""Kinds beside one another: each learns from the same episodes, drives as long as the others, and
is measured alike.

    python -m WorldModels.compare carracing                                            # all kinds
    of memory
    python -m WorldModels.compare carracing --kinds mdn_rnn,mdn_rnn:joint,trade:paper  # a kind, or
    kind:option
    python -m WorldModels.compare carracing --noun vision                              # vae,
    vae_gan
    python -m WorldModels.compare carracing --noun optimizer --kinds cma,openes --frames 1000000

The kind trade:paper of results/carracing lives in results/carracing-trade-paper, which takes from
the run (as --reuse does) all
that was made with the same settings: for memories episodes, V and series, for optimizers M too, and
of the run's own kind what is
there. A driver is evolved for each on --frames steps of the environment (smoke 300, laptop 600,000,
paper 100,000,000) and tested
on --tracks. The table (markdown, JSON) and a plot go to compare/ in the run's folder. Interrupted,
the same command goes on; a
kind that fails leaves a line that says why, and the others stand. Other flags hold for all kinds.
"""

import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from WorldModels.assembly.comparison.contestants import NOUNS, parsed
from WorldModels.assembly.comparison.rows import Row, frames_of, inputs_of, make, row_of
from WorldModels.experiment.command import one_line, run_verb
from WorldModels.experiment.fields import budget, free, within
from WorldModels.experiment.files import atomic, read_json, write_json
from WorldModels.experiment.presets import preset
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
    """An experiment, and which kinds of a noun are compared in it."""

    noun: Literal["memory", "vision", "optimizer"] = free(
        "memory"
    )  # what is of several kinds; all else is the same
    kinds: str = free("")  # which: a,b:option; all that there are where none are named
    frames: int = budget(
        0
    )  # steps of the environment that each driver is evolved on; 0: --controller.steps, or by scale
    tracks: int = budget(0)  # test tracks for each driver; 0: --evaluate.tracks

    def __post_init__(self):
        super().__post_init__()
        parsed(self.kinds, self.noun)
        within(self, "frames", 0, 10**12)
        within(self, "tracks", 0, 10**6)


def compare(run: Run) -> None:
    """Have the table of the kinds in compare/ of the run's folder.

    Raises:
        ValueError: what is asked for cannot be compared, or a kind failed; then the table has the
        others.
        FileNotFoundError: the run lacks what the kinds share.
    """
    experiment, file = run.experiment, run.folder / "compare" / f"{run.experiment.noun}.json"
    rows, whole = _rows(run), []
    lines = {
        line["kind"]: line for line in (read_json(file) or {"rows": []})["rows"]
    }  # until a kind's own line is there
    facts = {
        "noun": experiment.noun,
        "experiment": experiment.name,
        "scale": experiment.scale,
        "seed": experiment.seed,
        "environment": experiment.env.id,
        "world": experiment.controller.world,
    }
    for row in rows:
        run.say(f"compare: {row.kind.name}, in {row.folder}.")
        lines[row.kind.name] = line = _line(row, experiment) | {
            "speed": lines.get(row.kind.name, {}).get("speed", {})
        }
        whole += [row] * ("failed" not in line)
        _write(
            facts | {"rows": [lines[row.kind.name] for row in rows if row.kind.name in lines]},
            whole,
            file,
        )
        _forget()
    facts["rows"] = [lines[row.kind.name] for row in rows]
    _add_speeds(facts, whole, file)
    run.say(_write(facts, whole, file))
    run.say(
        f"In {file.parent}: {', '.join(sorted(path.name for path in file.parent.glob(f'{experiment.noun}*')))}."
    )
    if failed := [
        f"{line['kind']} failed: {line['failed']}" for line in facts["rows"] if "failed" in line
    ]:
        raise ValueError("; ".join([*failed, "the same command tries again"]) + ".")


def _rows(run: Run) -> list[Row]:
    """The rows; all that can be refused is refused here, before anything is made."""
    experiment = run.experiment
    if experiment.force:
        raise ValueError(
            "--force: expected none, as it does not say which kind is to be made anew, received --force; remove that kind's "
            f"folder, such as {run.folder}{parsed(experiment.kinds, experiment.noun)[0].suffix}."
        )
    if run.iteration:
        raise ValueError(
            f"--iteration: expected 0, as kinds are compared on its episodes, received {run.iteration}; give --iteration 0."
        )
    frames = frames_of(
        experiment, experiment.frames, preset(experiment.name, experiment.scale).controller.steps
    )
    rows = [row_of(run, kind, frames) for kind in parsed(experiment.kinds, experiment.noun)]
    for stage in NOUNS[experiment.noun].takes:
        run.need(*NEEDED[stage])
        run.stage(stage, inputs_of(run, stage))
    return rows


def _line(row: Row, experiment: Experiment) -> dict:
    """What the table says of a kind: its numbers, or why there are none."""
    from WorldModels.assembly.comparison import facts as measures

    line = {"kind": row.kind.name, "folder": str(row.folder)}
    try:
        make(row, experiment.noun)
        own = {
            "memory": measures.memory_facts,
            "vision": measures.vision_facts,
            "optimizer": lambda row: {},
        }[experiment.noun]
        return (
            line
            | own(row)
            | {
                "driver": measures.driver_facts(
                    row, experiment.tracks or experiment.evaluate.tracks
                )
            }
        )
    except Exception as error:  # whatever it is: a kind that fails must not hide the others
        if os.environ.get("WORLDMODELS_TRACEBACK"):
            traceback.print_exc()
        return line | {"failed": one_line(error) or type(error).__name__}


def _add_speeds(facts: dict, rows: list[Row], file: Path) -> None:
    """Put into each whole row how fast it is; of optimizers nothing, their worlds are one and the
    same.
    """
    if not rows or facts["noun"] == "optimizer":
        return
    from WorldModels.assembly.comparison.facts import speed_facts

    speeds = speed_facts(
        rows,
        facts["noun"],
        file.with_name(f"{facts['noun']}_speeds.json"),
        facts["scale"] == "smoke",
    )
    facts["rows"] = [row | {"speed": speeds.get(row["kind"], {})} for row in facts["rows"]]


def _write(facts: dict, rows: list[Row], file: Path) -> str:
    """Write the table, as far as it goes, and the pictures, where they say something new; give the
    table.
    """
    from WorldModels.assembly.comparison.facts import SHOWN_FRAMES, held_out_frames, picture_of
    from WorldModels.assembly.comparison.tables import markdown

    text, sound = markdown(facts), [row for row in facts["rows"] if "failed" not in row]
    if read_json(file) == facts and file.with_suffix(".md").exists():
        return text
    from WorldModels.figures import comparison
    from WorldModels.figures.curves import save

    if sound:
        save(comparison.FIGURES[facts["noun"]](sound), file.with_suffix(".png"))
    if rows and facts["noun"] == "vision":
        pictures = {row.kind.name: picture_of(row) for row in rows}
        save(
            comparison.reconstructions(held_out_frames(rows[0], SHOWN_FRAMES), pictures),
            file.with_name("vision_frames.png"),
        )
    write_json(file, facts)
    with atomic(file.with_suffix(".md")) as temporary:
        temporary.write_text(text)
    return text


def _forget() -> None:
    """Let Keras drop the networks of a row."""
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()


def main(argv: list[str] | None = None) -> None:
    run_verb("compare", compare, argv, __doc__, settings=CompareSettings)


if __name__ == "__main__":
    main()
