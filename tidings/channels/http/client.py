"""The HTTP client that messages are delivered with: one POST, one answer, within its time limits.

In play: idle connections (`pool.py`), each a state machine (`connection.py`), names (`resolving.py`). A status of three
digits that came is the outcome; what follows is best effort. No redirect is followed, nothing is unpacked, and what a
receiver may cost is bounded: a limit to connect, one for the whole try, 64 KiB of head and of body.

May send a request twice: where a kept connection ends before one byte of an answer came, it goes out once more on a new
one, with the headers that mark a possible duplicate. A receiver may have taken it the first time.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec
import structlog
from aiohappyeyeballs import start_connection
from yarl import URL

from tidings.channels.http.connection import Connection, LostError, NotHttpError
from tidings.channels.http.pool import Pool
from tidings.channels.http.resolving import BlockedError, Lookup, Resolver, system_lookup
from tidings.channels.http.time_limits import TimeLimit, TimeLimits
from tidings.channels.http.transport import (
    INVALID,
    NAME_SECONDS,
    OWN_HEADERS,
    Answer,
    ForbiddenError,
    ShortageError,
    TransportError,
)
from tidings.security.egress import Egress
from tidings.settings import Settings

log = structlog.get_logger(__name__)

TARGETS_KEPT: Final = 4096
HAPPY_EYEBALLS_SECONDS: Final = 0.25
"""Head start of each address over the next (RFC 8305, section 5)."""
SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Our own: no file descriptor or memory is left."""
_NOTHING: Final[Mapping[str, str]] = {}


class Target(msgspec.Struct, frozen=True, eq=False):
    """A URL, made ready: where to connect, and what a request to it begins with."""

    host: str
    port: int
    tls: bool
    start: str
    """Request line and `Host`."""
    key: tuple[str, int, bool]


