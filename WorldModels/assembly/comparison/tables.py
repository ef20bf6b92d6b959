"""The table of a comparison as markdown."""

from collections.abc import Mapping, Sequence

from WorldModels.assembly.evaluation.truth import CONSTANT, MODE

SHOWN_HORIZONS = (1, 10, 50)  # steps of dreaming
MISSING = "-"


def markdown(facts: Mapping) -> str:
    """The text of compare/NOUN.md: a title, the table, and what its columns mean.

    Args:
        facts: the contents of compare/NOUN.json.
    """
    noun, rows = facts["noun"], [row for row in facts["rows"] if "failed" not in row]
    columns, notes = {"memory": _memory, "vision": _vision, "optimizer": _optimizer}[noun](rows)
    lines = [[row["kind"], *[show(row) for show in columns.values()]] for row in rows]
    lines += _baselines(rows) if noun == "memory" else []
    failed = [
        f"- **{row['kind']}** failed: {row['failed']}" for row in facts["rows"] if "failed" in row
    ]
    about = f"{facts['experiment']}, {facts['scale']} scale, seed {facts['seed']}"
    parts = [
        f"# Kinds of {noun}: {about}",
        _table(["", *columns], lines),
        "\n".join(failed),
        " ".join([*notes, _test_note(rows)]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _memory(rows: Sequence[Mapping]) -> tuple[dict, list[str]]:
    columns = {
        "parameters": lambda r: f"{r['parameters']:,}",
        "held-out nats per dimension": lambda r: _number(r["nll"].get("held_out"), 3),
        "its head without inputs": lambda r: _number(r["nll"].get("unconditional"), 3),
    }
    for horizon in _horizons(rows):
        columns[f"error after {horizon}"] = lambda r, horizon=horizon: _error(r, MODE, horizon)
    columns |= {
        "training tokens/s": lambda r: _number(r.get("speed", {}).get("training")),
        "rollout steps/s": lambda r: _number(r.get("speed", {}).get("driving")),
    } | _driver(rows)
    notes = [
        "Held-out loss: over complete episodes that M was not trained on, next to the loss of the "
        "same head without inputs.",
        "Error after n: mean squared difference of decoded pixels (0..1) after n dreamt steps "
        "at temperature 0, starting from true history and given the true actions.",
        "Speeds: the kinds take turns; training uses all cores, a rollout (environment, V, M and "
        "C) one.",
    ]
    return columns, notes


def _vision(rows: Sequence[Mapping]) -> tuple[dict, list[str]]:
    columns = {
        "parameters": lambda r: f"{r['parameters']:,}",
        "squared error per frame, z its mean": lambda r: _number(r["squared_error"], 1),
        "SSIM": lambda r: _number(r["ssim"], 3),
        "rollout steps/s": lambda r: _number(r.get("speed", {}).get("driving")),
        **_driver(rows),
        "spread of samples": lambda r: _number(r["history"].get("val_sample_spread"), 2),
        "fakes taken for real": lambda r: _number(r["history"].get("fake_probability"), 2),
    }
    count = rows[0]["frames"] if rows else 0
    notes = [
        f"Squared error (summed over a frame, pixels 0..1) and structural similarity (SSIM): over "
        f"{count} held-out frames, encoded to the mean and decoded. Spread: mean difference "
        "between two decoded random latents, as a share of that between two held-out frames. Fakes "
        "taken for real: the discriminator's mean probability for fakes in the last epoch.",
        "Rollout: environment, V, M and C on one core; the kinds take turns.",
    ]
    return columns, notes


def _optimizer(rows: Sequence[Mapping]) -> tuple[dict, list[str]]:
    columns = _driver(rows) | {
        "generation of the best mean": lambda r: _number(r["driver"]["best_generation"]),
        "best validation": lambda r: _number(max(r["driver"]["curve"]["validation"], default=None)),
        "minutes": lambda r: _number(r["driver"]["minutes"], 1),
    }
    return columns, ["All drivers use the same V and M."]


def _driver(rows: Sequence[Mapping]) -> dict:
    return {
        "driver's return": lambda r: _number(r["driver"]["mean"]),
        "95% interval": lambda r: "{:,.0f} to {:,.0f}".format(*r["driver"]["interval"]),
        "driver's training steps": lambda r: _number(r["driver"]["frames"]),
        "generations": lambda r: _number(r["driver"]["generations"]),
    }


def _test_note(rows: Sequence[Mapping]) -> str:
    tracks = " or ".join(map(str, sorted({row["driver"]["n"] for row in rows})))
    if not tracks:
        return ""
    return f"Return: of the best driver by validation, averaged over {tracks} test tracks."


def _horizons(rows: Sequence[Mapping]) -> list[int]:
    there = {horizon for row in rows if row["horizon"] for horizon in row["horizon"]["horizons"]}
    return [horizon for horizon in SHOWN_HORIZONS if horizon in there]


def _error(row: Mapping, guess: str, horizon: int) -> str:
    found = row["horizon"]
    if not found or horizon not in found["horizons"]:
        return MISSING
    return _number(found["frame"][guess][found["horizons"].index(horizon)], 5)


def _baselines(rows: Sequence[Mapping]) -> list[list[str]]:
    """The baselines that every M must beat, as lines of the table.

    They come from the first row that has them: all were scored on the same series.
    """
    first = next((row for row in rows if row["nll"] or row["horizon"]), None)
    if first is None:
        return []
    horizons = _horizons(rows)
    copied, static = (_number(first["nll"].get(name), 3) for name in ("copy_previous", "static"))
    errors = [_error(first, CONSTANT, horizon) for horizon in horizons]
    return [
        ["*previous latent, last frame kept*", MISSING, copied, MISSING, *errors],
        ["*static Gaussian*", MISSING, static, MISSING, *[MISSING] * len(horizons)],
    ]


def _number(value: float | None, digits: int = 0) -> str:
    return MISSING if value is None else f"{value:,.{digits}f}"


def _table(header: list[str], lines: list[list[str]]) -> str:
    lines = [line + [""] * (len(header) - len(line)) for line in lines]
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    padded = [
        [line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]
        for line in [header, rule, *lines]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
