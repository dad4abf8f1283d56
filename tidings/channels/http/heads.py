"""The head of an answer: its status and headers, read by us where llhttp refuses it, or when somebody asks."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of status line and headers that are read; the status decides then."""
INTERIM_LIMIT: Final = 16
"""Interim answers (1xx) to one request that are skipped."""
SWITCHING: Final = 101

_STATUS_LINE: Final = re.compile(rb"(?:\r?\n)*HTTP/\d+(?:\.\d+)?[ \t]+(\d{3})(?=[ \t\r\n]|\Z)")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class Head(msgspec.Struct, frozen=True, gc=False):
    """As far as it came."""

    status: int
    lines: bytes
    rest: bytes
    """What follows it in the same bytes."""


class Headers(Mapping[str, str]):
    """The headers of an answer, looked up without regard to case; the first of a name counts.

    Read at the first look: most answers are judged by their status alone.
    """

    __slots__ = ("_raw", "_values")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._values: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._read()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, str]:
        if self._values is None:
            self._values = {}
            head = read_head(self._raw)
            for line in head.lines.decode("latin-1").split("\n") if head else ():
                name, colon, value = line.partition(":")
                if colon and not line.startswith((" ", "\t")):  # such a line goes on with the one before
                    self._values.setdefault(name.strip().lower(), value.strip())
        return self._values


def is_interim(status: int) -> bool:
    """Whether another answer follows: 1xx, but for a change of the protocol."""
    return 100 <= status < 200 and status != SWITCHING  # noqa: PLR2004


def is_sized(headers: Headers) -> bool:
    """Whether the end of the body shows in the answer itself."""
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


def read_head(raw: bytes) -> Head | None:
    """The first head that is not an interim one; None where no status of three digits came."""
    for _ in range(INTERIM_LIMIT + 1):
        found = _STATUS_LINE.match(raw)
        if found is None:
            return None
        status = int(found[1])
        end = _HEAD_END.search(raw, found.end())
        if not is_interim(status):
            _, _, lines = raw[found.end() : end.start() if end else len(raw)].partition(b"\n")
            return Head(status, lines, raw[end.end() :] if end else b"")
        if end is None:
            return None
        raw = raw[end.end() :]
    return None
