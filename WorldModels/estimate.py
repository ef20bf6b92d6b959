"""Estimate how long an experiment takes here, after measuring the machine for a few seconds.

    python -m WorldModels.estimate carracing                 # laptop scale
    python -m WorldModels.estimate carracing --scale paper --controller.generations 300

Prints minutes for each stage and in total, over all iterations if --iterations asks for several. A
stage that is complete at the present budget counts as zero, and one in progress counts only what is
left of it. A flag that contradicts a stage which is made is refused, as by the stage's own verb.
"""

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.differences import refuse_contradictions
from WorldModels.experiment.iterations import passes
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import STAGES


def estimate(run: Run) -> None:
    """Print minutes for each stage and in total.

    Raises:
        ValueError: a flag contradicts what is made.
    """
    from WorldModels.assembly.speed import estimates
    from WorldModels.control.executors import cores

    iterations, processes = _iterations(run), run.experiment.workers or cores()
    for iteration in iterations if not run.experiment.force else ():
        folder = run.folder / str(iteration)
        refuse_contradictions(run.experiment, run.typed or frozenset(), folder, iteration)
    steps, gflops = estimates.measure(processes)
    run.say(
        f"estimate: {steps:.0f} steps/s of the official environment in {processes} processes, "
        f"{gflops:.0f} GFLOP/s in a matrix product."
    )
    rest = _minutes(run, iterations, steps, gflops, processes)
    for stage, minutes in rest.items():
        run.say(f"  {STAGES[stage].verb:17} {_span(minutes) if minutes else 'done'}")
    if not any(rest.values()):
        return run.say("estimate: nothing left to do.")
    several = f", for {len(iterations)} iterations" if len(iterations) > 1 else ""
    run.say(f"estimate: about {_span(sum(rest.values()))} on this machine{several}.")


def _minutes(
    run: Run, iterations: range, steps: float, gflops: float, processes: int
) -> dict[str, float]:
    """Minutes left in each stage, over some iterations; see estimates.seconds."""
    from WorldModels.assembly.speed.estimates import left, seconds

    rest = dict.fromkeys((stage for stage in STAGES if stage != "temperatures"), 0.0)
    for iteration in iterations:
        folder = run.folder / str(iteration)
        for stage, whole in seconds(run.experiment, steps, gflops, processes, iteration).items():
            rest[stage] += whole * left(folder, run.experiment, stage) / 60
    return rest


def _iterations(run: Run) -> range:
    """The iterations that a launch script goes through with the flags given.

    Raises:
        ValueError: both --iterations and --iteration were given.
    """
    count = len(passes(run.experiment))
    return range(run.iteration, run.iteration + 1) if count == 1 else range(count)


def _span(minutes: float) -> str:
    """Minutes, followed by hours or days where those read better."""
    text = f"{minutes:,.0f} minutes" if minutes >= 10 else f"{minutes:.1f} minutes"
    if minutes >= 48 * 60:
        return f"{text} ({minutes / 60 / 24:.0f} days)"
    return f"{text} ({minutes / 60:.0f} hours)" if minutes >= 120 else text


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("estimate", estimate, argv, __doc__)


if __name__ == "__main__":
    main()
