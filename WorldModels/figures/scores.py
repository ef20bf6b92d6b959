"""Statistics of test scores, and the table that shows them."""

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 10_000  # of the bootstrap
COLUMNS = ("mean", "95% interval", "sd", "median", "iqm", "n", "laps")


def summary(scores: Sequence[float]) -> dict:
    """Mean, sd, median, interquartile mean and 95% bootstrap interval of the mean.

    Args:
        scores: (N,) returns, one per track.

    Returns:
        mean, sd (divisor N - 1; 0.0 for a single score), median, iqm, interval [low, high], n.

    Raises:
        ValueError: there are no scores, or one is not a finite number.
    """
    scores = _checked(scores)
    sd = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    return {
        "mean": float(scores.mean()),
        "sd": sd,
        "median": float(np.median(scores)),
        "iqm": interquartile_mean(scores),
        "interval": list(bootstrap_interval(scores)),
        "n": len(scores),
    }


def interquartile_mean(scores: Sequence[float]) -> float:
    """Mean of the middle half: floor(N / 4) scores are cut at each end.

    Source: Agarwal et al. 2021; it is scipy's trim_mean at 0.25.

    Args:
        scores: (N,) returns.

    Raises:
        ValueError: there are no scores, or one is not a finite number.
    """
    scores = np.sort(_checked(scores))
    cut = len(scores) // 4
    return float(scores[cut : len(scores) - cut].mean())


def bootstrap_interval(
    scores: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean; the same scores always give the same interval.

    Args:
        scores: (N,) returns.
        level: share of the resampled means that lie in the interval.
        resamples: number of means, each of N scores drawn with replacement.

    Raises:
        ValueError: there are no scores, or one is not a finite number.
    """
    # sorted, so that the order in which tracks were driven does not matter
    scores = np.sort(_checked(scores))
    draws = np.random.default_rng(0).integers(0, len(scores), (resamples, len(scores)))
    low, high = np.quantile(scores[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _checked(scores: Sequence[float]) -> np.ndarray:
    scores = np.asarray(scores, np.float64).ravel()
    if not len(scores):
        raise ValueError("scores: expected at least one, received none; play at least one game.")
    if not np.isfinite(scores).all():
        raise ValueError(
            f"scores: expected finite numbers, received {scores[~np.isfinite(scores)][0]}."
        )
    return scores


def cells(rows: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Summaries as a table: the names of the columns, and a row for each summary, its name first.

    Args:
        rows: name to what `summary` gives, with `laps` (share of laps finished, 0..1) where there
            is one.
    """
    columns = COLUMNS if any(s.get("laps") is not None for s in rows.values()) else COLUMNS[:-1]
    found = []
    for name, s in rows.items():
        laps = f"{100 * s['laps']:.0f}%" if s.get("laps") is not None else ""
        numbers = (
            f"{s['mean']:.1f}",
            "[{:.1f}, {:.1f}]".format(*s["interval"]),
            f"{s['sd']:.1f}",
            f"{s['median']:.1f}",
            f"{s['iqm']:.1f}",
            str(s["n"]),
            laps,
        )
        found.append((name, *numbers[: len(columns)]))
    return columns, found


def table(rows: Mapping[str, Mapping]) -> str:
    """Summaries as a table of text, one per line; for the argument see `cells`."""
    width = max(map(len, rows))
    widths = (8, 19, 8, 8, 8, 5, 6)
    columns, found = cells(rows)
    lines = [
        " ".join([" " * width, *(name.rjust(w) for name, w in zip(columns, widths, strict=False))])
    ]
    lines += [
        " ".join(
            [name.ljust(width), *(cell.rjust(w) for cell, w in zip(numbers, widths, strict=False))]
        )
        for name, *numbers in found
    ]
    return "\n".join(lines)


def nearest_quantiles(scores: Sequence[float], count: int) -> list[int]:
    """Choose scores that represent all of them.

    First the one nearest to the median, then some spread evenly from the lowest to the highest.

    Args:
        scores: (N,) returns.
        count: how many to choose, cut to N.

    Returns:
        Indices into scores, each once; ties go to the lowest index.

    Raises:
        ValueError: there are no scores, or one is not a finite number.
    """
    scores = _checked(scores)
    chosen: list[int] = []
    for share in [0.5, *np.linspace(0, 1, count - 1)][: len(scores)] if count > 1 else [0.5]:
        distance = np.abs(scores - np.quantile(scores, share))
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
    return chosen
