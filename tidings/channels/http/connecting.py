"""Opens connections: names, the race of addresses, the egress proxy, TLS. All of it ends by one deadline.

Whatever ends a step, a time limit and a cancellation included, leaves no socket behind.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Hashable
from typing import Final

import structlog

from tidings.channels.http.connection import Connection
from tidings.channels.http.heads import HEAD_LIMIT, read_head
from tidings.channels.http.judgement import describe
from tidings.channels.http.requests import Target
from tidings.channels.http.resolving import (
    SHORTAGES,
    BlockedError,
    Lookup,
    Resolver,
    check_shortage,
    connect,
    literal,
    permitted,
)
from tidings.channels.http.tls import Contexts, Trust
from tidings.channels.http.transport import INVALID, ForbiddenError, ShortageError, TransportError
from tidings.domain.addresses import Proxy
from tidings.security.client_certificate import ClientCertificate
from tidings.security.egress import Egress

log = structlog.get_logger(__name__)

_OPENED: Final = range(200, 300)
_DENIED: Final = frozenset({403, 407})


class Connector:
    """Create it inside the running event loop.

    With a `proxy`, connections go through it. Names are then looked up, and checked, by the proxy; the egress check
    applies to ports, and to addresses that stand in a URL.
    """

    def __init__(
        self, *, egress: Egress | None, proxy: Proxy | None, lookup: Lookup, name_seconds: float, trust: Trust
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._egress = egress
        self._proxy = proxy
        self._resolver = Resolver(None if proxy else egress, seconds=name_seconds, lookup=lookup)
        self._contexts = Contexts(trust)

    async def open(
        self, target: Target, key: Hashable, certificate: ClientCertificate | None, *, until: float, named: float
    ) -> Connection:
        """A connection that is ready for a request, by `until` of the loop's clock; `named` is that limit's length.

        Raises TransportError.
        """
        try:
            sock = await self._dial(target, until)
            return await self._speak(sock, target, key, certificate, until)
        except BlockedError as error:
            raise ForbiddenError(str(error)) from None
        except UnicodeError:  # of a name that no resolver can be asked for
            raise TransportError(INVALID) from None
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # with an errno it is the operating system's
                raise TransportError(f"no connection: timed out after {named:g} s") from None
            if (short := _shortage(error)) is not None:
                raise ShortageError(f"no connection: {os.strerror(short)} on our side") from None
            raise TransportError(f"no connection: {reason(error)}") from None

    async def _dial(self, target: Target, until: float) -> socket.socket:
        host, port = target.host, target.port
        # In two, since a race that is won may swallow the cancellation by which a time limit ends.
        async with asyncio.timeout_at(until):
            if self._proxy is not None:
                self._check(host, port)
                sock = await self._reach(self._proxy.host, self._proxy.port)
            else:
                sock = await self._reach(host, port)
        if self._proxy is None:
            return sock
        try:
            async with asyncio.timeout_at(until):
                await self._ask(self._proxy, sock, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except BaseException:
            sock.close()
            raise
        return sock

    async def _reach(self, host: str, port: int) -> socket.socket:
        try:
            return await connect(await self._resolver.addresses(host, port))
        except BlockedError:
            raise
        except (OSError, asyncio.CancelledError):
            # Its addresses did not serve: perhaps it has moved.
            self._resolver.forget(host, port)
            raise

    def _check(self, host: str, port: int) -> None:
        """Raises BlockedError for what is closed here, before the proxy is asked."""
        if self._egress is None:
            return
        if (address := literal(host, port)) is not None:
            permitted(address, host, port, self._egress)
        elif not self._egress.opens(port):
            log.warning("address refused", host=host, port=port, reason=f"port {port} is not open")
            raise BlockedError

    async def _ask(self, proxy: Proxy, sock: socket.socket, authority: str) -> None:
        """Has the proxy connect to `authority` (RFC 9110, section 9.3.6). Raises TransportError."""
        credentials = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n"
        await self._loop.sock_sendall(sock, request.encode())
        raw = b""
        while b"\r\n\r\n" not in raw and len(raw) < HEAD_LIMIT and (data := await self._loop.sock_recv(sock, 4096)):
            raw += data
        head = read_head(raw)
        if head is None:
            raise TransportError("no connection: the egress proxy closed without an answer")
        if head.status in _DENIED:
            raise TransportError(f"no connection: the egress proxy refused: {describe(head.status)}")
        if head.status not in _OPENED:
            raise TransportError(f"no connection: the egress proxy could not reach it: {describe(head.status)}")
        if head.rest or not raw.endswith(b"\r\n\r\n"):
            # In either case the client speaks first.
            raise TransportError("no connection: the egress proxy's answer is not valid")

    async def _speak(
        self, sock: socket.socket, target: Target, key: Hashable, certificate: ClientCertificate | None, until: float
    ) -> Connection:
        connection = Connection(self._loop, key)
        try:
            async with asyncio.timeout_at(until):
                await self._loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=await self._contexts.get(certificate) if target.tls else None,
                    server_hostname=target.host.partition("%")[0] if target.tls else None,
                )
        except BaseException as error:
            connection.close()
            sock.close()
            if isinstance(error, ValueError) and not isinstance(error, OSError):  # a name that TLS cannot ask for
                raise TransportError(INVALID) from None
            raise
        return connection


def reason(error: Exception) -> str:
    """In words of our own: other texts may repeat the URL, or what the receiver sent."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS failed: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {_tls_reason(error.reason or '')}"
        case socket.gaierror():
            return "the host name was not found"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case ConnectionResetError() | ConnectionAbortedError():
            return "closed without an answer"
        case _:
            return type(error).__name__


def refuses_certificate(error: Exception | None) -> bool:
    """Whether the receiver ended a connection for want of a client certificate that it accepts."""
    return isinstance(error, ssl.SSLError) and _speaks_of_certificate(error.reason or "")


def _tls_reason(alert: str) -> str:
    if "CERTIFICATE_REQUIRED" in alert:
        return "the receiver asks for a client certificate"
    if "ALERT_HANDSHAKE_FAILURE" in alert:  # so says TLS 1.2
        return "the receiver refused the handshake; it may ask for a client certificate"
    if _speaks_of_certificate(alert):
        return "the receiver does not accept the client certificate"
    return alert or "the connection was closed"


def _speaks_of_certificate(alert: str) -> bool:
    return "_ALERT_" in alert and any(word in alert for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED"))


def _shortage(error: OSError) -> int | None:
    """The number of the operating system's error, where it is that something of our own is used up."""
    if error.errno in SHORTAGES:
        return error.errno
    if isinstance(error, socket.gaierror):
        try:
            check_shortage()
        except OSError as short:
            return short.errno
    return None
