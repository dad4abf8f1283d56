"""tidings/channels/http/connection.py: the table in its docstring, each state by each event"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import pytest

from tests.unit.channels.http import wire
from tests.unit.channels.http.wire import Wire
from tidings.channels.http.connection import (
    ANSWER_LIMIT,
    UNSIZED_SECONDS,
    Connection,
    LostError,
    NotHttpError,
    State,
)
from tidings.channels.http.heads import HEAD_LIMIT, INTERIM_LIMIT
from tidings.channels.http.transport import BODY_LIMIT, Answer

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
INTERIM: Final = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
HEAD: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\n"
UNSIZED: Final = b"HTTP/1.1 203 OK\r\n\r\nab"


class Outcome(msgspec.Struct, frozen=True):
    """Of a request: a status, a loss, or that it still waits; and the state that follows."""

    state: State
    status: int | None = None
    lost: bool | None = None
    """Untouched or not."""
    http: bool = True


IDLE, CLOSED = Outcome(State.IDLE), Outcome(State.CLOSED)
AWAITING, ANSWERING = Outcome(State.AWAITING), Outcome(State.ANSWERING)


def answered(status: int, *, kept: bool = False) -> Outcome:
    return Outcome(State.IDLE if kept else State.CLOSED, status=status)


def lost(*, untouched: bool, http: bool = True) -> Outcome:
    return Outcome(State.CLOSED, lost=untouched, http=http)


def data(*pieces: bytes) -> Callable[[Connection], None]:
    def feed(connection: Connection) -> None:
        for piece in pieces:
            connection.data_received(piece)

    return feed


# How a connection gets into each state: what is fed to it, before and after a request. None: no request.
STATES: Final[dict[str, tuple[bytes, ...] | None]] = {
    "idle": None,
    "awaiting": (),
    "awaiting, touched": (b"HTTP/1.",),
    "awaiting, after an interim answer": (INTERIM,),
    "answering": (HEAD, b"a"),
    "answering without a length": (UNSIZED,),
    "closed": None,
}

EVENTS: Final[dict[str, Callable[[Connection], object]]] = {
    "an answer": data(OK),
    "an answer in single bytes": data(*(OK[i : i + 1] for i in range(len(OK)))),
    "an answer and more": data(OK + b"H"),
    "the rest": data(b"bcd"),
    "the end": lambda connection: connection.eof_received(),
    "a reset": lambda connection: connection.connection_lost(ConnectionResetError()),
    "the time limit": lambda connection: connection.expire(),
    "closing": lambda connection: connection.close(),
    "not HTTP": data(b"\0\xff\0\xff\0\xff"),
}

TABLE: Final[dict[str, list[Outcome]]] = {
    # In the order of EVENTS.
    "idle": [CLOSED] * 9,
    "awaiting": [
        answered(200, kept=True),
        answered(200, kept=True),
        answered(200),
        lost(untouched=False, http=False),
        lost(untouched=True),
        lost(untouched=True),
        lost(untouched=True),
        lost(untouched=True),
        lost(untouched=False, http=False),
    ],
    "awaiting, touched": [
        lost(untouched=False, http=False),
        lost(untouched=False, http=False),
        lost(untouched=False, http=False),
        lost(untouched=False, http=False),
        lost(untouched=False),
        lost(untouched=False),
        lost(untouched=False),
        lost(untouched=False),
        lost(untouched=False, http=False),
    ],
    "awaiting, after an interim answer": [
        answered(200, kept=True),
        answered(200, kept=True),
        answered(200),
        lost(untouched=False, http=False),
        lost(untouched=False),
        lost(untouched=False),
        lost(untouched=False),
        lost(untouched=False),
        lost(untouched=False, http=False),
    ],
    "answering": [
        answered(202),
        answered(202),
        answered(202),
        answered(202, kept=True),
        answered(202),
        answered(202),
        answered(202),
        answered(202),
        answered(202),
    ],
    "answering without a length": [
        ANSWERING,
        ANSWERING,
        ANSWERING,
        ANSWERING,
        answered(203),
        answered(203),
        answered(203),
        answered(203),
        ANSWERING,
    ],
    "closed": [CLOSED] * 9,
}


def outcome(connection: Connection, waiter: asyncio.Future[Answer] | None) -> Outcome:
    if waiter is None or not waiter.done():
        return Outcome(connection.state)
    error = waiter.exception()
    if error is None:
        return Outcome(connection.state, status=waiter.result().status)
    assert isinstance(error, LostError)
    return Outcome(connection.state, lost=error.untouched, http=not isinstance(error.cause, NotHttpError))


def prepared(state: str) -> tuple[Connection, Wire, asyncio.Future[Answer] | None]:
    connection = Connection(asyncio.get_running_loop(), "key")
    transport = Wire(connection)
    fed = STATES[state]
    if state == "closed":
        connection.close()
    if fed is None:
        return connection, transport, None
    waiter = connection.request(b"POST")
    data(*fed)(connection)
    assert not waiter.done()
    return connection, transport, waiter


def cells() -> Iterator[tuple[str, str, Outcome]]:
    for state, outcomes in TABLE.items():
        for event, expected in zip(EVENTS, outcomes, strict=True):
            yield state, event, expected


def test_the_table_is_whole() -> None:
    assert [(state, event) for state, event, _ in cells()] == list(itertools.product(STATES, EVENTS))


@pytest.mark.parametrize(("state", "event", "expected"), list(cells()))
def test_what_follows(state: str, event: str, expected: Outcome) -> None:
    async def main() -> None:
        connection, transport, waiter = prepared(state)
        EVENTS[event](connection)
        assert outcome(connection, waiter) == expected
        assert transport.cut == (connection.state is State.CLOSED) or event == "a reset"
        # Nothing more comes of anything more.
        EVENTS["an answer"](connection)
        connection.connection_lost(None)
        assert connection.state is State.CLOSED
        if waiter is not None and expected.status is not None:
            assert waiter.result().status == expected.status

    wire.run(main)


async def ask(*pieces: bytes, unsent: int = 0) -> tuple[Answer, Connection]:
    connection = Connection(asyncio.get_running_loop(), "key")
    Wire(connection).unsent = unsent
    waiter = connection.request(b"POST")
    data(*pieces)(connection)
    return await waiter, connection


@pytest.mark.parametrize("kept", [True, False])
def test_who_takes_no_request(kept: bool) -> None:
    """A closed one, and one on which something waits to be read."""

    async def main() -> None:
        connection = Connection(asyncio.get_running_loop(), "key")
        transport = Wire(connection)
        if kept:
            transport.unread = True
        else:
            connection.eof_received()
            with pytest.raises(LostError) as raised:
                await connection.request(b"POST")
            assert raised.value.untouched
        assert not connection.reusable
        assert not transport.written

    wire.run(main)


def test_an_idle_one_that_ends_says_so_once() -> None:
    async def main() -> None:
        connection = Connection(asyncio.get_running_loop(), "key")
        Wire(connection)
        told: list[Connection] = []
        connection.on_idle_end = told.append
        connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        connection.connection_lost(None)
        assert told == [connection]

    wire.run(main)


def test_an_answer_before_the_request_is_out_ends_the_connection() -> None:
    async def main() -> None:
        answer, connection = await ask(OK, unsent=1)
        assert (answer.status, answer.body, connection.state) == (200, b"ok", State.CLOSED)

    wire.run(main)


def test_a_waiter_that_was_cancelled_is_left_alone() -> None:
    async def main() -> None:
        connection = Connection(asyncio.get_running_loop(), "key")
        Wire(connection)
        waiter = connection.request(b"POST")
        waiter.cancel()
        connection.close()
        assert waiter.cancelled()

    wire.run(main)


def test_interim_answers_are_bounded() -> None:
    async def main() -> None:
        answer, connection = await ask(*[INTERIM] * INTERIM_LIMIT, OK)
        assert (answer.status, connection.state) == (200, State.IDLE)
        with pytest.raises(LostError):
            await ask(*[INTERIM] * (INTERIM_LIMIT + 1))

    wire.run(main)


@pytest.mark.parametrize("status", [0, 1, 99])
def test_a_status_under_100_is_no_interim_one(status: int) -> None:
    async def main() -> None:
        answer, _ = await ask(b"HTTP/1.1 %03d Odd\r\nContent-Length: 0\r\n\r\n" % status)
        assert answer.status == status

    wire.run(main)


def test_a_change_of_protocol_is_an_answer_that_ends_the_connection() -> None:
    async def main() -> None:
        for head in (b"", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"):
            answer, connection = await ask(b"HTTP/1.1 101 Switching Protocols\r\n" + head + b"\r\n")
            assert (answer.status, connection.state) == (101, State.CLOSED)

    wire.run(main)


@pytest.mark.parametrize(
    ("head", "piece", "most"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 1000, HEAD_LIMIT),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 100, HEAD_LIMIT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"a" * 1000, BODY_LIMIT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 100, ANSWER_LIMIT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 1000, ANSWER_LIMIT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 100, ANSWER_LIMIT),
    ],
    ids=["a header", "headers", "a body", "trailers", "an extension", "chunks"],
)
def test_what_is_taken_is_bounded(head: bytes, piece: bytes, most: int) -> None:
    async def main() -> None:
        connection = Connection(asyncio.get_running_loop(), "key")
        Wire(connection)
        waiter = connection.request(b"POST")
        connection.data_received(head)
        taken = 0
        while not waiter.done():
            connection.data_received(piece)
            taken += len(piece)
            assert taken <= most + 2 * len(piece)
        assert (await waiter).status == 200
        assert len((await waiter).body) <= BODY_LIMIT
        assert connection.state is State.CLOSED

    wire.run(main)


@pytest.mark.parametrize("coding", [b"", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n"])
def test_a_body_without_a_length_is_not_waited_for_long(coding: bytes) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(loop, "key")
        Wire(connection)
        waiter = connection.request(b"POST")
        connection.data_received(b"HTTP/1.1 200 OK\r\n" + coding + b"\r\nab")
        asked = loop.time()
        for step in (0.4, 0.4):
            await asyncio.sleep(step)
            connection.data_received(b"c")
        answer = await waiter
        assert loop.time() - asked == pytest.approx(UNSIZED_SECONDS)
        assert (answer.status, answer.body, connection.state) == (200, b"abcc", State.CLOSED)

    wire.run(main)


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\nRetry-After: 7\n\nok", b"HTTP/1.1 200\r\nBad Header: a\r\nRetry-After: 7"]
)
def test_headers_of_a_head_that_is_refused(raw: bytes) -> None:
    async def main() -> None:
        connection = Connection(asyncio.get_running_loop(), "key")
        Wire(connection)
        waiter = connection.request(b"POST")
        connection.data_received(raw)
        connection.eof_received()
        answer = await waiter
        assert (answer.status, answer.headers["RETRY-AFTER"]) == (200, "7")
        assert set(answer.headers) >= {"retry-after"}
        assert len(answer.headers) == len(list(answer.headers))

    wire.run(main)


def test_of_headers_the_first_counts_and_neither_interim_nor_trailing_ones() -> None:
    async def main() -> None:
        answer, _ = await ask(
            b"HTTP/1.1 103 Early\r\nX: early\r\n\r\n"
            b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nretry-after: 2\r\nX: a\r\n Y: folded\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\nZ: trailing\r\n\r\n"
        )
        assert dict(answer.headers) == {"retry-after": "1", "x": "a", "transfer-encoding": "chunked"}

    wire.run(main)
