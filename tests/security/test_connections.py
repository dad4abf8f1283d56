"""api/http/connections.py: who holds connections without using them loses them, and nobody else is shut out."""

import asyncio
import io
import re
import resource
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import aiohttp
import msgspec
import pytest
from aiohttp import web

from api.http import connections as module
from api.http.connections import Connection, Connections, Limits
from api.http.peer import Peers
from api.metrics import ApiMetrics
from tests.eventually import eventually
from tests.integration.api.test_service import line_with, start
from tests.security.conftest import Listen
from tidings.observability.logs import configure_logging
from tidings.settings import Settings

LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
SHORT = Limits(head=0.3, body=0.3, unread=0.3, idle=30.0)
Address = tuple[str, int]


@pytest.fixture(autouse=True)
def _swept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.05)


@pytest.fixture
def said() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("api", "INFO", stream=stream)
    return stream


@asynccontextmanager
async def connected(address: Address) -> Any:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection is closed by the other side."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def get(address: Address, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address[0]}:{address[1]}{path}") as answer:
        return answer.status, await answer.text()


async def nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """A connection on which nothing is sent."""


async def half_a_head(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: localh")


async def half_a_second_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LIVE)
    await reader.readuntil(b"}")
    await asyncio.sleep(0.2)  # several sweeps, in which it is idle
    writer.write(b"GET / HT")


async def half_a_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Content-Length: 400\r\n\r\n{"channel": '
    )


@pytest.mark.parametrize("begin", [nothing, half_a_head, half_a_second_head, half_a_body])
async def test_who_begins_and_does_not_go_on_is_closed(
    listen: Listen, begin: Callable[[Any, Any], Awaitable[None]]
) -> None:
    async with listen(SHORT) as address, connected(address) as (reader, writer):
        await begin(reader, writer)
        await ended(reader)


async def test_a_byte_now_and_then_gains_nothing(listen: Listen) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with listen(SHORT) as address:
        for begin in (half_a_head, half_a_body):
            async with connected(address) as (reader, writer):
                await begin(reader, writer)
                trickling = asyncio.create_task(trickle(writer))
                await ended(reader)
                trickling.cancel()


async def test_an_answer_that_nobody_reads_is_not_kept(listen: Listen, said: io.StringIO) -> None:
    async with listen(SHORT) as address, connected(address) as (reader, writer):
        # Far more answers than all buffers between the two hold.
        writer.transport.set_write_buffer_limits(high=2**26)
        reader._transport.pause_reading()
        for _ in range(300):
            writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")

        async def told() -> bool:
            return '"unread":1' in said.getvalue()

        await eventually(told, within=10)


async def test_who_is_idle_between_requests_or_streams_is_left_alone(listen: Listen) -> None:
    async with listen(SHORT) as address, connected(address) as (reader, writer), aiohttp.ClientSession() as session:
        writer.write(LIVE)
        await reader.readuntil(b"}")
        url = f"http://{address[0]}:{address[1]}/api/v1/overview/events"
        async with session.get(url) as stream:
            assert stream.status == 200
            seen = 0
            async for line in stream.content:
                seen += line.startswith(b"data:")
                if seen == 3:  # over two seconds: seven times what a head may take
                    break
        writer.write(LIVE)
        assert b"200" in await reader.readline()


async def test_half_open_ones_are_gone_within_the_limit_with_one_line(listen: Listen, said: io.StringIO) -> None:
    async with AsyncExitStack() as held, listen(msgspec.structs.replace(SHORT, head=1.0)) as address:
        readers = []
        for _ in range(500):
            reader, writer = await held.enter_async_context(connected(address))
            writer.write(b"GET / HTTP/1.1\r\n")
            readers.append(reader)
        await asyncio.gather(*map(ended, readers))
        lines = [line for line in said.getvalue().splitlines() if "connections are closed" in line]
        assert len(lines) == 1
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{address[0]}:{address[1]}/metrics") as answer,
        ):
            shown = await answer.text()
        assert 'tidings_api_connections_shed_total{reason="head"} 500' in re.sub(r"(\d)\.0\b", r"\1", shown)


async def test_idle_ones_over_the_number_of_open_files_shut_nobody_out(settings: Settings) -> None:
    """The process has 1,024 open files; 1,100 connections without a request are opened, and stay."""
    process = await start(settings)
    assert process.stderr is not None
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    found = await line_with(process, r"api is ready.*?http://([\d.]+):(\d+)")
    address = (found[1], int(found[2]))
    log = asyncio.create_task(process.stderr.read())
    async with AsyncExitStack() as held:
        for _ in range(1100):
            await held.enter_async_context(connected(address))
        for _ in range(20):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://{address[0]}:{address[1]}/health/live") as answer,
            ):
                assert answer.status == 200
    process.terminate()
    await process.wait()
    said = (await log).decode()
    assert said.count("connections are closed") == 1
    assert "Too many open files" not in said
    assert "Traceback" not in said


class Wire:
    """A transport of a client at an address."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.aborted = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self.peer, 50_000) if name == "peername" else default

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.abort()


async def test_an_address_has_its_share_and_proxies_and_this_machine_have_none() -> None:
    peers = Peers(Settings(trusted_proxies=("10.0.0.0/8",)))
    open_ = Connections(Limits(connections=1000, per_address=8), peers, ApiMetrics("test"))

    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError("nothing is asked")

    server = web.Server(handler)

    def come(peer: str) -> Wire:
        wire = Wire(peer)
        Connection(server, open_, loop=asyncio.get_running_loop(), tcp_keepalive=False).connection_made(
            cast(asyncio.BaseTransport, wire)
        )
        return wire

    first = [come("203.0.113.9") for _ in range(12)]
    assert [wire.aborted for wire in first] == [True] * 4 + [False] * 8
    subscriber = [come(f"2001:db8::{number}") for number in range(12)]
    assert sum(wire.aborted for wire in subscriber) == 4
    for many in ("127.0.0.1", "::1", "10.1.2.3"):
        assert not any(come(many).aborted for _ in range(20))
    assert not come("2001:db8:0:1::1").aborted
    await server.shutdown(0.1)


def test_the_limits_are_those_of_the_page() -> None:
    limits = Limits()
    assert (limits.head, limits.body, limits.unread, limits.idle) == (20, 30, 30, 75)
    assert module.BODY_RATE == 16 * 1024
