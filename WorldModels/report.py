"""Show a run on one page, report.html: scores, films, what V, M and C learned, every setting.

    python -m WorldModels.report carracing      # of results/carracing, into its latest iteration
    python -m WorldModels.report takecover --results results/doom --to doom.html

The page is one file that holds its pictures and films. The settings are those stored in the run's
folder, which is otherwise only read. For an unfinished run the page shows what exists, and for each
missing part the command that makes it. Each part is a function in assembly/showing/report/.
"""

from dataclasses import dataclass
from pathlib import Path

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.fields import free
from WorldModels.experiment.files import atomic
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment


@dataclass(frozen=True)
class ReportSettings(Experiment):
    """An experiment, and where its report goes."""

    to: str = free("")  # the file; default: report.html in the iteration's folder


def report(run: Run) -> None:
    """Write the run's report.html, or the file that --to names.

    Raises:
        FileNotFoundError: there is no run; the message has the command that makes one.
        ValueError: the run belongs to another experiment, or --to is a folder.
    """
    from WorldModels.assembly.showing.report.sections import page_of
    from WorldModels.assembly.showing.run import opened_as

    stored, to = opened_as(run, vectors=True), _place(run)
    page, left_out = page_of(stored)
    path = to or stored.path / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    for line in left_out:
        print(f"report: left out: {line}", flush=True)
    print(f"report: {path}, {path.stat().st_size / 1e6:.1f} MB.", flush=True)


def _place(run: Run) -> Path | None:
    path = Path(run.experiment.to) if run.experiment.to else None
    if path and path.is_dir():
        raise ValueError(
            f"--to: expected a file, received the folder {path}; name a file in it: "
            f"--to {path / 'report.html'}"
        )
    return path


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("report", report, argv, __doc__, settings=ReportSettings, reads_only=True)


if __name__ == "__main__":
    main()
