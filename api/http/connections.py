"""The connections of an API process: how many there may be, and how long a client may take.

State: each connection knows its stage, since when it is in it, and how many bytes have come. Once a second all are
looked through, so that a request costs an addition for each piece that arrives, and no timer. A connection that is
overdue is closed, and so is the one that has waited the longest where there are too many: an honest client that comes
then is served, while those who hold connections without a request lose theirs.

| stage | limit |
|---|---|
| `HEAD`: connected, or the head of a request has begun | `head` |
| `BODY`: a request whose body comes | `body`, and a second for each `BODY_RATE` bytes that came |
| `UNREAD`: the client does not read what is written | `unread` |
| `IDLE`: between two requests | aiohttp's `keepalive_timeout` |
| `SERVING`: the handler is at work, or a stream is open | none |
"""

import asyncio
import heapq
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network
from typing import Any, Final, cast

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from api.http.faults import ended, error_in, failed, refused, replaced
from api.http.peer import UNKNOWN, Peers, parsed
from api.http.tally import Tally
from api.metrics import ApiMetrics
from tidings.domain.addresses import Address
from tidings.runtime.files import raise_open_files_limit
from tidings.settings import Settings

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
BODY_RATE: Final = 16 * 1024
"""Bytes a second, below which a body is too slow after a while."""
IPV6_BITS: Final = 64
"""Of an IPv6 address; the rest is one subscriber's to choose."""
SPARE_FILES: Final = 96
"""Open files for all but clients: Postgres, Redis, logs, libraries."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel may allow fewer."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a client may take, and numbers of connections."""

    head: float = 20.0
    body: float = 30.0
    unread: float = 30.0
    idle: float = 75.0
    """Over those of most proxies, which would else ask on a connection that has just been closed."""
    connections: int = 4096
    per_address: int = 512
    backlog: int = BACKLOG


class Stage(StrEnum):
    """What a connection waits for."""

    HEAD = "head"
    BODY = "body"
    UNREAD = "unread"
    IDLE = "idle"
    SERVING = "serving"


