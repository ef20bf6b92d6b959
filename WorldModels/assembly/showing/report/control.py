"""The section of a report on C: what it learned, and how it evolved."""

from collections.abc import Callable

from WorldModels.assembly.showing import driver
from WorldModels.assembly.showing.facts import game, generations, in_dream, solved_line
from WorldModels.assembly.showing.report.parts import Part, picture
from WorldModels.experiment.run import Run

CAPTIONS = {
    "generation": "Returns by generation, beside the published curve if there is one.",
    "hours": "The same by wall time.",
    "frames": "The same by training steps.",
}


def weights(run: Run) -> Part:
    """A linear driver's weights."""
    from WorldModels.figures.weights import controller_weights

    found, parts = driver.weights(run)
    names = driver.action_names(run, found.shape[1])
    return picture(
        controller_weights(found, parts, names),
        "C's weights: which feature moves which action.",
        wide=True,
    )


def search(run: Run) -> Part:
    """Returns of the population, validation returns and the step size, by generation."""
    from WorldModels.figures.curves import generation_curves

    rows = generations(run)
    curves = generation_curves(rows, solved_line(run), in_dream(run), game(run).noun)
    return picture(curves, "The search, generation by generation.")


def learning(against: str) -> Callable[[Run], Part]:
    """The learning curve against "generation", "frames" or "hours"."""

    def part(run: Run) -> Part:
        from WorldModels.figures.learning import learning_curve

        curve = learning_curve(
            {"this run": generations(run)},
            against,
            game(run).published,
            solved_line(run),
            in_dream(run),
        )
        return picture(curve, CAPTIONS[against])

    part.__name__ = f"learning by {against}"
    return part
