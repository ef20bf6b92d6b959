"""Writes scalars and pictures for TensorBoard without TensorFlow.

Importing TensorFlow takes seconds and 700 MB.
"""

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path


def event_writer(
    folder: str | Path, say: Callable[[str], None] = print, step: str = "generation"
) -> Callable[[dict], None]:
    """A function that appends a row's numbers to an event file, at the step row[step].

    Without the tensorboard package it prints one line saying so, and writes nothing.

    Args:
        folder: of the event files; every call starts a new file.
        say: prints a line.
        step: the name of the column that counts the steps.
    """
    write = _opened(folder, say)
    if write is None:
        return lambda row: None

    def write_row(row: dict) -> None:
        numbers = {name: float(value) for name, value in row.items() if name != step}
        write(int(row[step]), [dict(tag=name, simple_value=x) for name, x in numbers.items()])

    return write_row


def image_writer(folder: str | Path) -> Callable[[str, int, bytes], None]:
    """A function of (name, step, bytes of a PNG file) that appends the picture to an event file.

    Without the tensorboard package it writes nothing. TensorBoard only reads the newest file in a
    folder, so give the pictures a folder of their own.

    Args:
        folder: of the event files; every call starts a new file.
    """
    write = _opened(folder, lambda line: None)

    def write_image(name: str, step: int, png: bytes) -> None:
        width, height = struct.unpack(">II", png[16:24])  # the PNG header
        image = dict(height=height, width=width, colorspace=3, encoded_image_string=png)
        write(step, [dict(tag=name, image=image)])

    return write_image if write else lambda name, step, png: None


def _opened(
    folder: str | Path, say: Callable[[str], None]
) -> Callable[[int, list[dict]], None] | None:
    """A function that appends values to a new event file; None without the tensorboard package."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        say("TensorBoard is not installed; its event files are skipped.")
        return None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
    records = RecordWriter(open(folder / name, "wb"))

    def write(event: Event) -> None:
        records.write(event.SerializeToString())
        records.flush()

    def write_values(step: int, values: list[dict]) -> None:
        summary = Summary(value=[Summary.Value(**value) for value in values])
        write(Event(wall_time=time.time(), step=step, summary=summary))

    write(Event(wall_time=time.time(), file_version="brain.Event:2"))
    return write_values
