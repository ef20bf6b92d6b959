"""Has worker processes play the episodes of a test, and saves each row as it arrives."""

from collections.abc import Callable, Iterable
from pathlib import Path

from WorldModels.assembly.evaluation.tasks import Key, Task, key_columns, tasks_of
from WorldModels.experiment.rows import append_row, read_rows

HANG_SECONDS = 600  # generous, since the machine may be busy with other things


def examine(
    make_worker: Callable[[], Callable[[Task], list[dict]]],
    wanted: Iterable[Key],
    folder: Path | None = None,
    *,
    workers: int = 0,
    say: Callable[[str], None] = print,
    label: str = "",
) -> dict[Key, dict]:
    """The rows of the wanted episodes; those not yet in the folder are played.

    Args:
        make_worker: an Examiner, which plays them.
        wanted: the episodes.
        folder: of KIND.csv, whose rows are read and extended; None: no files.
        workers: number of processes; 0: one per core.
        say: prints a line for each worker that is replaced.
        label: the name on the progress bar.

    Returns:
        Episode -> row. Numbers read from a CSV are text.
    """
    from tqdm import tqdm

    from WorldModels.control.executors import open_executor

    wanted = list(wanted)
    rows = _kept(folder, {kind for kind, _, _ in wanted}, say) if folder else {}
    missing = [key for key in wanted if key not in rows]
    if tasks := tasks_of(missing):
        done = len(wanted) - len(missing)
        bar = tqdm(total=len(wanted), initial=done, unit="episode", desc=label, smoothing=0.05)
        how = {"say": say, "hang_seconds": HANG_SECONDS}
        with open_executor(make_worker, workers, len(tasks), **how) as executor, bar:
            for task, found in executor.map_unordered((task, task) for task in tasks):
                rows |= _keep(task, found, folder)
                bar.update(len(found))
    return {key: rows[key] for key in wanted}


def _kept(folder: Path, kinds: set[str], say: Callable[[str], None] = print) -> dict[Key, dict]:
    """The sound rows in a folder."""
    rows = {}
    for kind in kinds:
        who, which = key_columns(kind)
        for row in read_rows(folder / f"{kind}.csv", (who, which), say):
            rows[kind, row[who], int(row[which])] = row
    return rows


def _keep(task: Task, found: list[dict], folder: Path | None) -> dict[Key, dict]:
    """Add a task's rows to their CSV if there is a folder; return them by episode."""
    for row in found if folder else ():
        append_row(folder / f"{task.kind}.csv", row)
    return {
        (task.kind, task.driver, number): row
        for number, row in zip(task.numbers, found, strict=True)
    }
