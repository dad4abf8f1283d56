"""A receiver that sends any bytes, in any pieces, at any time: no delivery outlives its time limit, no answer is
counted for another message, and a status of three digits that came is the outcome.

The client is the real one, with its pool and its limits; the network is none, and time passes at once. More examples:
FUZZ_EXAMPLES=100000.
"""

import asyncio
import itertools
import os
import re
import ssl
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.channels.http import wire
from tests.unit.channels.http.wire import Wire
from tidings.channels.http.client import HttpClient
from tidings.channels.http.connection import Connection
from tidings.channels.http.pool import AGE_SECONDS
from tidings.channels.http.transport import IDLE_SECONDS, Answer, TransportError
from tidings.settings import Settings

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
LIMIT: Final = 2.0
SETTINGS: Final = Settings(connect_timeout=LIMIT, delivery_timeout=LIMIT)
TRUST: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Not used, and to read all authorities takes longer than a conversation."""
TOKEN: Final = b"<token>"
"""Stands for the message's own, in what a receiver sends."""
END, RESET = "end", "reset"


class Script(msgspec.Struct):
    """What a receiver does from the moment at which a request is there; the next request to come ends it."""

    steps: list[tuple[float, bytes | str]]
    lag: float
    """Between what it does and the event loop's turn to see it."""


class Message(msgspec.Struct):
    """One POST."""

    pause: float
    """Before it."""
    scripts: tuple[Script, Script]
    """At the first time that it comes, and at the second."""
    together: bool
    """Whether the next one does not wait for it."""
    cancelled_after: float | None


