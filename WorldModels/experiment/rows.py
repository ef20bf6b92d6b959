"""Tables that grow row by row: CSV files, each row with its own checksum."""

import contextlib
import csv
import io
import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from WorldModels.experiment.damage import again
from WorldModels.experiment.files import atomic, not_a_link

CRC = "crc32"  # the last column: the CRC-32 of the header and the row's text before it


def append_row(path: str | os.PathLike, row: dict[str, Any]) -> None:
    """Append a complete row to a CSV, after cutting off a partial one that a crash left.

    A file of an earlier version, whose rows have no CRC, stays without.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _cut_half_row(path)
    header = path.read_bytes().partition(b"\n")[0].decode(errors="replace") if path.exists() else ""
    text = "" if header else _header(row)
    text += _line(row.values(), header or text.strip())
    with open(path, "ab", buffering=0, opener=not_a_link) as file:
        file.write(text.encode())
        os.fsync(file.fileno())


def write_rows(path: str | os.PathLike, rows: list[dict[str, Any]]) -> None:
    """Write a CSV anew, complete or not at all; its columns are those of any row."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    header = _header(columns)
    lines = [_line([row.get(name, "") for name in columns], header.strip()) for row in rows]
    with atomic(path) as temporary:
        temporary.write_text("".join([header, *lines]) if rows else "")


def _header(columns: Iterable[str]) -> str:
    return _text([*columns, CRC]) + "\n"


def _line(values: Iterable[Any], header: str) -> str:
    text = _text(values)
    return f"{text},{_crc(header, text)}\n" if header.endswith(f",{CRC}") else f"{text}\n"


def _text(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _crc(header: str, row: str) -> str:
    """The CRC-32 of a header and a row without its CRC."""
    return f"{zlib.crc32(f'{header} {row}'.encode()):08x}"


def _cut_half_row(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with open(path, "r+b", opener=not_a_link) as file:
                file.truncate(content.rfind(b"\n") + 1)


def read_rows(
    path: str | os.PathLike, needs: tuple[str, ...] = (), say: Callable[[str], None] = print
) -> list[dict[str, str]]:
    """The complete and sound rows of a CSV, as text; empty if there is no file.

    A row is damaged if its CRC differs. Where an earlier version wrote none, it is damaged if it is
    no text, lacks a value, or has a word in a column of numbers.

    Args:
        path: of the file.
        needs: columns that it must have.
        say: receives a line that numbers the damaged rows, which are left out.

    Raises:
        ValueError: no row is sound, or a column is missing.
    """
    path = Path(path)
    if not path.exists():
        return []
    header, *lines = path.read_bytes().decode(errors="replace").split("\n")[:-1] or [""]
    columns = next(csv.reader([header]), [])
    found = [_row(columns, header, line) for line in lines if line.strip()]
    rows = _with_numbers(found) if CRC not in columns else found
    wrong = [number for number, row in enumerate(rows, start=1) if row is None]
    if (wrong and len(wrong) == len(rows)) or (columns and not {*needs} <= {*columns}):
        command = again(path, removed=True)
        raise ValueError(
            f"{path}: expected a CSV as it was written, received a damaged file; "
            + (f"make it again: {command}" if command else "remove it, and make it again.")
        )
    if wrong:
        numbers = f"row{'s' * (len(wrong) > 1)} {', '.join(map(str, wrong))}"
        say(f"{path}: {numbers} of {len(rows)} damaged, and left out.")
    return [row for row in rows if row is not None]


def _row(columns: list[str], header: str, line: str) -> dict[str, str] | None:
    """A row of a CSV without its CRC; None if it is damaged."""
    with contextlib.suppress(csv.Error):
        values = next(csv.reader([line], strict=True))
        row, text = dict(zip(columns, values, strict=False)), line.rpartition(",")[0]
        whole = len(values) == len(columns) and not {"\0", "\ufffd"} & set(line)
        if whole and row.pop(CRC, _crc(header, text)) == _crc(header, text):
            return row
    return None


def _with_numbers(rows: list[dict[str, str] | None]) -> list[dict[str, str] | None]:
    """The rows, None for those with a word in a column that has numbers in most rows."""
    sound = [row for row in rows if row is not None]
    words = {
        name: [i for i, row in enumerate(rows) if row and row[name] and not _is_number(row[name])]
        for name in (sound[0] if sound else ())
    }
    wrong = {i for found in words.values() if 2 * len(found) < len(sound) for i in found}
    return [None if i in wrong else row for i, row in enumerate(rows)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
