"""Opens a run for showing, with the settings stored in it.

    run = opened("results/carracing")

facts.py reads what the run holds; vision.py, memory.py and driver.py show its V, M and driver at
work. All of these only read the run, and the same run gives the same results.
"""

from dataclasses import replace
from pathlib import Path

from WorldModels.experiment.fields import flag_of, pairs, shown
from WorldModels.experiment.presets import launch_script
from WorldModels.experiment.remedies import command_for
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stored import stored_experiment, typed


def opened(
    results: str | Path, iteration: int = -1, generation: int = -1, vectors: bool = False
) -> Run:
    """Open a run read-only, with the settings stored in it.

    Args:
        results: its folder.
        iteration: its number; -1: the latest.
        generation: the generation whose mean drives; -1: the best.
        vectors: also accept a run whose observations are vectors.

    Raises:
        FileNotFoundError: there is no run in the folder; the message gives the command that makes
            one.
        ValueError: there is no such iteration, or the observations are vectors.
    """
    experiment = stored_experiment(results, iteration)
    flags = [*typed(experiment), "--results", str(results)]
    flags += ["--iteration", str(iteration)] if iteration >= 0 else []
    flags += ["--controller.generation", str(generation)] if generation >= 0 else []
    _check_iteration(Path(results), iteration)
    if experiment.env.observation == "vector" and not vectors:
        raise ValueError(
            f"{results}: expected a run whose observations are frames, received one of vectors; "
            f"{command_for(results, 'report')} shows such runs."
        )
    controller = replace(experiment.controller, generation=generation)
    changes = {"results": str(results), "iteration": iteration, "controller": controller}
    return Run(replace(experiment, **changes), "pictures", flags, reads_only=True)


def _check_iteration(folder: Path, iteration: int) -> None:
    found = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    if iteration >= 0 and iteration not in found:
        raise ValueError(
            f"--iteration: expected one of {', '.join(map(str, found)) or 'none yet'}, "
            f"received {iteration}."
        )


def opened_as(run: Run, vectors: bool = False) -> Run:
    """Open the run that a verb was given, with the settings stored in it.

    Of the typed flags, only --iteration and --controller.generation apply.

    Args:
        run: the run as typed.
        vectors: see `opened`.

    Raises:
        FileNotFoundError: there is no run; the message gives the command that makes one.
        ValueError: it is a run of another experiment; see also `opened`.
    """
    asked, folder = run.experiment, run.folder
    if not (folder / "config.json").exists():
        flags = [] if asked.scale == "laptop" else ["--scale", asked.scale]
        flags += ["--results", str(folder)] if asked.results else []
        command = launch_script(asked.name, *flags)
        raise FileNotFoundError(f"{folder} has no results yet; make them first: {command}")
    stored = opened(folder, asked.iteration, asked.controller.generation, vectors)
    if stored.experiment.name != asked.name:
        raise ValueError(
            f"{folder}: expected a run of {asked.name}, received one of {stored.experiment.name}; "
            "name another folder with --results."
        )
    refuse_differences(run, stored.experiment)
    return stored


def refuse_differences(run: Run, stored: Experiment, apart: tuple[str, ...] = ()) -> None:
    """Refuse a flag that the run's own settings contradict; it would have no effect.

    Args:
        run: as typed.
        stored: the run's own settings.
        apart: nouns whose flags do have an effect.

    Raises:
        ValueError: there is one; the message has both values.
    """
    for name, field, asked, there in pairs(run.experiment, stored):
        typed = run.typed is not None and name in run.typed and field.metadata["remembered"]
        if typed and name.split(".")[0] not in apart and there not in (None, asked):
            raise ValueError(
                f"{flag_of(name)}: {shown(asked)} asked for, but {run.folder} has {shown(there)}; "
                "drop the flag, or name another folder with --results FOLDER."
            )
