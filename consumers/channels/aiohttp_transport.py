"""HTTP over one aiohttp session: the hot path of the `sms` and `webhook` channels.

Connections are kept and reused; cookies are not. What the far side may cost is bounded: a time limit to connect and
one for the whole try, 64 KiB of body (never unpacked, so a zip bomb stays as small as it came), and no second request
to wherever a redirect points. A request is never sent twice by itself: whether to try again is the retry policy's.

Certificates are verified. With an `Egress` the transport goes only where that allows: `consumers/channels/guard.py`.
"""

import os
import socket
import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, StreamReader, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver
from yarl import URL

from consumers.channels.guard import BlockedError, GuardedResolver, GuardedSockets
from consumers.channels.transport import (
    BODY_LIMIT,
    IDLE_SECONDS,
    INVALID,
    NAME_SECONDS,
    OWN_HEADERS,
    Answer,
    ForbiddenError,
    TransportError,
)
from tidings.egress import Egress
from tidings.settings import Settings


class AiohttpTransport:
    """A Transport; create it inside the running event loop.

    Without an `egress` it goes anywhere, which is for addresses that the operator has set. `resolver` is the system's
    unless another one is given; its answers are good for `name_seconds`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        egress: Egress | None = None,
        resolver: AbstractResolver | None = None,
        name_seconds: int = NAME_SECONDS,
    ) -> None:
        self._connect_timeout = settings.connect_timeout
        self._total_timeout = settings.delivery_timeout
        self._limits = ClientTimeout(total=settings.delivery_timeout, connect=settings.connect_timeout)
        self._session = ClientSession(
            connector=_connector(settings.in_flight, egress, resolver, name_seconds),
            timeout=self._limits,
            cookie_jar=DummyCookieJar(),
            headers=OWN_HEADERS,
            auto_decompress=False,
        )

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str], within: float | None = None) -> Answer:
        """Raises TransportError where no answer came within the time limits.

        `within` is what is left of the whole time where some of it was spent before, in seconds over 0.
        """
        limits = self._limits if within is None else ClientTimeout(total=within, connect=self._connect_timeout)
        try:
            # `encoded`: the URL goes out letter for letter, since its query may be signed.
            target = URL(url, encoded=True)
            async with self._session.post(
                target, data=body, headers=headers, allow_redirects=False, timeout=limits
            ) as response:
                return Answer(response.status, response.headers, await _read(response.content))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            # `from None`: the cause's text would name the whole URL.
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, BlockedError):
                raise ForbiddenError(str(error.os_error)) from None
            raise TransportError(self._describe(error), unanswered=_may_have_gone_out(error)) from None

    async def close(self) -> None:
        await self._session.close()

    def _describe(self, error: Exception) -> str:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no connection: timed out after {self._connect_timeout:g} s"
        if isinstance(error, TimeoutError) and error.errno is None:  # with an errno it is the operating system's
            return f"timed out after {self._total_timeout:g} s"
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"no connection: {_reason(error.os_error)}"
        if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):
            return INVALID
        return f"connection lost: {_reason(error)}"


def _connector(limit: int, egress: Egress | None, resolver: AbstractResolver | None, name_seconds: int) -> TCPConnector:
    return TCPConnector(
        limit=limit,
        keepalive_timeout=IDLE_SECONDS,
        resolver=resolver if egress is None else GuardedResolver(resolver or ThreadedResolver(), egress),
        ttl_dns_cache=name_seconds,
        socket_factory=None if egress is None else GuardedSockets(egress),
    )


async def _read(content: StreamReader) -> bytes:
    """The body, or as much of it as comes within the limits of size and time."""
    body = bytearray()
    try:
        while len(body) < BODY_LIMIT and not content.at_eof():
            body += await content.read(BODY_LIMIT - len(body))
    except (aiohttp.ClientError, OSError):
        # The status has come. To take this for a failure would send an accepted message a second time.
        pass
    return bytes(body)


def _may_have_gone_out(error: Exception) -> bool:
    return not isinstance(
        error,
        aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError | aiohttp.NonHttpUrlClientError | ValueError,
    )


def _reason(error: Exception) -> str:
    # In words of our own: the texts of aiohttp repeat the whole URL, or what the far side sent.
    match error:
        case aiohttp.ServerDisconnectedError():
            return "closed without an answer"
        case aiohttp.ClientResponseError():
            return "the answer is not valid HTTP"
        case ssl.SSLError():
            return f"TLS failed: {getattr(error, 'verify_message', None) or error.reason}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case socket.gaierror():
            return "the host name was not found"
        case _:
            return type(error).__name__
