"""The section of a report on C: what it learned, how it evolved, and how kind its dream was."""

from collections.abc import Callable

from WorldModels.assembly.evaluation.tasks import GATES, shown_name
from WorldModels.assembly.showing import driver
from WorldModels.assembly.showing.facts import game, generations, in_dream, solved_line
from WorldModels.assembly.showing.report.parts import Part, picture
from WorldModels.experiment.files import read_json
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


def gates(run: Run) -> Part | None:
    """How policies fared in dream and game before the search; None if C learned in the game."""
    if run.experiment.controller.world == "real":
        return None
    found = read_json(run.need(GATES, "train_controller"))
    rows = [
        (
            shown_name(name),
            *(f"{own[where]['mean']:.0f}" for where in ("real", "dream")),
            "" if own["ratio"] is None else f"{own['ratio']:.2f}",
        )
        for name, own in found["policies"].items()
    ]
    accepted = (
        " The dream was too kind to the policies marked; --dream.accept-gate let the search go on."
        if found.get("accepted")
        else ""
    )
    return Part(
        "table",
        caption="Mean returns of other policies in the game and in the dream before the search "
        f"began, at temperature {found['made_with']['dream']['temperature']:g} and threshold "
        f"{found['made_with']['dream']['threshold']:g}.{accepted}",
        columns=("policy", "game", "dream", "ratio"),
        rows=rows,
        marked=frozenset(
            i for i, name in enumerate(found["policies"]) if name in found["warnings"]
        ),
    )
