"""A run on one page: scores, films, what V, M and C learned, every setting -> report.html, one file
that holds everything in itself

    python -m WorldModels.report carracing                                   # of results/carracing,
    into its newest iteration's folder
    python -m WorldModels.report takecover --results results/doom --to doom.html

The settings are those that lie in the run's folder, which is only read. Of an unfinished run the
page shows what there is, and for
what it lacks the command that makes it. Each part of the page is a function in reporting/.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from WorldModels.assembly.showing import run as gather
from WorldModels.assembly.showing.report import control, memory, provenance, results, vision
from WorldModels.assembly.showing.report.page import Part, Section, page
from WorldModels.experiment.command import one_line, run_verb
from WorldModels.experiment.fields import free
from WorldModels.experiment.files import atomic
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
)  # what a part may say of a file that is not as it should be

# Title -> what is said under it, and the functions that make its parts out of a run. A function
# gives None where its part does not
# belong to such a run, and raises what names the command where the run has not come to it.
SECTIONS: dict[str, tuple[str, Sequence[Callable[[Run], Part | None]]]] = {
    "Results": (
        "How well the driver does in games that neither trained nor chose it, and what that looks like.",
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
        "V squeezes a frame into a few numbers, z, and makes a frame of them again.",
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
        "M reads z and actions, foresees the next z, and can go on without the game.",
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
        "C turns z and what M remembers into actions. It is bred, not trained.",
        (
            control.weights,
            control.search,
            *map(control.learning, ("generation", "frames", "hours")),
        ),
    ),
    "Made with": (
        "Enough to make it again: the same settings and seed give the same run.",
        (provenance.settings, provenance.versions, provenance.log),
    ),
}


@dataclass(frozen=True)
class ReportSettings(Experiment):
    """An experiment, and where its report goes."""

    to: str = free("")  # the file; report.html in the iteration's folder where none is named


def report(run: Run) -> None:
    """Have report.html of a run, or the file --to.

    Raises:
        FileNotFoundError: there is no run; the message has the command that makes one.
        ValueError: the folder is another experiment's, or --to is a folder.
    """
    stored, to = gather.opened_as(run, vectors=True), _place(run)
    sections, said = [], {}
    for title, (words, makers) in SECTIONS.items():
        print(f"report: {title} ...", flush=True)
        parts, missing = [], {}
        for make in makers:
            try:
                if part := make(stored):
                    parts.append(part)
            except (FileNotFoundError, ImportError) as error:
                missing[one_line(error)] = None
            except DAMAGED as error:
                missing[f"{make.__name__.replace('_', ' ')}: {_damage(error)}"] = None
        said.update(missing)
        sections.append(
            Section(
                title, words, [*parts, *(Part("missing", f"Left out: {line}") for line in missing)]
            )
        )
    path = to or stored.path / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(page(*_head(stored), sections), encoding="utf-8")
    for line in said:
        print(f"report: left out: {line}", flush=True)
    print(f"report: {path}, {path.stat().st_size / 1e6:.1f} MB.", flush=True)


def _place(run: Run) -> Path | None:
    path = Path(run.experiment.to) if run.experiment.to else None
    if path and path.is_dir():
        raise ValueError(
            f"--to: expected a file, received the folder {path}; name one in it: --to {path / 'report.html'}"
        )
    return path


def _damage(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}."
    return (
        one_line(error)
        if isinstance(error, ValueError)
        else f"a file is not as it should be ({type(error).__name__}: {error})."
    )


def _head(run: Run) -> tuple[str, list[str]]:
    """The page's title and the lines under it."""
    ours = run.experiment
    kinds = f"V: {ours.vision.kind}, M: {ours.memory.kind}, C: {ours.controller.optimizer} in the {ours.controller.world} world"
    line = f"{ours.env.id} at {ours.scale} scale, seed {ours.seed}, iteration {run.iteration}. {kinds}."
    return f"World model of {gather.game(run) or ours.env.id}", [
        line,
        f"In {run.path}: {gather.progress(run)}",
    ]


def main(argv: list[str] | None = None) -> None:
    run_verb("report", report, argv, __doc__, settings=ReportSettings, reads_only=True)


if __name__ == "__main__":
    main()
