"""Files of messages: NDJSON (one JSON object a line) and CSV (one row each, the header names the fields).

Read line by line, so the size of a file does not matter. A line that cannot be read is yielded as `BadLine`, with its
number, and reading goes on. Each line has the place where it ends, from which reading can go on later.
"""

import csv
import os
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from tidings.cli.files.formulas import unguarded
from tidings.domain.errors import TidingsError

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
    "retry",
    "account",
    "gateway",
    "callback_url",
)
"""The fields of a message, as the API takes them."""
NUMBERS: Final = frozenset({"max_tries"})
OBJECTS: Final[Mapping[str, Any]] = {"headers": dict[str, str], "retry": dict[str, list[float]]}
DIGESTED_BYTES: Final = 64 * 1024


class MessageFileError(TidingsError):
    """The file cannot be read at all."""


class Place(NamedTuple):
    """How far a file was read: everything before it is done with."""

    lines: int
    position: int
    """Bytes."""


BEGINNING: Final = Place(0, 0)


class Line(NamedTuple):
    """A message and where it came from."""

    number: int
    message: dict[str, Any]
    end: Place


class BadLine(NamedTuple):
    """A line that is no message, and why."""

    number: int
    reason: str
    end: Place


class MessageFile:
    """A file of messages, open for reading; `size` is in bytes."""

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

    def lines(self, after: Place = BEGINNING) -> Iterator[Line | BadLine]:
        """Every line after that place, which is one that a line of this file ended at."""
        return self._read(_Lines(self._file), after)

    def digest(self, until: Place) -> str:
        """Shows whether a place is where it was: a hash of what is before it, 64 KiB at the most."""
        length = min(until.position, DIGESTED_BYTES)
        return sha256(os.pread(self._file.fileno(), length, until.position - length)).hexdigest()

    def close(self) -> None:
        self._file.close()


class _Lines:
    """The lines of a file, one by one, and the place after the last one read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.place = BEGINNING
        file.seek(0)

    def go_to(self, place: Place) -> None:
        self._file.seek(place.position)
        self.place = place

    def __iter__(self) -> Iterator[bytes]:
        for line in self._file:
            self.place = Place(self.place.lines + 1, self.place.position + len(line))
            yield line.removeprefix(BOM_UTF8) if self.place.lines == 1 else line

    def as_text(self) -> Iterator[str]:
        # A byte that is not UTF-8 becomes U+FFFD here and makes its own row bad, not the file.
        for line in self:
            yield line.decode("utf-8", errors="replace")


def _ndjson(lines: _Lines, after: Place) -> Iterator[Line | BadLine]:
    lines.go_to(after)
    for line in lines:
        if not line.strip():
            continue
        number = lines.place.lines
        try:
            yield Line(number, msgspec.json.decode(line, type=dict[str, Any]), lines.place)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield BadLine(number, str(error), lines.place)


def _csv(lines: _Lines, after: Place) -> Iterator[Line | BadLine]:
    rows = csv.reader(lines.as_text())
    header = [name.strip() for name in next(rows, [])]
    unknown = [name for name in header if name not in FIELDS]
    if unknown or not header:
        raise MessageFileError(f"the first row must name the columns, out of {', '.join(FIELDS)}; not {unknown}")
    if after != BEGINNING:
        lines.go_to(after)
    while True:
        # A quoted cell may go over several lines: the number is that of the first one.
        number = lines.place.lines + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(number, str(error), lines.place)
        else:
            if row:
                yield _message(number, header, row, lines.place)


def _message(number: int, header: list[str], row: list[str], end: Place) -> Line | BadLine:
    if len(row) != len(header):
        return BadLine(number, f"has {len(row)} cells, the header has {len(header)}", end)
    if any("\N{REPLACEMENT CHARACTER}" in cell for cell in row):
        return BadLine(number, "is not UTF-8", end)
    message: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        if cell == "":
            continue
        try:
            if name in NUMBERS:
                message[name] = int(cell)
            elif name in OBJECTS:
                message[name] = msgspec.json.decode(cell, type=OBJECTS[name])
            else:
                message[name] = unguarded(cell)
        except (ValueError, msgspec.DecodeError):
            return BadLine(number, f"{name}: {cell!r} cannot be read", end)
    return Line(number, message, end)
