"""Of a run's report: what C has learned, and how it was evolved. Knows which file lies where, not
how anything is drawn.
"""

from collections.abc import Callable

from WorldModels.assembly.showing import page as show
from WorldModels.assembly.showing import run as gather
from WorldModels.assembly.showing.report.page import Part, picture
from WorldModels.experiment.run import Run


def weights(run: Run) -> Part:
    """A linear driver's weights."""
    from WorldModels.figures.weights import controller_weights

    return picture(
        controller_weights(*gather.weights(run), show.actions(run)),
        "C's weights: which number moves which action.",
        wide=True,
    )


def search(run: Run) -> Part:
    """Returns of the population, of the validation, and the step size, by generation."""
    from WorldModels.figures.curves import generation_curves

    dream = run.experiment.controller.world == "dream"
    solved = None if dream else show.solved(run)
    return picture(
        generation_curves(gather.generations(run), solved, dream),
        "The search, generation by generation.",
    )


def learning(against: str) -> Callable[[Run], Part]:
    """The learning curve against "generation", "frames" or "hours"."""

    def part(run: Run) -> Part:
        from WorldModels.figures.learning import learning_curve

        dream = run.experiment.controller.world == "dream"
        curve = learning_curve(
            {"this run": gather.generations(run)},
            against,
            gather.game(run),
            None if dream else show.solved(run),
            dream,
        )
        return picture(
            curve,
            {
                "generation": "By generation, beside the published curve where there is one.",
                "hours": "The same by wall time.",
                "frames": "The same by steps that drivers took.",
            }[against],
        )

    part.__name__ = f"learning by {against}"
    return part
