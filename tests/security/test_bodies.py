"""What no body may cost: nothing is unpacked, nothing is read that is too long, nobody is asked for what is refused."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiohttp import ClientSession, web

from api.compat import systems
from tests.integration.api.accounts.people import OPERATORS_KEY
from tests.integration.api.client import Api
from tests.security.holding import LONGEST_SECONDS, longest_step

PACKED: Final = {
    "gzip": gzip.compress(b"\0" * 100_000_000),
    "deflate": zlib.compress(b"\0" * 100_000_000),
    "br": b"x" * 100_000,
    "zstd": b"x" * 100_000,
    "gzip, identity": gzip.compress(b"\0" * 10_000_000),
    "what": b"x",
}
PATHS: Final = (
    ("POST", "/api/v1/messages"),
    ("POST", "/api/v1/tokens"),
    ("POST", "/api/v1/bounces"),
    ("POST", "/unsubscribe/x"),
    ("POST", "/receipts/x/y"),
    ("POST", "/dashboard/session"),
    ("GET", "/health/live"),
    ("POST", "/nowhere"),
)


class Line:
    """A connection on which a test writes what it wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, api: Api) -> AsyncIterator["Line"]:
        reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    def write_head(self, method: str, path: str, headers: Iterable[str], *, credential: str = OPERATORS_KEY) -> None:
        lines = (f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {credential}", *headers)
        self._writer.write("\r\n".join((*lines, "", "")).encode())

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def head(self) -> str:
        """The next status line and headers."""
        return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""


async def test_nothing_is_unpacked(api: Api) -> None:
    for method, path in PATHS:
        for encoding, body in PACKED.items():

            async def act(method: str = method, path: str = path, encoding: str = encoding, body: bytes = body) -> None:
                async with Line.to(api) as line:
                    headers = (f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}")
                    line.write_head(method, path, (*headers, "Content-Type: application/json"))
                    line.write(body)
                    head = await line.head()
                    assert head.startswith("HTTP/1.1 415 "), head
                    assert "Connection: close" in head
                    assert b"Content-Encoding" in await line.rest()

            assert await longest_step(act) <= LONGEST_SECONDS, path


@pytest.mark.parametrize("route", [route for route in systems.ROUTES if route.method != "GET"], ids=str)
async def test_an_encoded_body_is_415_for_the_clients_of_older_systems_too(api: Api, route: web.RouteDef) -> None:
    path = route.path.replace("{action}", "start")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with (
        ClientSession() as session,
        session.request(route.method, api.url.with_path(path), data=b"x", headers=headers) as answer,
    ):
        assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "identity")
        assert "Content-Encoding" in await answer.text()


async def test_a_body_that_says_it_is_as_it_is(api: Api) -> None:
    assert (await api.send("GET", "/health/live", headers={"Content-Encoding": "identity"})).status == 200


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/v1/tokens", 16 * 1024),
        ("/api/v1/accounts", 16 * 1024),
        ("/dashboard/session", 16 * 1024),
        ("/api/v1/messages/batch", 1024**2),
        ("/api/v1/messages", 64 * 1024**2),
        ("/api/v1/bounces", 64 * 1024**2),
    ],
)
async def test_a_body_that_is_too_long_is_refused_by_its_length_and_nobody_is_asked_for_it(
    api: Api, path: str, limit: int
) -> None:
    kind = "message/rfc822" if "bounces" in path else "application/json"
    async with Line.to(api) as line:
        headers = (f"Content-Length: {limit + 1}", f"Content-Type: {kind}", "Sec-Fetch-Site: same-origin")
        line.write_head("POST", path, (*headers, "Expect: 100-continue"))
        head = await line.head()
        assert head.startswith("HTTP/1.1 413 "), head
        assert "Connection: close" in head
        assert await line.rest()


@pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/messages", "/api/v1/messages/batch"])
async def test_a_body_without_a_length_is_read_no_further_than_its_limit(api: Api, path: str) -> None:
    async with Line.to(api) as line:
        line.write_head("POST", path, ("Transfer-Encoding: chunked", "Content-Type: application/json"))
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):
            line.write(piece)
        head = await line.head()
        assert head.startswith("HTTP/1.1 413 "), head
        assert "Connection: close" in head
        # It never ends, and the server does not wait for that.
        assert await line.rest()


async def test_who_waits_to_be_asked_is_asked_once_all_else_is_right(api: Api) -> None:
    body = b'{"channel": "echo", "recipient": "log", "content": "x"}'
    headers = (f"Content-Length: {len(body)}", "Content-Type: application/json", "Expect: 100-continue")
    async with Line.to(api) as line:
        line.write_head("POST", "/api/v1/messages", headers)
        assert (await line.head()).startswith("HTTP/1.1 100 ")
        line.write(body)
        assert (await line.head()).startswith("HTTP/1.1 201 ")
    for wrong, credential, status in (
        ((headers[0], "Content-Type: text/plain", headers[2]), OPERATORS_KEY, 415),
        (headers, "nobody's", 401),
        ((*headers[:2], "Expect: more"), OPERATORS_KEY, 417),
    ):
        async with Line.to(api) as line:
            line.write_head("POST", "/api/v1/messages", wrong, credential=credential)
            head = await line.head()
            assert head.startswith(f"HTTP/1.1 {status} "), head
