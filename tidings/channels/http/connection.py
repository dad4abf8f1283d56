"""One HTTP/1.1 connection: a state machine between an asyncio transport and llhttp.

| state | what may come | then |
|---|---|---|
| idle | bytes, or the end | nobody's answer: the connection is closed |
| awaiting | a status line | its three digits are the outcome from here on, whatever follows |
| | interim answers (1xx, 16 at most) | skipped |
| | the end, a reset, or the time limit | no answer; "untouched" where not one byte had come |
| answering | headers, body, up to 64 KiB each | kept |
| | the end of the message | the answer; idle again where nothing is left over on either side |
| | bytes that are not HTTP, too many, the end, a reset, the time limit | the answer with what has come; closed |
| closed | anything | ignored |

Every wait is on one future, which each of these ends itself: no wait depends on what the transport reports.
"""

import asyncio
import re
import select
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Final

import httptools

from tidings.channels.http.transport import BODY_LIMIT, Answer

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of status line and headers that are read; the status decides then."""
INTERIM_LIMIT: Final = 16
"""Interim answers (1xx) to one request that are skipped."""
UNSIZED_SECONDS: Final = 1.0
"""How long a body is waited for whose end only the end of the connection would show."""

_SWITCHING: Final = 101
_FINAL: Final = 200
_STATUS_LINE: Final = re.compile(rb"(?:\r?\n)*HTTP/\d+(?:\.\d+)?[ \t]+(\d{3})(?=[ \t\r\n]|\Z)")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class State(Enum):
    """Where a connection is; the table above says what follows."""

    IDLE = auto()
    AWAITING = auto()
    ANSWERING = auto()
    CLOSED = auto()


class LostError(Exception):
    """The connection ended before a status came."""

    def __init__(self, cause: Exception | None, *, untouched: bool) -> None:
        super().__init__()
        self.cause = cause
        self.untouched = untouched
        """Whether not one byte of an answer had come."""


class NotHttpError(LostError):
    """What came is no HTTP, and has no status."""


class Headers(Mapping[str, str]):
    """The headers of an answer, looked up without regard to case; the first of a name counts."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode("latin-1", "replace")
        for key, value in self._pairs:
            if key.lower() == wanted:
                return value.decode("latin-1").strip()
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.decode("latin-1").lower() for key, _ in self._pairs))

    def __len__(self) -> int:
        return len(set(self))


