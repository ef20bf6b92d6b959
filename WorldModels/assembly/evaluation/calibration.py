"""Fits a dream's temperature and threshold, so that policies fare in it as they do in the game.

Each yardstick plays some games; at each temperature it also dreams, without an end, and M's
probability of the end is noted at every step. From one such trace follows when the dreams would
have ended at any threshold. The pair is chosen that brings the means closest together, over all
policies. Whether it is close enough is judged elsewhere (gates.py), on other games.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from WorldModels.assembly.evaluation.examination import examine
from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
from WorldModels.assembly.evaluation.tasks import CALIBRATING_DREAMS as DREAMS
from WorldModels.assembly.evaluation.tasks import TEMPERATURES, shown_name
from WorldModels.assembly.evaluation.yardsticks import depends_on, files_of, same
from WorldModels.experiment.draws import rng
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.memo import memo_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.dream import DreamSettings

KIND = "calibration"  # of the games
# Logits of M's probability of the end; the paper's threshold is 0.
LOGITS = np.arange(-6.0, 3.01, 0.25)
STEPS, RETURNS = "steps", "returns"


def calibrated(run: Run) -> DreamSettings:
    """The run's dream, with the temperature and threshold that fit the game.

    A value that was typed is kept, and only the other is fitted. The fit is kept in
    calibration.json; one made with the same M, games and settings is taken from there.

    Raises:
        FileNotFoundError: M or its first latents are missing.
        ValueError: M lacks what the dream needs.
    """
    dream, file = run.experiment.dream, run.path / "calibration.json"
    options = _options(run)
    made_with = depends_on(run) | {
        "options": {name: list(values) for name, values in options.items()},
        "termination": dream.termination,
        "reward": [dream.reward, dream.step_reward],
    }
    there = read_json(file, lambda: run.command("train_controller"))
    if not there or not same(there["made_with"], made_with):
        there = {"made_with": made_with, **_fit(run, options)}
        write_json(file, there)
    run.say(_line(there))
    return replace(dream, **there["fitted"])


def _options(run: Run) -> dict[str, tuple[float, ...]]:
    """The values to try of temperature and threshold; one where nothing is to be fitted."""
    dream, memo = run.experiment.dream, memo_of(run.folder)
    typed = {*(memo.typed if memo else ()), *(run.typed or ())}
    thresholds = tuple(float(f"{1 / (1 + np.exp(-x)):.3g}") for x in LOGITS)
    survives = not game_of(run.experiment.env.id).has_laps
    free = {
        "temperature": "dream.temperature" not in typed,
        "threshold": survives
        and dream.termination == "threshold"
        and "dream.threshold" not in typed,
    }
    tried = {"temperature": TEMPERATURES, "threshold": thresholds}
    return {name: tried[name] if free[name] else (getattr(dream, name),) for name in tried}


def _fit(run: Run, options: Mapping[str, Sequence[float]]) -> dict:
    """What calibration.json holds besides what it was made with."""
    real = _games(run)
    longest = run.experiment.env.max_steps
    ended = np.mean([length < longest for own in real[STEPS].values() for length in own])
    measure = STEPS if ended >= 0.5 and not game_of(run.experiment.env.id).has_laps else RETURNS
    tried = []
    for temperature, trace in _traces(run, options["temperature"], list(real[measure])):
        for threshold in options["threshold"]:
            dreamt = _outcomes(run, trace, threshold, list(real[measure]))[measure]
            misfit = misfit_of(real[measure], dreamt, measure)
            tried.append((misfit, temperature, threshold, dreamt))
    misfit, temperature, threshold, dreamt = min(tried, key=lambda one: one[0])
    return {
        "fitted": {"temperature": temperature, "threshold": threshold},
        "measure": measure,
        "misfit": misfit,
        "policies": {
            name: {"real": float(np.mean(own)), "dream": float(np.mean(dreamt[name]))}
            for name, own in real[measure].items()
        },
    }


def misfit_of(
    real: Mapping[str, Sequence[float]], dreamt: Mapping[str, Sequence[float]], measure: str
) -> float:
    """How far the policies' means in the dream are from those in the game; 0: nowhere.

    The root of the mean square, over the policies, of the logarithm of the ratio of mean steps; or
    of the difference of mean returns, in units of the game's mean or standard deviation, whichever
    is larger.

    Args:
        real: policy -> its values in games.
        dreamt: policy -> its values in dreams.
        measure: STEPS or RETURNS.
    """
    gaps = []
    for name, own in real.items():
        there, here = float(np.mean(own)), float(np.mean(dreamt[name]))
        if measure == STEPS:
            gaps.append(np.log(here / there))
        else:
            gaps.append((here - there) / max(abs(there), float(np.std(own)), 1e-9))
    return float(np.sqrt(np.mean(np.square(gaps))))


def _examiner(run: Run) -> Examiner:
    return Examiner(run.path, run.experiment.env, files_of(run))


def _games(run: Run) -> dict[str, dict[str, list[float]]]:
    """STEPS and RETURNS -> policy -> those of its games."""
    made_with, game = depends_on(run), game_of(run.experiment.env.id)
    run.say("calibration: policies play the game.")
    wanted = [(KIND, name, n) for name in made_with["policies"] for n in range(made_with["games"])]
    how = {"workers": run.experiment.workers, "say": run.say, "label": run.verb}
    rows = examine(_examiner(run), wanted, **how)
    columns = {STEPS: "steps", RETURNS: f"return{next(iter(game.rules.values()))}"}
    return {
        measure: {
            name: [float(rows[KIND, name, n][column]) for n in range(made_with["games"])]
            for name in made_with["policies"]
        }
        for measure, column in columns.items()
    }


def _traces(run: Run, temperatures: Sequence[float], policies: list[str]) -> Iterable[tuple]:
    """(temperature, trace) of the policies' dreams; lanes are ordered by policy."""
    from tqdm import tqdm

    from WorldModels.assembly.opening import first_latents
    from WorldModels.assembly.populations import begun_dreams

    dreams, given = _dreams(run, policies)
    first = begun_dreams(
        first_latents(run.path), (len(policies) * DREAMS,), rng(0, "calibrate", "first latents")
    )
    for temperature in tqdm(temperatures, desc="calibration", unit="temperature"):
        draw = rng(0, "calibrate", "dreams")  # the same noise at every temperature
        yield (
            temperature,
            dreams.trace(first=first, temperature=temperature, generator=draw, **given),
        )