def limits(settings: Settings) -> Limits:
    """As the settings have it, and within what the process may open: accepting a connection must never fail."""
    files = raise_open_files_limit()
    # All that wait to be accepted may be, before the first of them is judged.
    backlog = min(BACKLOG, files // 8)
    room = max(files - SPARE_FILES - backlog, files // 4)
    if room < settings.max_connections:
        log.warning("fewer connections than MAX_CONNECTIONS", connections=room, open_files=files)
    return Limits(
        connections=min(settings.max_connections, room),
        per_address=settings.max_connections_per_address,
        backlog=backlog,
    )


class Connection(web.RequestHandler):
    """One client's. It reads a few of aiohttp's own fields, which tests/security/test_connections.py holds to."""

    __slots__ = ("_all", "_began", "_mark", "_received", "_stage", "group", "requests", "since", "wire")

    def __init__(self, server: web.Server, connections: "Connections", **how: Any) -> None:
        super().__init__(server, **how)
        self._all = connections
        self._received = self._began = self._mark = 0
        self._stage = Stage.HEAD
        self.requests = 0
        """Begun, at the last sweep."""
        self.since = self._loop.time()
        """When the stage began, to the second."""
        self.wire: asyncio.Transport | None = None
        self.group: object = None
        """Those of one client address, where they are limited."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wire = cast(asyncio.Transport, transport)
        self._all.opened(self, transport.get_extra_info("peername"))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._all.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  may hold bytes of the request
    ) -> web.StreamResponse:
        answer = refused(exc) if isinstance(exc, HttpProcessingError) else failed(exc, status)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer is sent already")
        return answer

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        return await super().finish_response(request, replaced(resp), start_time)

    def log_exception(self, *_args: Any, **kw: Any) -> None:
        ended(error_in(kw))

    @property
    def waits(self) -> bool:
        """Whether no request is being served."""
        return self._current_request is None and not self._messages

    def last_active(self, now: float) -> float:
        """Since when it waits."""
        return self.since if self._request_count == self.requests else now

    def overdue(self, now: float, allowed: Limits) -> Stage | None:
        """Looks at it once a second; returns the stage in which it has been for too long."""
        stage = self._current_stage()
        if stage is not self._stage or self._request_count != self.requests:
            self._stage, self.requests = stage, self._request_count
            self.since, self._began = now, self._received
        waited = now - self.since
        match stage:
            case Stage.HEAD:
                late = waited > allowed.head
            case Stage.BODY:
                late = waited > allowed.body + (self._received - self._began) / BODY_RATE
            case Stage.UNREAD:
                late = waited > allowed.unread
            case Stage.IDLE | Stage.SERVING:
                late = False
        return stage if late else None

    def abort(self) -> None:
        """Ends it at once; what is not written yet is lost."""
        if self.wire is not None:
            self.wire.abort()

    def _current_stage(self) -> Stage:
        # Without aiohttp's transport it is closing, as soon as the client has read what is written.
        if self.writing_paused or self.transport is None:
            return Stage.UNREAD
        if not self.waits:
            request = self._current_request
            coming = request is not None and not request.content.is_eof() and not self._reading_paused
            return Stage.BODY if coming else Stage.SERVING
        if self._request_count != self.requests:
            # A request has ended since; what comes from now on is of the next.
            self._mark = self._received
        return Stage.HEAD if self._received != self._mark or not self._request_count else Stage.IDLE


class Connections:
    """All of this process, from their first byte to their last."""

    def __init__(self, allowed: Limits, peers: Peers, metrics: ApiMetrics) -> None:
        self.allowed = allowed
        self.open: set[Connection] = set()
        self._peers = peers
        self._metrics = metrics
        self._groups: dict[object, set[Connection]] = {}
        self._tally = Tally("connections are closed")

    def opened(self, connection: Connection, peername: Any) -> None:
        """Takes one in, and closes others where there are too many."""
        self.open.add(connection)
        self._metrics.connections = len(self.open)
        connection.group = self._group(parsed(peername[0]) if isinstance(peername, tuple) else None)
        if connection.group is not None:
            group = self._groups.setdefault(connection.group, set())
            group.add(connection)
            if len(group) > self.allowed.per_address:
                self._make_room(group, connection, "per_address")
        if len(self.open) > self.allowed.connections:
            self._make_room(self.open, connection, "connections")

    def closed(self, connection: Connection) -> None:
        """Forgets one."""
        self.open.discard(connection)
        self._metrics.connections = len(self.open)
        group = self._groups.get(connection.group)
        if group is not None:
            group.discard(connection)
            if not group:
                del self._groups[connection.group]

    async def watch(self) -> None:
        """Closes what is overdue, once a second, until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self.open):
                if (stage := connection.overdue(now, self.allowed)) is not None:
                    self._close(connection, stage)
            self._tally.write()

    def _make_room(self, among: Iterable[Connection], newest: Connection, reason: str) -> None:
        """Closes those that have waited the longest, some at once, so that they are seldom looked through."""
        now = asyncio.get_running_loop().time()
        waiting = [each for each in among if each is not newest and each.waits]
        some = max(1, len(waiting) // 32)
        for each in heapq.nsmallest(some, waiting, key=lambda each: each.last_active(now)) or [newest]:
            self._close(each, reason)

    def _close(self, connection: Connection, reason: str) -> None:
        self.closed(connection)
        connection.abort()
        self._metrics.shed(reason)
        self._tally.count(reason)

    def _group(self, address: Address | None) -> object:
        """Whose it is, where each has a limit; None for this machine and for proxies, behind which are many."""
        if address is None or address == UNKNOWN or address.is_loopback or self._peers.is_proxy(address):
            return None
        return IPv6Network((address, IPV6_BITS), strict=False) if isinstance(address, IPv6Address) else address
