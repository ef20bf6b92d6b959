"""Show a run on one page, report.html: scores, films, what V, M and C learned, every setting.

    python -m WorldModels.report carracing      # of results/carracing, into its latest iteration
    python -m WorldModels.report takecover --results results/doom --to doom.html

The page is one file that holds its pictures and films. The settings are those stored in the run's
folder, which is otherwise only read. For an unfinished run the page shows what exists, and for each
missing part the command that makes it. Each part is a function in assembly/showing/report/.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from WorldModels.assembly.showing.facts import game, progress
from WorldModels.assembly.showing.report import control, memory, provenance, results, vision
from WorldModels.assembly.showing.report.html import rendered
from WorldModels.assembly.showing.report.parts import Part, Section
from WorldModels.assembly.showing.run import opened_as
from WorldModels.experiment.command import one_line, run_verb
from WorldModels.experiment.fields import free
from WorldModels.experiment.files import atomic
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

# What a part may raise if a file is damaged.
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, OSError)
Maker = Callable[[Run], Part | None]

# Title -> the text under it, and the functions that make its parts from a run. A function returns
# None if its part does not apply to the run, and raises an error with the command to type if the
# run has not got that far.
SECTIONS: dict[str, tuple[str, Sequence[Maker]]] = {
    "Results": (
        "How well the driver does in games that had no part in training or choosing it, and what "
        "that looks like.",
        (
            results.scores,
            results.histogram,
            results.learned_in_a_dream,
            results.real_film,
            results.rebuilt_film,
            results.dream_film,
        ),
    ),
    "See: V": (
        "V compresses a frame into a few numbers, z, and rebuilds the frame from them.",
        (
            vision.reconstructions,
            vision.vectors,
            vision.samples,
            vision.latents,
            vision.traversal,
            vision.learning,
            vision.losses,
        ),
    ),
    "Remember and imagine: M": (
        "M reads z and actions, predicts the next z, and can continue without the game.",
        (
            memory.imagined,
            memory.temperatures,
            memory.dreamt_twice,
            memory.foreseen,
            memory.learning,
            memory.horizon,
            memory.tempered,
        ),
    ),
    "Act: C": (
        "C turns z and what M remembers into actions. It is evolved, not trained by gradients.",
        (
            control.weights,
            control.search,
            *map(control.learning, ("generation", "frames", "hours")),
        ),
    ),
    "How it was made": (
        "Enough to reproduce it: the same settings and seed give the same run.",
        (provenance.stages, provenance.settings, provenance.versions, provenance.log),
    ),
}


@dataclass(frozen=True)
class ReportSettings(Experiment):
    """An experiment, and where its report goes."""

    to: str = free("")  # the file; default: report.html in the iteration's folder


def report(run: Run) -> None:
    """Write the run's report.html, or the file that --to names.

    Raises:
        FileNotFoundError: there is no run; the message has the command that makes one.
        ValueError: the run is another experiment's, or --to is a folder.
    """
    stored, to = opened_as(run, vectors=True), _place(run)
    sections, left_out = [], {}
    for title, (text, makers) in SECTIONS.items():
        print(f"report: {title} ...", flush=True)
        parts, missing = _made(makers, stored)
        parts += [Part("missing", f"Left out: {line}") for line in missing]
        left_out |= missing
        sections.append(Section(title, text, parts))
    path = to or stored.path / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(rendered(*_head(stored), sections), encoding="utf-8")
    for line in left_out:
        print(f"report: left out: {line}", flush=True)
    print(f"report: {path}, {path.stat().st_size / 1e6:.1f} MB.", flush=True)


def _made(makers: Iterable[Maker], run: Run) -> tuple[list[Part], dict[str, None]]:
    """The parts that can be made from a run, and a line for each that cannot, in order."""
    parts, missing = [], {}
    for make in makers:
        try:
            if part := make(run):
                parts.append(part)
        except (FileNotFoundError, ImportError) as error:
            missing[one_line(error)] = None
        except DAMAGED as error:
            missing[f"{make.__name__.replace('_', ' ')}: {_damage(error)}"] = None
    return parts, missing


def _place(run: Run) -> Path | None:
    path = Path(run.experiment.to) if run.experiment.to else None
    if path and path.is_dir():
        raise ValueError(
            f"--to: expected a file, received the folder {path}; name a file in it: "
            f"--to {path / 'report.html'}"
        )
    return path


def _damage(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, ValueError):
        return one_line(error)
    return f"a file is damaged ({type(error).__name__}: {error})."


def _head(run: Run) -> tuple[str, list[str]]:
    """The page's title, and the lines under it."""
    ours = run.experiment
    line = (
        f"{ours.env.id} at {ours.scale} scale, seed {ours.seed}, iteration {run.iteration}. "
        f"V: {ours.vision.kind}, M: {ours.memory.kind}, "
        f"C: {ours.controller.optimizer} in the {ours.controller.world} world."
    )
    title = f"World model of {game(run).published or ours.env.id}"
    return title, [line, f"Made so far in {run.path}: {progress(run)}"]


def main(argv: list[str] | None = None) -> None:
    """Run the verb on a command line, by default the process's own."""
    run_verb("report", report, argv, __doc__, settings=ReportSettings, reads_only=True)


if __name__ == "__main__":
    main()
