"""Draw a run's pictures for a README: frames, a drive, a dream, the learning curve.

    python -m WorldModels.pictures carracing            # of results/carracing, into imgs/
    python -m WorldModels.pictures takecover --results results/doom --to docs

For the experiment NAME they are NAME_strip.png (real, reconstructed and imagined frames),
NAME_drive.gif, NAME_dream.gif and NAME_curve.png. The settings are those stored in the run's
folder, which is only read; the same run gives the same pictures. For an unfinished run the verb
draws what it can, and prints for each other picture the command that makes what is missing.
"""

from dataclasses import dataclass
from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.fields import free
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment


@dataclass(frozen=True)
class PictureSettings(Experiment):
    """An experiment, and where its pictures go."""

    to: str = free("imgs")  # folder of the pictures


def pictures(run: Run) -> None:
    """Draw the pictures of a run into the folder --to.

    Raises:
        FileNotFoundError: the run lacks the parts for all of them.
        ValueError: the run's observations are vectors.
    """
    from WorldModels.assembly.showing.pictures import PICTURES
    from WorldModels.assembly.showing.run import opened_as

    folder, stored = Path(run.experiment.to), opened_as(run)
    missing = {}
    for name, make in PICTURES.items():
        path = folder / f"{stored.experiment.name}_{name}"
        try:
            make(stored, path)
            print(f"pictures: {path}, {path.stat().st_size / 1000:.0f} kB.", flush=True)
        except (FileNotFoundError, ValueError) as error:
            missing[path] = one_line(error)
            print(f"pictures: {path} is left out: {missing[path]}", flush=True)
    if len(missing) == len(PICTURES):
        raise FileNotFoundError(next(iter(missing.values())))


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("pictures", pictures, argv, __doc__, settings=PictureSettings, reads_only=True)


if __name__ == "__main__":
    main()
