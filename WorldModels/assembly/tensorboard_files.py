"""Scalars and pictures for TensorBoard, written without TensorFlow: importing that costs seconds
and 700 MB. Knows no network.
"""

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path


def event_writer(
    folder: str | Path, say: Callable[[str], None] = print, step: str = "generation"
) -> Callable[[dict], None]:
    """A function that appends a row's numbers to an event file, at the step row[step], and flushes
    it.

    Without the tensorboard package one line is said, and rows go nowhere.

    Args:
        folder: of the event files; a new one for every call.
        say: prints a line.
        step: the column that counts the steps.
    """
    write = _opened(folder, say)
    if write is None:
        return lambda row: None

    def write_row(row: dict) -> None:
        write(
            int(row[step]),
            [
                dict(tag=name, simple_value=float(value))
                for name, value in row.items()
                if name != step
            ],
        )

    return write_row


def image_writer(folder: str | Path) -> Callable[[str, int, bytes], None]:
    """A function of a name, a step and the content of a PNG file, which it appends to an event
    file.

    Without the tensorboard package the pictures go nowhere. TensorBoard reads the newest file of a
    folder alone, so give it one of
    its own.

    Args:
        folder: of the event files; a new one for every call.
    """
    write = _opened(folder, lambda line: None)

    def write_image(name: str, step: int, png: bytes) -> None:
        width, height = struct.unpack(">II", png[16:24])  # where every PNG has them
        write(
            step,
            [
                dict(
                    tag=name,
                    image=dict(height=height, width=width, colorspace=3, encoded_image_string=png),
                )
            ],
        )

    return write_image if write else lambda name, step, png: None


def _opened(
    folder: str | Path, say: Callable[[str], None]
) -> Callable[[int, list[dict]], None] | None:
    """A function that appends values to a new event file; None, and one line said, without the
    tensorboard package.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        say("TensorBoard: not installed, its event files are skipped.")
        return None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    records = RecordWriter(
        open(folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}", "wb")
    )

    def write(event: Event) -> None:
        records.write(event.SerializeToString())
        records.flush()

    write(Event(wall_time=time.time(), file_version="brain.Event:2"))
    return lambda step, values: write(
        Event(
            wall_time=time.time(),
            step=step,
            summary=Summary(value=[Summary.Value(**v) for v in values]),
        )
    )
