"""Estimate how long an experiment takes here, after trying each of its stages for a few seconds.

    python -m WorldModels.estimate carracing                 # laptop scale
    python -m WorldModels.estimate carracing --scale paper --controller.generations 300

It trains the networks of these settings for a few steps, and records, drives and tests in their
world with as many workers as the stages would use: under a minute in all, at smoke scale under
twenty seconds. It prints minutes for each stage and in total, over all iterations if --iterations
asks for several. A search in the dream is given as a range, from the shortest dreams that one can
expect to the longest. A stage that is complete at the present budget counts as zero, and one in
progress counts only what is left of it. A flag that contradicts a stage which is made is refused,
as by the stage's own verb.
"""

from dataclasses import dataclass

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.differences import refuse_contradictions
from WorldModels.experiment.fields import free
from WorldModels.experiment.iterations import passes
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stages import ASIDE, STAGES

Span = tuple[float, float]  # the least and the most minutes


@dataclass(frozen=True)
class EstimateSettings(Experiment):
    """An experiment, and who asks."""

    # try nothing at smoke scale, which takes no longer than a trial (for launch scripts)
    brief: bool = free(False)


def estimate(run: Run) -> None:
    """Print minutes for each stage and in total.

    Raises:
        ValueError: a flag contradicts what is made, or the settings cannot be used.
    """
    from WorldModels.assembly.speed.estimates import left
    from WorldModels.assembly.speed.trial import whole
    from WorldModels.assembly.speed.trial.plays import Plays
    from WorldModels.assembly.speed.work import Work

    iterations, folder = _iterations(run), run.folder
    for iteration in iterations if not run.experiment.force else ():
        path = folder / str(iteration)
        refuse_contradictions(run.experiment, run.typed or frozenset(), path, iteration)
    todo = {
        stage: [k for k in iterations if left(folder / str(k), run.experiment, stage)]
        for stage in STAGES
        if stage not in ASIDE
    }
    if not any(todo.values()):
        _say(run, dict.fromkeys(todo, (0.0, 0.0)))
        return run.say("estimate: nothing left to do.")
    work = Work(run.experiment, folder)
    found = whole.tried(run, work, todo, Plays)
    _say_trial(run, found)
    rest = _minutes(work, found, todo)
    _say(run, rest)
    total = sum(low for low, _ in rest.values()), sum(high for _, high in rest.values())
    several = f", for {len(iterations)} iterations" if len(iterations) > 1 else ""
    run.say(f"estimate: about {_span(total)} on this machine{several}.")


def _minutes(work, found, todo: dict[str, list[int]]) -> dict[str, Span]:
    """Minutes left in each stage, over some iterations.

    Args:
        work: of the run.
        found: a trial of it.
        todo: stage -> iterations in which some of its work is left.
    """
    from WorldModels.assembly.speed.estimates import costs, left

    rest = {}
    for stage, iterations in todo.items():
        spans = [
            cost.rest(left(work.folder / str(k), work.experiment, stage, part))
            for k in iterations
            for part, cost in costs(work, found, k)[stage]
        ]
        rest[stage] = tuple(sum(ends) / 60 for ends in zip(*spans, strict=True)) or (0.0, 0.0)
    return rest


def _iterations(run: Run) -> range:
    """The iterations that a launch script goes through with the flags given.

    Raises:
        ValueError: both --iterations and --iteration were given.
    """
    count = len(passes(run.experiment))
    return range(run.iteration, run.iteration + 1) if count == 1 else range(count)


def _say_trial(run: Run, found) -> None:
    """Say what was tried, and whether other programs disturbed it."""
    processes = f"{found.processes} processes" if found.processes > 1 else "one process"
    run.say(
        f"estimate: tried this run's own networks and worlds for {found.seconds:.0f} seconds, in "
        f"{processes}."
    )
    if found.disturbed:
        run.say(
            f"estimate: other programs took {found.others:.0%} of the processor meanwhile; without "
            "them the run takes less time than this."
        )


def _say(run: Run, rest: dict[str, Span]) -> None:
    for stage, minutes in rest.items():
        run.say(f"  {STAGES[stage].verb:17} {_span(minutes) if minutes[1] else 'done'}")


def _span(minutes: Span) -> str:
    """Minutes, followed by hours or days where those read better; a range if the ends differ."""
    low, high = minutes
    digits = 0 if high >= 10 else 1
    text = f"{high:,.{digits}f} minutes"
    unit, name = (60 * 24, "days") if high >= 48 * 60 else (60, "hours")
    longer = f"{high / unit:.0f} {name}"
    if f"{low:,.{digits}f}" != f"{high:,.{digits}f}":
        text, longer = f"{low:,.{digits}f} to {text}", f"{low / unit:.0f} to {longer}"
    return f"{text} ({longer})" if high >= 120 else text


def _asked(run: Run) -> None:
    if run.experiment.brief and run.experiment.scale == "smoke":
        return run.say("estimate: smoke scale takes a minute or two.")
    estimate(run)


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("estimate", _asked, argv, __doc__, settings=EstimateSettings)


if __name__ == "__main__":
    main()
