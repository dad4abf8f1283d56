"""Files of messages: NDJSON (one JSON object a line) and CSV (one row each, the header names the fields).

Read line by line, so the size of a file does not matter. A line that cannot be read is yielded as `BadLine`, with its
number, and reading goes on.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from tidings.errors import TidingsError

FIELDS: Final = (
    "channel",
    "recipient",
    "content",
    "subject",
    "headers",
    "queue",
    "priority",
    "due_at",
    "expires_at",
    "max_tries",
)
"""The fields of a message, as the API takes them."""
NUMBERS: Final = frozenset({"max_tries"})


class MessageFileError(TidingsError):
    """The file cannot be read at all."""


class Line(NamedTuple):
    """A message and where it came from."""

    number: int
    message: dict[str, Any]


class BadLine(NamedTuple):
    """A line that is no message, and why."""

    number: int
    reason: str


class MessageFile:
    """A file of messages, open for reading; `position` and `size` (bytes) tell how far the reading has come."""

    def __init__(self, path: Path) -> None:
        readers = {".ndjson": _ndjson, ".jsonl": _ndjson, ".csv": _csv}
        if path.suffix.lower() not in readers:
            raise MessageFileError(f"{path}: the name must end in .ndjson, .jsonl or .csv")
        self._read = readers[path.suffix.lower()]
        try:
            self._file = path.open("rb")
            self.size = path.stat().st_size
        except OSError as error:
            raise MessageFileError(f"{path}: {error.strerror}") from None

    @property
    def position(self) -> int:
        return self._file.tell()

    def __iter__(self) -> Iterator[Line | BadLine]:
        return self._read(self._file)

    def close(self) -> None:
        self._file.close()


def _ndjson(file: BinaryIO) -> Iterator[Line | BadLine]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield Line(number, msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield BadLine(number, str(error))


def _csv(file: BinaryIO) -> Iterator[Line | BadLine]:
    # A byte that is not UTF-8 becomes U+FFFD here and makes its own row bad, not the file.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    rows = csv.reader(text)
    header = [name.strip() for name in next(rows, [])]
    unknown = [name for name in header if name not in FIELDS]
    if unknown or not header:
        raise MessageFileError(f"the first row must name the columns, out of {', '.join(FIELDS)}; not {unknown}")
    first = rows.line_num + 1
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            yield BadLine(first, str(error))
        else:
            if row:
                yield _message(first, header, row)
        # A quoted cell may go over several lines: the number is that of the first one.
        first = rows.line_num + 1
    text.detach()


def _message(number: int, header: list[str], row: list[str]) -> Line | BadLine:
    if len(row) != len(header):
        return BadLine(number, f"has {len(row)} cells, the header has {len(header)}")
    if any("\N{REPLACEMENT CHARACTER}" in cell for cell in row):
        return BadLine(number, "is not UTF-8")
    message: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        if cell == "":
            continue
        try:
            if name in NUMBERS:
                message[name] = int(cell)
            elif name == "headers":
                message[name] = msgspec.json.decode(cell, type=dict[str, str])
            else:
                message[name] = cell
        except (ValueError, msgspec.DecodeError):
            return BadLine(number, f"{name}: {cell!r} cannot be read")
    return Line(number, message)
