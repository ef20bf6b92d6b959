"""Tells a launch script which iterations to run.

    python -m WorldModels.experiment.iterations carracing --iterations 2

Each pass through the verbs gets a line with its flag, here `--iteration 0` and `--iteration 1`; a
single pass gets an empty line. Unknown flags and bad values are refused as by every verb.
"""

import sys

from WorldModels.experiment.command import parse
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.settings.experiment import Experiment


def passes(experiment: Experiment) -> list[str]:
    """The flags to add in each pass through the six verbs.

    Raises:
        ValueError: both --iteration and several --iterations were given.
    """
    count, iteration = experiment.iterations, experiment.iteration
    if count == 1:
        return [""]
    if iteration >= 0:
        raise ValueError(
            f"--iteration: expected none with --iterations {count}, which goes through all of "
            f"them from 0, received {iteration}."
        )
    return [f"--iteration {k}" for k in range(count)]


def main(argv: list[str] | None = None) -> None:
    """Print the passes; a user's mistake becomes one line and status 2."""
    try:
        argv = sys.argv[1:] if argv is None else argv
        if {"-h", "--help"} & set(argv):  # the verbs print their own
            return print()
        print("\n".join(passes(parse("experiment.iterations", argv))))
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
