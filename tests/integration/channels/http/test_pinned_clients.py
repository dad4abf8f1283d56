"""tidings/channels/http/pinned_clients.py, with names that no DNS knows and a receiver on loopback"""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from pyreqwest.client import Client, ClientBuilder

from tests.eventually import eventually
from tests.integration.channels.names import Names
from tests.integration.channels.receivers import Receiver, read_request
from tidings.channels.http.pinned_clients import PinnedClients

NAME = "busy.example"


class Yes:
    """A receiver that says yes and keeps its connections."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.open = 0
        self.receiver = Receiver(self._behave)

    @property
    def port(self) -> int:
        return int(self.receiver.url.split(":")[2].partition("/")[0])

    async def closed(self) -> bool:
        return not self.open

    async def _behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                head, _ = await read_request(reader)
                self.hosts += [line[6:].decode() for line in head.lower().split(b"\r\n") if line.startswith(b"host: ")]
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        finally:
            self.open -= 1


@pytest.fixture
async def yes() -> AsyncIterator[Yes]:
    yes = Yes()
    async with yes.receiver:
        yield yes


def make(name: str, address: str, port: int) -> Client:
    return ClientBuilder().no_proxy().resolve(name, address, port).build()


def clients(resolver: AbstractResolver, *, worth: int = 1, most: int = 10, name_seconds: float = 60.0) -> PinnedClients:
    return PinnedClients(make, resolver, connect_timeout=1.0, name_seconds=name_seconds, worth=worth, most=most)


async def post(client: Client | None, yes: Yes, name: str = NAME) -> None:
    assert client is not None
    response = await client.post(f"http://{name}:{yes.port}/").build().send()
    assert response.status == 204


async def test_a_name_earns_a_client_by_its_requests(yes: Yes) -> None:
    names = Names("127.0.0.1")
    pinned = clients(names, worth=3)
    assert [await pinned.find(NAME, yes.port) for _ in range(2)] == [None, None]
    assert names.asked == 0
    client = await pinned.find(NAME, yes.port)
    await post(client, yes)
    assert yes.hosts == [f"{NAME}:{yes.port}"]
    assert await pinned.find(NAME, yes.port) is client
    assert await pinned.find("other.example", yes.port) is None
    assert await pinned.find(NAME, yes.port + 1) is None
    assert names.asked == 1


async def test_an_address_that_is_still_there_keeps_its_client(yes: Yes) -> None:
    names = Names("127.0.0.1", ["127.0.0.2", "127.0.0.1"], "127.0.0.3")
    pinned = clients(names, name_seconds=0)
    first = await pinned.find(NAME, yes.port)
    await post(first, yes)
    assert await pinned.find(NAME, yes.port) is first
    assert await pinned.find(NAME, yes.port) not in {None, first}
    assert names.asked == 3
    assert yes.open
    del first
    await eventually(yes.closed)


async def test_the_name_that_was_used_last_stays(yes: Yes) -> None:
    pinned = clients(Names("127.0.0.1"), most=2)
    await post(await pinned.find(NAME, yes.port), yes)
    kept = await pinned.find("kept.example", yes.port)
    assert await pinned.find("new.example", yes.port) is not None
    await eventually(yes.closed)
    assert await pinned.find("kept.example", yes.port) is kept


async def test_all_connections_close_at_the_end(yes: Yes) -> None:
    pinned = clients(Names("127.0.0.1"))
    await post(await pinned.find(NAME, yes.port), yes)
    assert yes.open
    pinned.close()
    await eventually(yes.closed)


async def test_a_name_that_was_forgotten_earns_anew(yes: Yes) -> None:
    pinned = clients(Names("127.0.0.1"), worth=2)
    found = [await pinned.find(NAME, yes.port) is not None for _ in range(2)]
    pinned.forget(NAME, yes.port)
    found += [await pinned.find(NAME, yes.port) is not None for _ in range(2)]
    assert found == [False, True, False, True]


@pytest.mark.parametrize("answer", [[], ["fe80::1%1"]])
async def test_a_name_without_an_address_to_pin(yes: Yes, answer: list[str]) -> None:
    names = Names("127.0.0.1", answer)
    pinned = clients(names, name_seconds=0)
    assert await pinned.find(NAME, yes.port) is not None
    assert await pinned.find(NAME, yes.port) is None


class SlowNames(Names):
    """Takes its time after the first answer."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1")
        self.answer = asyncio.Event()
        self.questions = asyncio.Queue[str]()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.questions.put_nowait(host)
        if self.asked:
            await self.answer.wait()
        return await super().resolve(host, port, family)


async def test_one_asks_and_the_others_go_on(yes: Yes) -> None:
    names = SlowNames()
    pinned = clients(names, name_seconds=0)
    first = await pinned.find(NAME, yes.port)
    asking = asyncio.create_task(pinned.find(NAME, yes.port))
    for _ in range(2):
        await names.questions.get()
    assert await pinned.find(NAME, yes.port) is first
    assert names.questions.empty()
    names.answer.set()
    assert await asking is first
