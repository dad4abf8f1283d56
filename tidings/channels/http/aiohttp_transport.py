"""HTTP over aiohttp's connections: the hot path of the `sms` and `webhook` channels.

Of aiohttp this takes the connector (names, TLS, the race of addresses, kept connections) and the parser, and leaves out
its session: a request of that, with all that it makes, costs three times the CPU time (76 µs and 28 in one run).
What is used of aiohttp's inside is `TCPConnector.connect`, `ResponseHandler` and `_serialize_headers`, for which its
minor version is pinned.

Connections are kept and reused; cookies are not. What a receiver may cost is bounded: a time limit to connect and
one for the whole attempt, 64 KiB of body (never unpacked, so a zip bomb stays as small as it came), and no redirects.
A request is never repeated here: that is for the retry policy.

Certificates are verified. With an `Egress` the transport goes only where that allows: `tidings/channels/http/guard.py`.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Final

import aiohttp
import msgspec
from aiohttp import ClientRequest, ClientTimeout, StreamReader, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict
from yarl import URL

from tidings.channels.http.guard import BlockedError, GuardedResolver, GuardedSockets
from tidings.channels.http.time_limits import TimeLimit, TimeLimits
from tidings.channels.http.transport import (
    BODY_LIMIT,
    IDLE_SECONDS,
    INVALID,
    NAME_SECONDS,
    OWN_HEADERS,
    Answer,
    ForbiddenError,
    TransportError,
)
from tidings.security.egress import Egress
from tidings.settings import Settings

TARGETS_KEPT: Final = 1024
_LOST: Final = (aiohttp.ClientError, HttpProcessingError, OSError)


class _Request(ClientRequest):
    """Where the connector is to connect."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        """Read for every connection, and always the same."""
        return super().connection_key


class Target(msgspec.Struct, frozen=True):
    """A parsed URL: where to connect, and what a request to it begins with."""

    request: ClientRequest
    start_line: str
    headers: CIMultiDict[str]


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
        self._loop = asyncio.get_running_loop()
        self._connect_timeout = settings.connect_timeout
        self._total_timeout = settings.delivery_timeout
        self._connecting = ClientTimeout(connect=settings.connect_timeout)
        self._limits = TimeLimits(settings.delivery_timeout)
        self._target = lru_cache(TARGETS_KEPT)(self._read_url)
        self._connector = TCPConnector(
            limit=settings.in_flight,
            keepalive_timeout=IDLE_SECONDS,
            resolver=resolver if egress is None else GuardedResolver(resolver or ThreadedResolver(), egress),
            ttl_dns_cache=name_seconds,
            socket_factory=None if egress is None else GuardedSockets(egress),
        )

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises TransportError if no response came within the time limits."""
        try:
            target = self._target(url)
            head = _head(target, headers, len(body))
        except ValueError:
            raise TransportError(INVALID) from None
        limit = self._limits.begin()
        try:
            connection = await self._connect(target.request)
            try:
                return await self._exchange(connection, head + body, limit)
            except _LOST as error:
                # `from None`, here and below: the cause's text would name the whole URL.
                raise TransportError(self._describe_loss(error, limit), unanswered=True) from None
            finally:
                connection.close()
        finally:
            self._limits.done(limit)

    async def close(self) -> None:
        self._limits.close()
        await self._connector.close()

    async def _connect(self, request: ClientRequest) -> Connection:
        try:
            return await self._connector.connect(request, [], self._connecting)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, BlockedError):
                raise ForbiddenError(str(error.os_error)) from None
            raise TransportError(f"no connection: {_reason(error.os_error)}") from None
        except ValueError:  # of a name that no resolver can be asked for
            raise TransportError(INVALID) from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # with an errno it is the operating system's
                raise TransportError(f"no connection: timed out after {self._connect_timeout:g} s") from None
            raise TransportError(f"no connection: {_reason(error)}") from None

    async def _exchange(self, connection: Connection, request: bytes, limit: TimeLimit) -> Answer:
        """Sends a request and reads its response. Keeps the connection only if nothing of either is left over."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        limit.holds_for(transport)
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        try:
            transport.write(request)
            message, content = await protocol.read()
            while message.code < HTTPStatus.OK and message.code != HTTPStatus.SWITCHING_PROTOCOLS:
                message, content = await protocol.read()
            body = await _read(content)
        finally:
            if transport.get_write_buffer_size():
                # Closing would wait for the receiver to take the rest.
                transport.abort()
        connection.release()
        return Answer(message.code, message.headers, body)

    def _read_url(self, url: str) -> Target:
        """Raises ValueError for a URL that nothing can be sent to."""
        # `encoded`: the URL goes out letter for letter, since its query may be signed.
        parsed = URL(url, encoded=True)
        if parsed.scheme not in {"http", "https"}:
            raise ValueError(INVALID)
        request = _Request("POST", parsed, headers=OWN_HEADERS, loop=self._loop)
        return Target(request, f"POST {parsed.raw_path_qs} HTTP/1.1", request.headers)

    def _describe_loss(self, error: Exception, limit: TimeLimit) -> str:
        if limit.passed:
            return f"timed out after {self._total_timeout:g} s"
        return f"connection lost: {_reason(error)}"


def _head(target: Target, headers: Mapping[str, str], length: int) -> bytes:
    """Raises ValueError for a header that HTTP cannot carry."""
    sent = target.headers.copy()
    sent.update(headers)
    sent["Content-Length"] = str(length)
    return _serialize_headers(target.start_line, sent)


async def _read(content: StreamReader) -> bytes:
    """The body, or as much of it as comes within the limits of size and time."""
    if content.is_eof() and 0 < content.total_bytes <= BODY_LIMIT and content.exception() is None:
        # The rule: all of it is there. To read it would have the connection read on, a tenth of what a request costs.
        return b"".join(content._buffer)  # noqa: SLF001
    body = bytearray()
    try:
        while len(body) < BODY_LIMIT and not content.at_eof():
            body += await content.read(BODY_LIMIT - len(body))
    except _LOST:
        # The status has come. To take this for a failure would send an accepted message a second time.
        pass
    return bytes(body)


def _reason(error: Exception) -> str:
    # In words of our own: the texts of aiohttp repeat the whole URL, or what the receiver sent.
    match error:
        case aiohttp.ServerDisconnectedError():
            return "closed without an answer"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the answer is not valid HTTP"
        case ssl.SSLError():
            return f"TLS failed: {getattr(error, 'verify_message', None) or error.reason}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case socket.gaierror():
            return "the host name was not found"
        case _:
            return type(error).__name__
