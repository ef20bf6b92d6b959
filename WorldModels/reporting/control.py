"""Of a run's report: what C has learned, and how it was evolved. Knows which file lies where, not how anything is drawn."""

from collections.abc import Callable

from WorldModels import gather, show
from WorldModels.experiment.files import read_rows
from WorldModels.experiment.results import Run
from WorldModels.reporting.page import Part, picture


def weights(run: Run) -> Part:
    """A linear driver's weights."""
    from WorldModels.figures.weights import controller_weights

    return picture(controller_weights(*gather.weights(run), show.actions(run)), "C's weights: which number moves which action.", wide=True)


def search(run: Run) -> Part:
    """Returns of the population, of the validation, and the step size, by generation."""
    from WorldModels.figures.curves import generation_curves

    dream = run.experiment.controller.world == "dream"
    solved = None if dream else show.solved(run)
    return picture(generation_curves(_generations(run), solved, dream), "The search, generation by generation.")


def learning(against: str) -> Callable[[Run], Part]:
    """The learning curve against "generation", "frames" or "hours"."""

    def part(run: Run) -> Part:
        from WorldModels.figures.learning import learning_curve

        curve = learning_curve({"this run": _generations(run)}, against, run.experiment.name, show.solved(run),
                               run.experiment.controller.world == "dream")  # fmt: skip
        return picture(curve, {"generation": "Beside the published curve, by generation.", "hours": "The same by wall time.",
                               "frames": "The same by steps that the driver has taken."}[against])  # fmt: skip

    return part


def _generations(run: Run) -> list[dict]:
    return read_rows(run.need("controller/generations.csv", "train_controller"))
