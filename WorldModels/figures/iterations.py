"""The scores of a run's iterations beside one another, and what each gained on the same tracks.
Knows evaluation.json alone.
"""

from pathlib import Path

from WorldModels.experiment.files import read_json
from WorldModels.figures.scores import summary, table


def comparison(folder: Path, last: int) -> str | None:
    """A table of text: a row of scores for each iteration, and one for what it gained on the
    iteration before, track by track.

    Args:
        folder: a run's, with K/evaluation.json for iteration K.
        last: the last iteration of the table.

    Returns:
        The table; None where fewer than two iterations up to the last have been evaluated by one
        rule and on the same tracks.
    """
    reports = {k: read_json(folder / str(k) / "evaluation.json") for k in range(last + 1)}
    if not reports[last]:
        return None
    rule, first_seed = next(iter(reports[last]["scores"])), reports[last]["first_seed"]
    scores = {
        k: r["scores"][rule]["tracks"]
        for k, r in reports.items()
        if r and r["first_seed"] == first_seed and rule in r["scores"]
    }
    rows = {f"iteration {k}, {rule}": reports[k]["scores"][rule] for k in scores}
    for before, k in zip(scores, list(scores)[1:], strict=False):
        rows[f"{k} minus {before}"] = summary(
            [new - old for new, old in zip(scores[k], scores[before], strict=False)]
        )
    return table(rows) if len(scores) > 1 else None