FRAGMENTS: Final = [
    *(
        b"HTTP/1.1 ",
        b"HTTP/1.0 ",
        b"HTTP/2 ",
        b"200",
        b"503",
        b"100",
        b"20",
        b" OK\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b":",
    ),
    *(b"Content-Length: ", b"5", b"-1", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Upgrade: x\r\n"),
    *(b"0\r\n\r\n", b"zz\r\n", b"3\r\nabc\r\n", b"ffffffffffffffffff\r\n", b"\0", b"\xff", b"X: <token>\r\n", TOKEN),
]
STATUSES: Final = [200, 202, 204, 304, 100, 103, 101, 404, 408, 429, 500, 503, 999, 0]
TIMES: Final = st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.3, 1.2, 1.999, 2.5])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Valid ones, mostly."""
    status, body = draw(st.sampled_from(STATUSES)), draw(st.sampled_from([b"", TOKEN, TOKEN * 3]))
    framing = draw(
        st.sampled_from(
            [
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body),
                b"Transfer-Encoding: chunked\r\n\r\n7\r\n%b\r\n0\r\n\r\n" % TOKEN,
                b"\r\n%b" % body,
                b"Content-Length: 9000\r\n\r\n%b" % body,
            ]
        )
    )
    return b"HTTP/1.1 %03d Said\r\nX: %b\r\n%b" % (status, TOKEN, framing)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    text = draw(answers())
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(st.binary(max_size=4)) + text[start + draw(st.integers(0, 6)) :]


spoken: Final = st.one_of(
    answers(),
    answers(),
    mutated(),
    st.binary(max_size=30),
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join),
)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    steps: list[tuple[float, bytes | str]] = []
    for _ in range(draw(st.integers(0, 3))):
        text = draw(spoken)
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
        edges = [0, *cuts, len(text)]
        steps += [(draw(TIMES), text[start:end]) for start, end in itertools.pairwise(edges)]
    if draw(st.integers(0, 3)) == 0:
        steps.append((draw(TIMES), draw(st.sampled_from([END, RESET]))))
    return Script(steps, draw(st.sampled_from([0.0, 0.0005])))


messages: Final = st.builds(
    Message,
    pause=st.sampled_from([0.0, 0.0, 0.0001, 0.4, IDLE_SECONDS + 1]),
    scripts=st.tuples(scripts(), scripts()),
    together=st.booleans(),
    cancelled_after=st.one_of(st.none(), st.none(), st.none(), st.sampled_from([0.0, 0.0002, 0.3])),
)


class Peer:
    """One connection, seen from the receiver."""

    def __init__(self, receiver: "Receiver", connection: Connection) -> None:
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        self._pending: set[asyncio.TimerHandle] = set()
        self._steps: asyncio.TimerHandle | None = None
        self.requests = 0
        self.fed = b""
        """To the present request."""
        self.wire = Wire(connection, self._on_request)

    def _on_request(self, request: bytes) -> None:
        found = re.search(rb"\r\nx-token: ([0-9]+)\r\n", request)
        assert found is not None
        if self._steps is not None:
            self._steps.cancel()
        self.requests += 1
        self.fed = b""
        self._play(self._receiver.arrived(int(found[1]), self, request), int(found[1]), 0)

    def _play(self, script: Script, number: int, index: int) -> None:
        if index < len(script.steps):
            delay, what = script.steps[index]

            def act() -> None:
                self._send(what if isinstance(what, str) else what.replace(TOKEN, token(number)), script.lag)
                self._play(script, number, index + 1)

            self._steps = self._loop.call_later(delay, act)

    def _send(self, what: bytes | str, lag: float) -> None:
        def arrive() -> None:
            self._pending.discard(handle)
            self.wire.unread = bool(self._pending)
            connection = self.wire.connection
            if self.wire.cut:
                return
            if what == RESET:
                self.wire.cut = True
                connection.connection_lost(ConnectionResetError())
            elif what == END:
                connection.eof_received()
                self.wire.abort()
            elif what:
                assert isinstance(what, bytes)
                self.fed += what
                connection.data_received(what)

        handle = self._loop.call_later(lag, arrive)
        self._pending.add(handle)
        self.wire.unread = True


class Receiver:
    """All connections, and what came over them."""

    def __init__(self, played: list[Message]) -> None:
        self._messages = played
        self.sides: list[Peer] = []
        self.arrivals: dict[int, list[Peer]] = {}

    async def open(self, _target: object, key: str, _certificate: None, **_: float) -> Connection:
        connection = Connection(asyncio.get_running_loop(), key)
        self.sides.append(Peer(self, connection))
        return connection

    def arrived(self, number: int, side: Peer, request: bytes) -> Script:
        before = self.arrivals.setdefault(number, [])
        assert len(before) < 2, "a third time"
        assert (b"\r\nagain: true\r\n" in request) == bool(before)
        if before:
            [first] = before
            assert first is not side
            assert first.requests > 1, "again, though the connection was a new one"
            assert not first.fed, "again, though something came back"
            assert side.requests == 1
        before.append(side)
        return self._messages[number].scripts[len(before) - 1]


def token(number: int) -> bytes:
    return b"<%07x>" % (0x1234567 * (number + 1) & 0xFFFFFFF)


def status_said(fed: bytes) -> int | None:
    """As anybody would read it, who knows no more of HTTP than the status line."""
    for _ in range(17):
        found = re.match(rb"[\r\n]*HTTP/1\.[01] (\d\d\d)(?:[ \r\n]|$)", fed)
        if found is None or re.match(rb"(\r?\n)*HTTP", fed) is None:
            return None
        status = int(found[1])
        if status == 101 or status // 100 != 1:
            return status
        _, end, fed = fed.partition(b"\r\n\r\n")
        if not end:
            return None
    return None


async def converse(played: list[Message]) -> None:
    loop = asyncio.get_running_loop()
    client = HttpClient(SETTINGS, trust=lambda: TRUST)
    receiver = Receiver(played)
    client._connector.open = receiver.open  # type: ignore[assignment, method-assign]

    async def post(number: int) -> None:
        began = loop.time()
        answer: Answer | None = None
        try:
            answer = await client.post(
                "http://receiver/", body=b"{}", headers={"x-token": str(number)}, when_repeated={"again": "true"}
            )
        except TransportError:
            pass
        finally:
            assert loop.time() - began <= LIMIT + 0.01
        side = receiver.arrivals[number][-1]
        said = status_said(side.fed) if side.wire.connection.requests == side.requests else None
        if said is not None:
            assert answer is not None, side.fed
            assert answer.status == said, side.fed
        if answer is not None:
            held = "".join(answer.headers.values()).encode("latin-1") + answer.body
            for other in range(len(played)):
                assert other == number or token(other) not in held

    tasks: list[tuple[asyncio.Task[None], Message]] = []
    for number, message in enumerate(played):
        await asyncio.sleep(message.pause)
        task = asyncio.create_task(post(number))
        tasks.append((task, message))
        if message.cancelled_after is not None:
            loop.call_later(message.cancelled_after, task.cancel)
        if not message.together:
            await asyncio.wait([task])
    for task, message in tasks:
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None, task.exception()
        assert not task.cancelled() or message.cancelled_after is not None
    await asyncio.sleep(2 * IDLE_SECONDS)
    assert not client._pool
    assert all(side.wire.cut for side in receiver.sides), "a connection was left behind"
    assert AGE_SECONDS > IDLE_SECONDS


@pytest.mark.timeout(0 if "FUZZ_EXAMPLES" in os.environ else 300)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(messages, min_size=1, max_size=5))
def test_any_conversation(played: list[Message]) -> None:
    wire.run(lambda: converse(played))


def test_the_fuzzer_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a connection did that takes unasked bytes for an answer: the next message gets this one's."""
    said = b"HTTP/1.1 200 OK\r\nX: <token>\r\nContent-Length: 0\r\n\r\n"
    twice, never = Script([(0.0, said), (0.3, said)], 0.01), Script([], 0.0)
    played = [Message(0.295, (script, script), False, None) for script in (twice, never)]
    wire.run(lambda: converse(played))
    monkeypatch.setattr(Connection, "reusable", True)
    with pytest.raises(AssertionError):
        wire.run(lambda: converse(played))
