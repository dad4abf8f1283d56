"""One HTTP/1.1 connection: a state machine between an asyncio transport and llhttp.

| state | what may come | then |
|---|---|---|
| idle | bytes, or the end | they answer nobody: closed, and no longer in the pool |
| awaiting | a status line | its three digits are the outcome from here on, whatever follows |
| | interim answers (1xx but 101, 16 at most) | skipped |
| | bytes that are no HTTP, or a head over 64 KiB | the status decides where one can be read; else no answer; closed |
| | the end, a reset, the time limit | the same; "untouched" where not one byte had come |
| answering | headers and body | kept, up to 64 KiB of body |
| | the end of the message | the answer; idle where nothing is left over on either side, else closed |
| | bytes that are no HTTP, too many, the end, a reset, the time limit, 1 s without a length | the answer; closed |
| closed | anything | ignored |

Every wait is on one future, which each of these ends itself: no wait depends on what the transport reports.
"""

import asyncio
import select
from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import Final

import httptools

from tidings.channels.http.heads import HEAD_LIMIT, INTERIM_LIMIT, SWITCHING, Headers, is_interim, is_sized, read_head
from tidings.channels.http.transport import BODY_LIMIT, Answer

ANSWER_LIMIT: Final = 1024 * 1024
"""Bytes of one answer in all: chunk sizes, extensions and trailers count nowhere else."""
UNSIZED_SECONDS: Final = 1.0
"""How long a body is waited for whose end only the end of the connection would show."""


class State(Enum):
    """Where a connection is; the table above says what follows."""

    IDLE = auto()
    AWAITING = auto()
    ANSWERING = auto()
    CLOSED = auto()


class LostError(Exception):
    """The connection ended before a status came."""

    def __init__(self, cause: Exception | None = None, *, untouched: bool) -> None:
        super().__init__()
        self.cause = cause
        self.untouched = untouched
        """Whether not one byte of an answer had come."""


class NotHttpError(Exception):
    """What came is no HTTP, and has no status."""


class Connection(asyncio.Protocol):
    """Serves one request at a time."""

    __slots__ = (
        "_body",
        "_extra",
        "_interim",
        "_keep",
        "_loop",
        "_parser",
        "_poll",
        "_raw",
        "_size",
        "_status",
        "_taken",
        "_transport",
        "_unsized",
        "_waiter",
        "_writable",
        "born",
        "idle_since",
        "key",
        "on_idle_end",
        "requests",
        "state",
    )

    # Of the answer to the present request
    _status: int | None
    _raw: bytes
    """What has come up to the end of the head, and of the packet that held it."""
    _taken: int
    _body: list[bytes]
    _size: int
    _interim: int
    _keep: bool | None
    """None until the message is complete; then whether the receiver keeps the connection."""
    _extra: bool

    def __init__(self, loop: asyncio.AbstractEventLoop, key: Hashable) -> None:
        self._loop = loop
        self.key = key
        self.born = self.idle_since = loop.time()
        self.requests = 0
        self.on_idle_end: Callable[[Connection], None] | None = None
        """Called where it ends while nobody uses it."""
        self.state = State.IDLE
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._poll: select.poll | None = None
        self._writable: list[tuple[int, int]] = []
        """What that says where it can be written to, and nothing else."""
        self._unsized: asyncio.TimerHandle | None = None
        self._clear()

    @property
    def reusable(self) -> bool:
        """Whether it may carry a request: idle, with nothing to be read, which must not answer it, and nothing unsent.

        The event loop hands on what has come once a turn only, and over TLS knows of no rest: the socket is asked.
        """
        return (
            self.state is State.IDLE
            and self._transport is not None
            and not self._transport.is_closing()
            and (self._poll is None or self._poll.poll(0) == self._writable)
        )

    def request(self, data: bytes) -> "asyncio.Future[Answer]":
        """Sends a request. The future ends with the answer, or with LostError."""
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        if self.state is not State.IDLE or self._transport is None:
            waiter.set_exception(LostError(untouched=True))
            return waiter
        self.requests += 1
        self._clear()
        self.state = State.AWAITING
        self._waiter = waiter
        self._transport.write(data)
        return waiter

    def expire(self) -> None:
        """The time limit of the present request has passed."""
        self._finish(TimeoutError())

    def close(self) -> None:
        """Ends the connection at once; a request under way ends with what has come."""
        self._finish(None)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's is a Transport
        if (sock := transport.get_extra_info("socket")) is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN | select.POLLOUT)
            self._writable = [(sock.fileno(), select.POLLOUT)]

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.close()
            return
        self._taken += len(data)
        if self.state is State.AWAITING:
            self._raw = self._raw + data if self._raw else data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # No HTTP from here on, or another protocol.
            self._finish(NotHttpError())
            return
        if self._keep is not None:
            self._complete()
        elif (
            (self.state is State.AWAITING and self._taken > HEAD_LIMIT)
            or self._size > BODY_LIMIT
            or self._taken > ANSWER_LIMIT
            or self._interim > INTERIM_LIMIT
        ):
            self._finish(NotHttpError())
        elif self.state is State.ANSWERING and self._unsized is None and not is_sized(Headers(self._raw)):
            self._unsized = self._loop.call_later(UNSIZED_SECONDS, self._finish, None)

    def eof_received(self) -> bool:
        self._finish(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(error)
        self._transport = None
        # Nothing is fed to it any more, and the two hold each other.
        self._parser = None  # type: ignore[assignment]

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._keep is not None:
            self._extra = True

    def on_headers_complete(self) -> None:
        if self._keep is not None:
            return
        status = self._parser.get_status_code()
        if is_interim(status):
            self._interim += 1
        else:
            self._status = status
            self.state = State.ANSWERING

    def on_body(self, body: bytes) -> None:
        if self._keep is None:
            self._body.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        if self._status is not None and self._keep is None:
            self._keep = self._status != SWITCHING and self._parser.should_keep_alive()

    def _clear(self) -> None:
        self._status = self._keep = None
        self._raw = b""
        self._taken = self._size = self._interim = 0
        self._body = []
        self._extra = False

    def _complete(self) -> None:
        """The message is whole."""
        transport, waiter = self._transport, self._waiter
        if not self._keep or self._extra or transport is None or transport.get_write_buffer_size():
            self._finish(None)
            return
        self._waiter = None
        self.state = State.IDLE
        if self._unsized is not None:
            self._unsized.cancel()
            self._unsized = None
        if waiter is not None and not waiter.done():
            waiter.set_result(self._answer())

    def _answer(self) -> Answer:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Answer(self._status or 0, Headers(self._raw), body[:BODY_LIMIT])

    def _finish(self, error: Exception | None) -> None:
        """Ends the request with what has come, and the connection with it."""
        if self.state is State.CLOSED:
            return
        waiter, self._waiter = self._waiter, None
        self.state = State.CLOSED
        self._poll = None
        if self._unsized is not None:
            self._unsized.cancel()
            self._unsized = None
        if self._transport is not None:
            # Closing in order would wait for the receiver to take the rest.
            self._transport.abort()
        if self.on_idle_end is not None:
            self.on_idle_end(self)
        if waiter is None or waiter.done():
            return
        if self._status is None and (found := read_head(self._raw)) is not None:
            self._status, self._body = found.status, [found.rest]
        if self._status is not None:
            waiter.set_result(self._answer())
        else:
            waiter.set_exception(LostError(error, untouched=not self._raw))
