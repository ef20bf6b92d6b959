"""The sections of a run's report, and the page that they make."""

from collections.abc import Callable, Iterable, Sequence

from WorldModels.assembly.showing.facts import game, progress
from WorldModels.assembly.showing.report import control, memory, provenance, results, vision
from WorldModels.assembly.showing.report.html import rendered
from WorldModels.assembly.showing.report.parts import Part, Section
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.run import Run

# What a part may raise if a file is damaged.
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, OSError)
Maker = Callable[[Run], Part | None]

# Title -> the text under it, and the functions that make its parts from a run. A function returns
# None if its part does not apply to the run, and raises an error with the command to type if the
# run has not got that far.
SECTIONS: dict[str, tuple[str, Sequence[Maker]]] = {
    "Results": (
        "How well the driver does in games that played no part in training or choosing it, and "
        "what that looks like.",
        (
            results.scores,
            results.side_by_side,
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
            control.gates,
            control.search,
            *map(control.learning, ("generation", "frames", "hours")),
        ),
    ),
    "How it was made": (
        "Enough to reproduce it: the same settings and seed give the same run.",
        (provenance.stages, provenance.settings, provenance.versions, provenance.log),
    ),
}


def page_of(run: Run) -> tuple[str, dict[str, None]]:
    """The report of a run as HTML, and a line for each part that cannot be made."""
    sections, left_out = [], {}
    for title, (text, makers) in SECTIONS.items():
        print(f"report: {title} ...", flush=True)
        parts, missing = _made(makers, run)
        parts += [Part("missing", f"Left out: {line}") for line in missing]
        left_out |= missing
        sections.append(Section(title, text, parts))
    return rendered(*_head(run), sections), left_out


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
