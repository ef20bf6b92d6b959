"""A table of the scores of a run's iterations, and of what each gained on the same tracks."""

from collections.abc import Mapping
from pathlib import Path

from WorldModels.experiment.files import read_json
from WorldModels.figures.scores import summary, table


def comparison(folder: Path, last: int) -> str | None:
    """A table of text: the scores of each iteration, and its gain on the one before, by track.

    Args:
        folder: a run's, with K/evaluation.json for iteration K.
        last: the last iteration of the table.

    Returns:
        The table; None if the last iteration has not been evaluated, or no earlier one has been
        by the same rule and on the same tracks.
    """
    reports = {k: read_json(folder / str(k) / "evaluation.json") for k in range(last + 1)}
    if not reports[last]:
        return None
    rule = next(iter(reports[last]["scores"]))
    alike = _alike(reports, rule, reports[last]["first_seed"])
    rows = {f"iteration {k}, {rule}": scores for k, scores in alike.items()}
    for before, k in zip(alike, list(alike)[1:], strict=False):
        both = zip(alike[k]["tracks"], alike[before]["tracks"], strict=False)
        rows[f"{k} minus {before}"] = summary([new - old for new, old in both])
    return table(rows) if len(alike) > 1 else None


def _alike(reports: Mapping[int, dict | None], rule: str, first_seed: int) -> dict[int, dict]:
    """The scores of the iterations tested by this rule on tracks from this first seed on."""
    return {
        k: report["scores"][rule]
        for k, report in reports.items()
        if report and report["first_seed"] == first_seed and rule in report["scores"]
    }
