"""Compares policies' returns in dream and game, before a driver is evolved in the dream.

If the dream is much kinder to some policy than the game is, evolution soon finds and exploits that,
and the dream's score becomes meaningless. So policies that do not look (standing still, always left
and so on: --evaluate.baselines), and the previous iteration's driver, play in the game and in the
dream, and a table compares the two. A dream that is too kind stops train_controller before the
first generation, unless --dream.accept-gate lets it pass.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from WorldModels.assembly.evaluation.examination import examine
from WorldModels.assembly.evaluation.examiner import Examiner
from WorldModels.assembly.evaluation.tasks import GATES, shown_name
from WorldModels.assembly.evaluation.yardsticks import depends_on, files_of, same
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.run import Run

RATIO = 2.0  # warn if the dream gives more than this many times the game's return
LOWEST_AUC = 0.95  # of M's predictions of the end; a lower AUC is pointed out


def show_gates(run: Run) -> dict:
    """Print how policies fare in the game and in the dream, and save that in gates.json.

    A gates.json made with the same M, first latents and settings is printed again.

    Args:
        run: the open run, with V, M and first latents.

    Returns:
        The contents of gates.json: policies, each with real and dream (see figures.scores.summary)
        and the ratio of their means; warnings and deadlier, the policies to which the dream is much
        kinder and much harder than the game; foresight, see truth.foresight_of.

    Raises:
        ValueError: --evaluate.baselines has an unknown name, or M lacks what the dream needs.
    """
    from WorldModels.assembly.worlds import dream_world

    experiment, file = run.experiment, run.path / GATES
    dream = dream_world(run.path, experiment, max_steps=experiment.env.max_steps)
    made_with = depends_on(run) | {"dream": dream.how, "dreams": 2 * experiment.evaluate.dreams}
    report = _earlier(run, file)
    if not report or not same(report["made_with"], made_with):
        report = _gates(run, Examiner(run.path, experiment.env, files_of(run), dream), made_with)
        write_json(file, report)
    _show(run, report)
    return report


def pass_gates(run: Run) -> None:
    """Show the gates, and refuse a dream that is too kind.

    Raises:
        ValueError: it is too kind to some policy, this is no smoke test, and --dream.accept-gate
            was not given.
    """
    report = show_gates(run)
    accepted = run.experiment.dream.accept_gate
    if report["warnings"] and run.experiment.scale != "smoke" and not accepted:
        names = ", ".join(map(shown_name, report["warnings"]))
        raise ValueError(
            f"the dream is too kind to {names} (see the table above): expected at most {RATIO:g} "
            "times the game's return. Record more of what they do (--record.policies, or another "
            "iteration), train M longer, let --dream.calibrate fit the dream to the game, or give "
            "--dream.accept-gate to evolve a driver in it anyway."
        )
    write_json(run.path / GATES, report | {"accepted": bool(report["warnings"] and accepted)})


def _earlier(run: Run, file: Path) -> dict | None:
    """The contents of an earlier gates.json; None if there is none, or it is damaged."""
    try:
        return read_json(file, lambda: run.command("train_controller"))
    except ValueError as error:
        run.say(f"gates: {error}")
        return None


def _gates(run: Run, examiner: Examiner, made_with: dict) -> dict:
    from WorldModels.assembly.evaluation.truth import foresight_of

    run.say("gates: policies, in the game and in the dream.")
    counts = {"gates": made_with["games"], "gate_dreams": made_with["dreams"]}
    wanted = [
        (kind, policy, n)
        for kind, count in counts.items()
        for policy in made_with["policies"]
        for n in range(count)
    ]
    workers = run.experiment.workers
    rows = examine(examiner, wanted, workers=workers, say=run.say, label=run.verb)
    returns = _returns(rows, next(iter(examiner.game.rules.values())))
    policies = {
        name: _compared(returns["gates", name], returns["gate_dreams", name])
        for name in made_with["policies"]
    }
    return {
        "made_with": made_with,
        "policies": policies,
        "warnings": [name for name, p in policies.items() if kinder(p["real"], p["dream"])],
        "deadlier": [name for name, p in policies.items() if kinder(p["dream"], p["real"])],
        "foresight": foresight_of(run.path, run.experiment),
    }


def _returns(rows: Mapping[tuple, Mapping], suffix: str) -> dict[tuple[str, str], list[float]]:
    """(kind, policy) -> its returns; in games, those under the rule with this suffix."""
    returns: dict[tuple[str, str], list[float]] = {}
    for (kind, policy, _), row in rows.items():
        column = f"return{suffix}" if kind == "gates" else "return"
        returns.setdefault((kind, policy), []).append(float(row[column]))
    return returns


def _compared(real: list[float], dream: list[float]) -> dict:
    from WorldModels.figures.scores import summary

    return {"real": summary(real), "dream": summary(dream), "ratio": ratio(real, dream)}


def ratio(real: Sequence[float], dream: Sequence[float]) -> float | None:
    """The dream's mean return over the game's; None if either mean is not positive."""
    real, dream = float(np.mean(real)), float(np.mean(dream))
    return dream / real if real > 0 and dream > 0 else None


def kinder(real: Mapping, dream: Mapping) -> bool:
    """Whether the dream is much kinder than the game.

    That is, it gives more than RATIO times the game's return, and the gap exceeds one standard
    deviation of the game's returns. If the game's return is negative, the gap is compared with its
    absolute value.

    Args:
        real: figures.scores.summary of the game's returns.
        dream: the same of the dream's.
    """
    gap = dream["mean"] - real["mean"]
    return gap > (RATIO - 1) * abs(real["mean"]) and gap > real["sd"]


def _show(run: Run, report: dict) -> None:
    how, policies = report["made_with"], report["policies"]
    run.say(
        f"Returns over {how['games']} games and {how['dreams']} dreams at temperature "
        f"{how['dream']['temperature']:g}, at most {how['dream']['max_steps']} steps:"
    )
    run.say(_table(policies))
    for name in report["warnings"]:
        run.say(
            f"warning: {_gap(name, policies)}. Evolution exploits such a gap, and high scores in "
            "the dream will mean little. Record more of what that policy does "
            "(--record.policies), train M longer, or raise --dream.temperature."
        )
    for name in report["deadlier"]:
        run.say(
            f"warning: {_gap(name, policies)}: the dream is far harder than the game, and little "
            "can be learned in it. Lower --dream.temperature or raise --dream.threshold."
        )
    if report["foresight"] and report["foresight"]["terminal_auc"] is not None:
        run.say(_foresight_line(report["foresight"]))


def _gap(name: str, policies: Mapping[str, Mapping]) -> str:
    real, dream = (policies[name][where]["mean"] for where in ("real", "dream"))
    return f"{shown_name(name)} gets {dream:.0f} in the dream but {real:.0f} in the game"


def _table(policies: Mapping[str, Mapping]) -> str:
    width = max(map(len, ["policy", *map(shown_name, policies)]))
    lines = [
        f"{'policy':{width}} {'real mean':>10} {'sd':>7} {'dream mean':>11} {'sd':>7} {'ratio':>6}"
    ]
    for name, p in policies.items():
        real, dream = p["real"], p["dream"]
        shown = "" if p["ratio"] is None else f"{p['ratio']:.2f}"
        lines.append(
            f"{shown_name(name):{width}} {real['mean']:10.1f} {real['sd']:7.1f} "
            f"{dream['mean']:11.1f} {dream['sd']:7.1f} {shown:>6}"
        )
    return "\n".join(lines)


def _foresight_line(seen: Mapping) -> str:
    auc, recall = seen["terminal_auc"], seen["terminal_recall"]
    shown = "-" if recall is None else f"{recall:.2f}"
    low = f"; below {LOWEST_AUC:g}, M hardly knows when an episode ends" if auc < LOWEST_AUC else ""
    return (
        f"M's predictions of the end on {seen['episodes']} held-out episodes: recall {shown}, "
        f"{seen['false_alarms']:.2f} false alarms per episode, AUC {auc:.3f}{low}."
    )
