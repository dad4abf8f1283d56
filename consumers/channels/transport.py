"""The seam where HTTP leaves the process."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An HTTP response, its body cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes
    """As much as came: once the status is here, it decides, and a body that breaks off changes nothing."""


class TransportError(Exception):
    """No answer: no connection, a broken one, or a time-out. Its text says which, and holds no secret."""

    def __init__(self, text: str, *, unanswered: bool = False) -> None:
        super().__init__(text)
        self.unanswered = unanswered
        """Whether the request may have gone out before."""


class ForbiddenError(TransportError):
    """The address is not open to users' messages. Its text does not say which address it is."""


class Transport(Protocol):
    """POSTs with time limits, without following redirects."""

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises TransportError where no answer came within the time limits."""

    async def close(self) -> None: ...
