"""Event files for TensorBoard are written without TensorFlow."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from WorldModels.assembly.tensorboard_files import event_writer, image_writer
from WorldModels.figures.frames import write_png

ROOT = Path(__file__).resolve().parent.parent


def test_event_files_hold_the_rows_and_need_no_tensorflow(tmp_path):
    pytest.importorskip("tensorboard")
    code = (
        "import sys; from WorldModels.assembly.tensorboard_files import event_writer; "
        "write = event_writer(sys.argv[1]); "
        "write({'generation': 3, 'mean': 1.5}); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
    event_writer(tmp_path)({"generation": 4, "mean": 2.5, "sigma": 0.5})
    events = [event for path in sorted(tmp_path.iterdir()) for event in records(path)]
    assert [e.step for e in events] == [0, 3, 0, 4] and events[0].file_version == "brain.Event:2"
    assert [(v.tag, v.simple_value) for v in events[3].summary.value] == [
        ("mean", 2.5),
        ("sigma", 0.5),
    ]


def test_pictures_are_kept_as_they_are(tmp_path):
    pytest.importorskip("tensorboard")
    write_png(tmp_path / "a.png", np.full((4, 6, 3), 7, np.uint8))
    png = (tmp_path / "a.png").read_bytes()
    image_writer(tmp_path / "events")("samples", 5, png)
    (event,) = [
        event
        for path in (tmp_path / "events").iterdir()
        for event in records(path)
        if event.summary.value
    ]
    (value,) = event.summary.value
    assert (
        event.step,
        value.tag,
        value.image.height,
        value.image.width,
        value.image.encoded_image_string,
    ) == (5, "samples", 4, 6, png)


def records(path):
    """The events of a file: length (8 bytes), its checksum (4), the event, its checksum (4)."""
    from tensorboard.compat.proto.event_pb2 import Event

    content, place = path.read_bytes(), 0
    while place < len(content):
        size = struct.unpack_from("<Q", content, place)[0]
        yield Event.FromString(content[place + 12 : place + 12 + size])
        place += size + 16
