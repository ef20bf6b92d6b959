"""Where the evaluation of each driver lies, and which drivers of a run were evaluated.

    evaluation/best/             the best mean's: evaluation.json, *.csv, films
    evaluation/best-final/       the best mean's on the final seeds: the same, and figures/
    evaluation/generation-418/   a kept generation's: the same

Evaluating one driver leaves those of the others alone. In the iteration's folder lie copies of the
best mean's scores and films.
"""

import shutil
from pathlib import Path

from WorldModels.experiment.files import atomic, hash_files, read_json, remove, write_json
from WorldModels.experiment.run import stage_facts
from WorldModels.experiment.stages import stage_file

STAGE, FOLDER, REPORT = "evaluation", "evaluation", "evaluation.json"
BEST, GENERATION = "best", "generation-"
FILMS = ("real.mp4", "reconstructed.mp4", "reconstructed.gif", "dream.mp4", "dream.gif")


def evaluation_name(generation: int, seeds: str = "test") -> str:
    """The name of a driver's evaluation.

    Args:
        generation: -1: the best mean.
        seeds: of the games: test or final.
    """
    name = BEST if generation < 0 else f"{GENERATION}{generation}"
    return name if seeds == "test" else f"{name}-{seeds}"


def stage_part(name: str) -> str:
    """The part of the evaluation stage that a driver's evaluation is; the best mean's has none."""
    return "" if name == BEST else name


def folder_of(path: Path, name: str) -> Path:
    """The folder of a driver's evaluation in an iteration's folder."""
    return path / FOLDER / name


def shown_name(path: Path, file: Path) -> str:
    """A file of an evaluation as its report names it, relative to the iteration's folder `path`.

    What is copied is named by its copy.
    """
    copied = file.parent == folder_of(path, BEST) and file.name in FILMS
    return file.name if copied else str(file.relative_to(path))


def copy_best(path: Path, anew: bool = True) -> None:
    """Copy the best mean's scores and films to the iteration's folder.

    Args:
        path: the iteration's folder.
        anew: also those that are there already.
    """
    for name in (REPORT, *FILMS):
        source = folder_of(path, BEST) / name
        if source.exists() and (anew or not (path / name).exists()):
            _copy(source, path / name)


def report_file(path: Path, generation: int = -1) -> Path:
    """The file with the scores of a driver; it need not exist.

    Args:
        path: the iteration's folder.
        generation: a kept generation; -1: the best mean.
    """
    own = folder_of(path, evaluation_name(generation)) / REPORT
    older = path / REPORT
    if generation < 0 or (not own.exists() and _tested(read_json(older)) == generation):
        return older
    return own


def evaluated(path: Path) -> dict[str, dict]:
    """Name -> report of each driver that was evaluated and is still the same; the best one first.

    Args:
        path: the iteration's folder.
    """
    found = {}
    for file in [path / REPORT, *(path / FOLDER).glob(f"*/{REPORT}")]:
        report = read_json(file)
        if report and _same_driver(path, report):
            found[evaluation_name(_tested(report), report.get("seeds", "test"))] = report
    return dict(sorted(found.items(), key=lambda each: _tested(each[1])))


def _same_driver(path: Path, report: dict) -> bool:
    driver = report.get("controller", {})
    file = path / driver.get("file", "")
    return file.is_file() and driver.get("sha256") == hash_files([file])


def _tested(report: dict | None) -> int | None:
    """The generation that a report is about; -1: the best mean; None: there is no report."""
    file = Path((report or {}).get("controller", {}).get("file", ""))
    if not file.name:
        return None
    return int(file.stem) if file.parent.name == "generations" else -1


def adopt_older(path: Path) -> None:
    """Move an evaluation of the earlier layout, one for all drivers, to its driver's folder.

    Its rows lay in evaluation/ itself. If this is interrupted, the next call does the rest.

    Args:
        path: the iteration's folder.
    """
    if not list((path / FOLDER).glob("*.csv")):
        return
    found = [file for file in (path / FOLDER).iterdir() if file.is_file() or file.name == "frames"]
    if (name := _name_of_older(path)) is not None:
        for file in found:
            _copy(file, folder_of(path, name) / file.name)
        _adopt_report(path, name)
    for file in sorted(found, key=lambda file: file.suffix == ".csv"):
        remove(file)
    if name not in (None, BEST):  # what lies in the iteration's folder is the best mean's
        for file in (REPORT, *FILMS):
            remove(path / file)
        remove(stage_file(path, STAGE))


def _adopt_report(path: Path, name: str) -> None:
    """Copy the report, the films and the stage's file of the earlier layout to a driver's."""
    folder = folder_of(path, name)
    for file in FILMS:
        if (path / file).exists():
            _copy(path / file, folder / file)
    report = read_json(path / REPORT)
    if report:
        for film in [*report.get("filmed", []), *filter(None, [report.get("filmed_dream")])]:
            film["files"] = [shown_name(path, folder / Path(file).name) for file in film["files"]]
        write_json(folder / REPORT, report)
    if name == BEST:
        return copy_best(path)
    write_json(stage_file(path, f"{STAGE}-{name}"), stage_facts(path, STAGE))


def _name_of_older(path: Path) -> str | None:
    """Whose evaluation the earlier layout holds; None: unknown, so it is worth nothing."""
    facts = stage_facts(path, STAGE)
    if not facts:
        return None
    generation = _tested(read_json(path / REPORT))
    if generation is None:  # it was stopped before there was a report
        digest = facts["inputs"].get("controller")
        kept = (path / "controller" / "generations").glob("*.npz")
        same = [file for file in kept if hash_files([file]) == digest]
        generation = int(same[0].stem) if same else -1
    return evaluation_name(generation)


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary)
        else:
            shutil.copyfile(source, temporary)