class Connection(asyncio.Protocol):
    """Serves one request at a time."""

    __slots__ = (
        "_body",
        "_extra",
        "_interim",
        "_keep",
        "_loop",
        "_pairs",
        "_parser",
        "_poll",
        "_raw",
        "_size",
        "_state",
        "_status",
        "_unsized",
        "_waiter",
        "born",
        "idle_since",
        "key",
        "requests",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, key: object) -> None:
        self._loop = loop
        self.key = key
        self.born = loop.time()
        self.idle_since = self.born
        self.requests = 0
        self.transport: asyncio.Transport | None = None
        self._state = State.IDLE
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._poll: select.poll | None = None
        self._unsized: asyncio.TimerHandle | None = None
        self._clear()

    @property
    def reusable(self) -> bool:
        """Whether it may carry another request."""
        return self._state is State.IDLE and self.transport is not None and not self.transport.is_closing()

    @property
    def unread(self) -> bool:
        """Whether the socket holds bytes, or the end, that the event loop has not yet handed on."""
        return bool(self._poll is not None and self._poll.poll(0))

    def request(self, data: bytes) -> "asyncio.Future[Answer]":
        """Sends a request. The future ends with the answer, or with LostError."""
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        if not self.reusable or self.transport is None:
            waiter.set_exception(LostError(None, untouched=True))
            return waiter
        self.requests += 1
        self._clear()
        self._state = State.AWAITING
        self._waiter = waiter
        self.transport.write(data)
        return waiter

    def expire(self) -> None:
        """The time limit of the present request has passed."""
        if self._waiter is not None:
            self._finish(TimeoutError())

    def close(self) -> None:
        """Ends the connection at once; a request under way ends with what has come."""
        self._finish(None)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's is a Transport
        if (sock := transport.get_extra_info("socket")) is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            # Nobody asked: it must not become the answer to the next request.
            self.close()
            return
        if self._state is State.AWAITING:
            self._raw = self._raw + data if self._raw else data
            if len(self._raw) > HEAD_LIMIT:
                self._finish(None)
                return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # Not HTTP from here on, or another protocol: the status decides, where there is one.
            self._finish(None)
            return
        if self._keep is not None:
            self._complete()
        elif self._size > BODY_LIMIT or self._interim > INTERIM_LIMIT:
            self._finish(None)
        elif self._state is State.ANSWERING and self._unsized is None and not self._is_sized():
            self._unsized = self._loop.call_later(UNSIZED_SECONDS, self._finish, None)

    def eof_received(self) -> bool:
        if self._waiter is not None:
            self._finish(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None:
            self._finish(error)
        self._state = State.CLOSED
        self.transport = self._poll = None

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._keep is not None:
            self._extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FINAL or status == _SWITCHING:
            if self._keep is None:
                self._status = status
                self._state = State.ANSWERING
        else:
            self._interim += 1
            self._pairs = []

    def on_body(self, body: bytes) -> None:
        if self._keep is None:
            self._body.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        if self._status is not None and self._keep is None:
            self._keep = self._parser.should_keep_alive()

    def _clear(self) -> None:
        self._status: int | None = None
        self._pairs: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._raw = b""
        self._interim = 0
        self._keep: bool | None = None
        """None until the message is complete; then whether the receiver keeps the connection."""
        self._extra = False

    def _is_sized(self) -> bool:
        names = {name.lower() for name, _ in self._pairs}
        return b"content-length" in names or b"transfer-encoding" in names

    def _complete(self) -> None:
        """The message is whole."""
        transport = self.transport
        if self._keep and not self._extra and transport is not None and not transport.get_write_buffer_size():
            waiter, self._waiter = self._waiter, None
            self._state = State.IDLE
            if self._unsized is not None:
                self._unsized.cancel()
                self._unsized = None
            if waiter is not None and not waiter.done():
                waiter.set_result(self._answer(self._status or 0))
            return
        self._finish(None)

    def _answer(self, status: int) -> Answer:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Answer(status, Headers(self._pairs), body[:BODY_LIMIT])

    def _finish(self, error: Exception | None) -> None:
        """Ends the request with what has come, and the connection with it."""
        waiter, self._waiter = self._waiter, None
        self._state = State.CLOSED
        self._poll = None
        if self._unsized is not None:
            self._unsized.cancel()
            self._unsized = None
        if self.transport is not None:
            # Closing in order would wait for the receiver to take the rest.
            self.transport.abort()
        if waiter is None or waiter.done():
            return
        if self._status is None and (found := read_odd_head(self._raw)) is not None:
            self._status, self._pairs, body = found
            self._body = [body]
        if self._status is not None:
            waiter.set_result(self._answer(self._status))
        elif self._raw and error is None:
            waiter.set_exception(NotHttpError(None, untouched=False))
        else:
            waiter.set_exception(LostError(error, untouched=not self._raw))


def read_odd_head(raw: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
    """Status, headers and the beginning of the body of an answer that llhttp refuses; None where no status came.

    Interim answers before it are skipped.
    """
    for _ in range(INTERIM_LIMIT + 1):
        found = _STATUS_LINE.match(raw)
        if found is None:
            return None
        status = int(found[1])
        end = _HEAD_END.search(raw, found.end())
        if status >= _FINAL or status == _SWITCHING:
            break
        if end is None:
            return None
        raw = raw[end.end() :]
    else:
        return None
    head = raw[found.end() : end.start() if end else len(raw)]
    lines = [line.partition(b":") for line in head.splitlines()[1:]]
    pairs = [(name.strip(), value.strip()) for name, colon, value in lines if colon]
    return status, pairs, raw[end.end() :][:BODY_LIMIT] if end else b""
