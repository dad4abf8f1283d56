"""The seam where HTTP leaves the process."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An HTTP response, its body cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No answer: no connection, a broken one, or a time-out. Its text says which, and holds no secret."""


class Transport(Protocol):
    """POSTs with time limits, without following redirects."""

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises TransportError where no complete answer came within the time limits."""

    async def close(self) -> None: ...