def _dreams(run: Run, policies: list[str]) -> tuple[Any, dict]:
    """The dreams to trace, and who acts in them: arguments of TracedDreams.trace."""
    from keras import ops

    from WorldModels.assembly.models import load_memory
    from WorldModels.control.controller import Controller
    from WorldModels.interfaces import FEATURES
    from WorldModels.memory.traced import TracedDreams

    examiner, act, driver = _examiner(run), None, {}
    dream, memory = run.experiment.dream, load_memory(run.path / "memory.keras")
    if DRIVER in policies:
        shape, parameters, _ = Controller.load(examiner.controllers[DRIVER])
        act = lambda parameters, features: shape.act(parameters, features, ops)  # noqa: E731
        driven = np.repeat([name == DRIVER for name in policies], DREAMS)
        driver = {"parameters": parameters, "driven": driven}
    step_reward = dream.step_reward if dream.reward == "constant" else None
    parts = FEATURES[run.experiment.controller.features]
    actions = [_actions(run, examiner, name, memory.action_size) for name in policies]
    return TracedDreams(memory, act, parts, step_reward), {
        "actions": np.concatenate(actions, axis=1),
        **driver,
    }


def _actions(run: Run, examiner: Any, name: str, size: int) -> np.ndarray:
    """The actions (T, DREAMS, A) of a blind policy; zeros for the driver, who looks first."""
    found = np.zeros((run.experiment.env.max_steps, DREAMS, size), np.float32)
    for lane in range(DREAMS if name != DRIVER else 0):
        policy = examiner.policy(name)
        policy.reset(lane)
        for step in found[:, lane]:
            step[:] = policy.act(None)
    return found


def _outcomes(run: Run, trace: Any, threshold: float, policies: list[str]) -> dict[str, dict]:
    """STEPS and RETURNS -> policy -> those of its dreams."""
    limits = {"threshold": threshold, "sampled": trace.draws, "never": 1.0}
    steps, returns = trace.outcome(limits[run.experiment.dream.termination])
    return {
        measure: dict(zip(policies, values.reshape(len(policies), DREAMS), strict=True))
        for measure, values in ((STEPS, steps), (RETURNS, returns))
    }


def _line(facts: Mapping) -> str:
    fitted, policies = facts["fitted"], facts["policies"]
    fares = ", ".join(
        f"{shown_name(name)} {own['dream']:.0f} ({own['real']:.0f})"
        for name, own in policies.items()
    )
    return (
        f"calibration: temperature {fitted['temperature']:g}, threshold {fitted['threshold']:g}; "
        f"mean {facts['measure']} in the dream (in the game): {fares}."
    )
