"""Before a driver is evolved in the dream: is the dream as hard as the game for policies that do
not look?

Where it is much kinder to one of them, evolution finds that within generations and farms it, and
the dream's score says
nothing any more. So standing still, always left and the like (--evaluate.baselines) play the game
and dream, and a table
compares them. It warns and never stops. Knows policies by name, and nothing of evolution.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from WorldModels.assembly.evaluation.examiner import Examiner, examined, has_laps
from WorldModels.experiment.fields import plain
from WorldModels.experiment.files import hash_files, read_json, write_json
from WorldModels.experiment.run import Run

GAMES, TRACKS = 30, 10  # real ones for each policy: a game of Take Cover is short, a lap is not
RATIO = 2.0  # a dream that gives this many times what the game gives is warned of
LOWEST_AUC = 0.95  # of M's foresight of the end, below which a line says so


def show_gates(run: Run) -> dict:
    """Print how the policies fare in the game and in the dream, and keep it in gates.json of the
    iteration's folder.

    What lies there is shown again as long as M, where dreams begin, and the settings are the same.

    Args:
        run: the open run, with V, M and first latents.

    Returns:
        What gates.json holds: policies, each with real and dream (see figures.scores.summary) and
        the ratio of their means;
        warnings; M's foresight of the end on held-out episodes (see truth.foresight), None where it
        has no such head.

    Raises:
        ValueError: --evaluate.baselines has an unknown name, or M lacks what the dream needs.
    """
    from WorldModels.assembly.worlds import dream_world

    experiment, file = run.experiment, run.path / "gates.json"
    policies = baseline_names(experiment.evaluate.baselines)
    dream = dream_world(run.path, experiment, max_steps=experiment.env.max_steps)
    games = min(TRACKS if has_laps(experiment.env) else GAMES, experiment.evaluate.baseline_tracks)
    made_with = {
        "memory": hash_files(
            [run.need("memory.keras", "train_memory"), run.need("first_latents.npz", "encode")]
        ),
        "environment": plain(experiment.env),
        "dream": dream.how,
        "policies": policies,
        "games": games,
        "dreams": 2 * experiment.evaluate.dreams,
    }
    report = read_json(file)
    if not report or report["made_with"] != made_with:
        report = _gates(run, Examiner(run.path, experiment.env, {}, dream), made_with)
        write_json(file, report)
    _show(run, report)
    return report


def baseline_names(text: str) -> list[str]:
    """The policies in "uniform,stay,left", each once, in the order given.

    Raises:
        ValueError: an unknown name, or none at all; the message lists the known ones.
    """
    from WorldModels.control.policies import POLICIES

    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in POLICIES:
            raise ValueError(
                f"--evaluate.baselines: expected names among {', '.join(POLICIES)}, received {name or text!r}."
            )
    return names


def _gates(run: Run, examiner: Examiner, made_with: dict) -> dict:
    from WorldModels.assembly.evaluation.truth import foresight
    from WorldModels.figures.scores import summary

    run.say("gates: policies that do not look, in the game and in the dream.")
    counts = {"gates": made_with["games"], "gate_dreams": made_with["dreams"]}
    wanted = [
        (kind, policy, n)
        for kind, count in counts.items()
        for policy in made_with["policies"]
        for n in range(count)
    ]
    rows, policies = examined(run, examiner, wanted), {}
    for policy in made_with["policies"]:
        real, dream = (
            [_return(rows[kind, policy, n]) for n in range(count)] for kind, count in counts.items()
        )
        policies[policy] = {
            "real": summary(real),
            "dream": summary(dream),
            "ratio": ratio(real, dream),
        }
    warnings = [name for name, p in policies.items() if kinder(p["real"], p["dream"])]
    return {
        "made_with": made_with,
        "policies": policies,
        "warnings": warnings,
        "foresight": foresight(run),
    }


def _return(row: Mapping) -> float:
    return float(row["return"] if "return" in row else row["return_095"])


def ratio(real: Sequence[float], dream: Sequence[float]) -> float | None:
    """The dream's mean return over the game's; None where a mean is not positive, as a ratio means
    nothing there.
    """
    real, dream = float(np.mean(real)), float(np.mean(dream))
    return dream / real if real > 0 and dream > 0 else None


def kinder(real: Mapping, dream: Mapping) -> bool:
    """Whether the dream is much kinder than the game: it gives more than RATIO times the return,
    and more by over a standard
    deviation of the game's returns. Below zero, where there is no ratio, the gap is held against
    the return's size.

    Args:
        real, dream: what figures.scores.summary gives.
    """
    gap = dream["mean"] - real["mean"]
    return gap > (RATIO - 1) * abs(real["mean"]) and gap > real["sd"]


def _show(run: Run, report: dict) -> None:
    how, policies = report["made_with"], report["policies"]
    width = max(map(len, ["policy", *policies]))
    lines = [
        f"{'policy':{width}} {'real mean':>10} {'sd':>7} {'dream mean':>11} {'sd':>7} {'ratio':>6}"
    ]
    for name, p in policies.items():
        shown = "" if p["ratio"] is None else f"{p['ratio']:.2f}"
        lines.append(
            f"{name:{width}} {p['real']['mean']:10.1f} {p['real']['sd']:7.1f} {p['dream']['mean']:11.1f} {p['dream']['sd']:7.1f} "
            f"{shown:>6}"
        )
    run.say(
        f"Return of an episode over {how['games']} games and {how['dreams']} dreams at temperature {how['dream']['temperature']:g}, "
        f"at most {how['dream']['max_steps']} steps:"
    )
    run.say("\n".join(lines))
    for name in report["warnings"]:
        p = policies[name]
        run.say(
            f"warning: the dream gives {name} {p['dream']['mean']:.0f} where the game gives {p['real']['mean']:.0f}. Evolution farms "
            "such a gap: high scores in the dream will mean little. Record more of what that policy does (--record.policies), train M "
            "longer, or raise --dream.temperature."
        )
    seen = report["foresight"]
    if seen and seen["terminal_auc"] is not None:
        low = (
            f"; below {LOWEST_AUC:g} the dream hardly knows when it ends"
            if seen["terminal_auc"] < LOWEST_AUC
            else ""
        )
        run.say(
            f"M's foresight of the end on {seen['episodes']} held-out episodes: recall {_share(seen['terminal_recall'])}, "
            f"{seen['false_alarms']:.2f} false alarms an episode, AUC {seen['terminal_auc']:.3f}{low}."
        )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