class HttpClient:
    """A Transport; create it inside the running event loop.

    Without an `egress` it goes anywhere, which is for addresses that the operator has set.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        egress: Egress | None = None,
        lookup: Lookup = system_lookup,
        name_seconds: float = NAME_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect_timeout = settings.connect_timeout
        self._total_timeout = settings.delivery_timeout
        self._limits = TimeLimits(settings.delivery_timeout)
        self._target = lru_cache(TARGETS_KEPT)(_read_url)
        self._resolver = Resolver(egress, seconds=name_seconds, lookup=lookup)
        self._pool = Pool(per_key=settings.in_flight_per_destination, total=settings.in_flight)
        self._tls = tls or ssl.create_default_context()

    async def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        within: float | None = None,
        when_repeated: Mapping[str, str] = _NOTHING,
    ) -> Answer:
        """Raises TransportError where no answer came within the time limits.

        `within` is what is left of the whole time where some of it was spent before, in seconds over 0. `when_repeated`
        are headers to add where the request goes out a second time.
        """
        try:
            target = self._target(url)
            request = _head(target, headers, len(body)) + body
        except ValueError:
            raise TransportError(INVALID) from None
        limit = self._limits.begin()
        sooner = None if within is None else self._loop.call_later(within, limit.end)
        try:
            kept = await self._kept(target)
            if kept is not None:
                try:
                    return await self._exchange(kept, request, limit)
                except LostError as error:
                    if not error.untouched or limit.passed:
                        raise self._lost(error, limit) from None
                if when_repeated:
                    request = _head(target, {**headers, **when_repeated}, len(body)) + body
            connection = await self._open(target, limit, within)
            try:
                return await self._exchange(connection, request, limit)
            except LostError as error:
                # `from None`: nothing of what the receiver sent or the URL holds gets into a text.
                raise self._lost(error, limit) from None
        finally:
            self._limits.done(limit)
            if sooner is not None:
                sooner.cancel()

    async def close(self) -> None:
        self._limits.close()
        self._pool.close()

    async def _kept(self, target: Target) -> Connection | None:
        """A connection on which nothing waits to be read: what came unasked must not answer this request."""
        while (connection := self._pool.take(target.key)) is not None:
            if not connection.unread:
                return connection
            if target.tls:
                # It may be TLS's own, such as a ticket: the event loop shows.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                if connection.reusable and not connection.unread:
                    return connection
            connection.close()
        return None

    async def _exchange(self, connection: Connection, request: bytes, limit: TimeLimit) -> Answer:
        if limit.passed:
            connection.close()
            raise LostError(None, untouched=True)
        limit.holds_for(connection)
        try:
            answer = await connection.request(request)
        except BaseException:
            connection.close()
            raise
        self._pool.put(connection)
        return answer

    async def _open(self, target: Target, limit: TimeLimit, within: float | None) -> Connection:
        left = limit.at - self._loop.time()
        if within is not None:
            left = min(left, within)
        seconds, named = min((self._connect_timeout, self._connect_timeout), (left, self._total_timeout))
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._resolver.addresses(target.host, target.port)
                sock = await start_connection(addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS)
                try:
                    _, connection = await self._loop.create_connection(
                        lambda: Connection(self._loop, target.key),
                        sock=sock,
                        ssl=self._tls if target.tls else None,
                        server_hostname=target.host if target.tls else None,
                    )
                except BaseException:
                    sock.close()
                    raise
                return connection
        except BlockedError as error:
            raise ForbiddenError(str(error)) from None
        except UnicodeError:  # of a name that no resolver can be asked for
            raise TransportError(INVALID) from None
        except OSError as error:
            self._resolver.forget(target.host, target.port)
            if isinstance(error, TimeoutError) and error.errno is None:  # with an errno it is the operating system's
                raise TransportError(f"no connection: timed out after {named:g} s") from None
            if error.errno in SHORTAGES:
                raise ShortageError(f"no connection: {_reason(error)} on our side") from None
            raise TransportError(f"no connection: {_reason(error)}") from None

    def _lost(self, error: LostError, limit: TimeLimit) -> TransportError:
        if limit.passed:
            return TransportError(f"timed out after {self._total_timeout:g} s", unanswered=True)
        if isinstance(error, NotHttpError):
            return TransportError("connection lost: the answer is not valid HTTP", unanswered=True)
        reason = "closed without an answer" if error.cause is None else _reason(error.cause)
        return TransportError(f"connection lost: {reason}", unanswered=True)


def _read_url(text: str) -> Target:
    """Raises ValueError for a URL that nothing can be sent to."""
    # `encoded`: the URL goes out letter for letter, since its query may be signed.
    url = URL(text, encoded=True)
    if url.scheme not in {"http", "https"} or not url.raw_host or not url.port:
        raise ValueError(INVALID)
    target = url.raw_path_qs
    if not target.isascii() or any(letter <= " " or letter == "\x7f" for letter in target):
        raise ValueError(INVALID)
    host = f"[{url.raw_host}]" if ":" in url.raw_host else url.raw_host
    authority = host if url.is_default_port() else f"{host}:{url.port}"
    start = f"POST {target} HTTP/1.1\r\nHost: {authority}\r\n"
    if url.user is not None or url.password is not None:
        from base64 import b64encode  # noqa: PLC0415  (hardly ever)

        pair = f"{url.user or ''}:{url.password or ''}".encode()
        start += f"Authorization: Basic {b64encode(pair).decode()}\r\n"
    tls = url.scheme == "https"
    return Target(url.raw_host, url.port, tls, start, (url.raw_host, url.port, tls))


def _head(target: Target, headers: Mapping[str, str], length: int) -> bytes:
    """Raises ValueError for a header that HTTP cannot carry."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if len(headers) > 0 and (given := {name.lower() for name in headers}):
        lines += [f"{name}: {value}\r\n" for name, value in OWN_HEADERS.items() if name.lower() not in given]
    text = "".join(lines)
    if text.count("\r") != len(lines) or text.count("\n") != len(lines) or "\0" in text:
        raise ValueError(INVALID)
    if not headers:
        text = "".join(f"{name}: {value}\r\n" for name, value in OWN_HEADERS.items())
    return f"{target.start}{text}Content-Length: {length}\r\n\r\n".encode()


def _reason(error: Exception) -> str:
    # In words of our own: other texts may repeat the URL, or what the receiver sent.
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS failed: {error.verify_message}"
        case ssl.SSLError(reason=str(reason)) if "CERTIFICATE_REQUIRED" in reason:
            return "TLS failed: the receiver asks for a client certificate"
        case ssl.SSLError():
            return f"TLS failed: {error.reason}"
        case socket.gaierror():
            return "the host name was not found"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case ConnectionResetError() | ConnectionAbortedError():
            return "closed without an answer"
        case _:
            return type(error).__name__
