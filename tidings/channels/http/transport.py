"""The seam where HTTP leaves the process: the protocol, and the limits that every implementation keeps."""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from tidings import __version__
from tidings.security.client_certificate import ClientCertificate

BODY_LIMIT: Final = 64 * 1024
"""Bytes of a response that are read; then the connection is closed."""

IDLE_SECONDS: Final = 4.0
"""How long an idle connection is kept: less than the 5 s after which common servers (Node, uvicorn) close theirs, since
a POST that meets a closing connection is lost and cannot safely be sent again."""

NAME_SECONDS: Final = 10
"""How long the addresses of a name are cached."""

OWN_HEADERS: Final[Mapping[str, str]] = {"User-Agent": f"tidings/{__version__}", "Accept-Encoding": "identity"}
"""Sent with every request."""

NO_HEADERS: Final[Mapping[str, str]] = {}

INVALID: Final = "no connection: the URL or a header is not valid"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An HTTP response, its body cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes
    """As much as came: a body that breaks off changes nothing about the status."""


class TransportError(Exception):
    """No response: no connection, a broken one, or a time-out. Its text says which, and holds no secret."""

    def __init__(self, text: str, *, unanswered: bool = False) -> None:
        super().__init__(text)
        self.unanswered = unanswered
        """The request may have gone out: sending it again may deliver the message twice."""


class ShortageError(TransportError):
    """No connection for want of file descriptors or memory of our own: nothing was sent, and it is nobody's failure."""


class ForbiddenError(TransportError):
    """The address is closed to users' messages. The text does not say which address it is."""


class Transport(Protocol):
    """POSTs, or another `method`, with time limits, without following redirects."""

    async def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        when_repeated: Mapping[str, str] = NO_HEADERS,
        method: str = "POST",
        certificate: ClientCertificate | None = None,
    ) -> Answer:
        """Raises TransportError where no answer came within the time limits.

        `Host`, `Content-Length` and `Transfer-Encoding` are set here and must not be among `headers`. `when_repeated`
        are added where the request goes out a second time, since a kept connection ended before an answer. A
        receiver that asks for one is shown the `certificate`.
        """

    async def close(self) -> None: ...
