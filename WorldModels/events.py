"""Scalars for TensorBoard, written without TensorFlow: importing that costs seconds and 700 MB. Knows no network."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def event_writer(folder: str | Path, say: Callable[[str], None] = print, step: str = "generation") -> Callable[[dict], None]:
    """A function that appends a row's numbers to an event file, at the step row[step], and flushes it.

    Without the tensorboard package one line is said, and rows go nowhere.

    Args:
        folder: of the event files; a new one for every call.
        say: prints a line.
        step: the column that counts the steps.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        say("TensorBoard: not installed, its event files are skipped.")
        return lambda row: None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    records = RecordWriter(open(folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}", "wb"))

    def write(event: Event) -> None:
        records.write(event.SerializeToString())
        records.flush()

    write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def write_row(row: dict) -> None:
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in row.items() if name != step]
        write(Event(wall_time=time.time(), step=int(row[step]), summary=Summary(value=values)))

    return write_row
