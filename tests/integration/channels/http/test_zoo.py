"""The receivers of zoo.py, each over http and https, in both event loops"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
import pytest
import trustme
import uvloop

from tests.integration.channels.http import zoo
from tests.integration.channels.http.zoo import ANIMALS, LIMIT_SECONDS, Animal, Step
from tests.integration.channels.receivers import read_request, strict_receiver
from tidings.channels.http.client import HttpClient
from tidings.channels.http.transport import TransportError
from tidings.settings import Settings

AT_ONCE: Final = 16
READ_AT_MOST: Final = 1_000_000
SETTINGS: Final = Settings(connect_timeout=LIMIT_SECONDS, delivery_timeout=LIMIT_SECONDS)
LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Seen(msgspec.Struct):
    """What came of a visit."""

    outcomes: list[int | str]
    connections: int
    requests: list[bytes]
    """Which message each of them was, and `+` where it says that it may be a duplicate."""


class Cage:
    """A server that does what a row says."""

    def __init__(self, animal: Animal) -> None:
        self._animal = animal
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            if await self._do(self._animal.before, reader, writer):
                while await self._answer(reader, writer):
                    pass
        writer.close()
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._animal.size > READ_AT_MOST:
            head = await reader.readuntil(b"\r\n\r\n")
        else:
            head, _ = await read_request(reader)
        again = b"+" if b"\r\nagain: true\r\n" in head else b""
        self.requests.append(head.partition(b"message: ")[2][:1] + again)
        steps = self._animal.steps
        if self._animal.second is not None and len(self.requests) > 1:
            steps = self._animal.second if len(self.requests) == 2 else (zoo.OK,)
        return await self._do(steps, reader, writer)

    async def _do(self, steps: tuple[Step, ...], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        for step in steps:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case float():
                    await asyncio.sleep(step)
                case zoo.HANG:
                    if self._animal.size > READ_AT_MOST:
                        await asyncio.Event().wait()
                    await reader.read()
                    return False
                case zoo.RESET:
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return False
                case _:
                    return False
        return True

    async def leave(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def visit(animal: Animal, scheme: str, authority: trustme.CA, client: HttpClient) -> Seen:
    plainly = {"silent": zoo.HANG, "closes": zoo.CLOSE, "plain": b"HTTP/1.1 400 Bad Request\r\n\r\n"}
    if animal.tls.startswith("asks"):
        with strict_receiver(zoo.context(animal.tls, authority)) as port:
            return Seen(await two_messages(animal, f"https://127.0.0.1:{port}/", client), 0, [])
    context = None
    if animal.tls in plainly:
        animal = msgspec.structs.replace(animal, before=(plainly[animal.tls], zoo.CLOSE))
    elif scheme == "https":
        context = zoo.context(animal.tls, authority)
    cage = Cage(animal)
    server = await asyncio.start_server(cage.serve, "127.0.0.1", 0, ssl=context)
    try:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?token=secret"
        return Seen(await two_messages(animal, url, client), cage.connections, cage.requests)
    finally:
        server.close()
        await cage.leave()


async def two_messages(animal: Animal, url: str, client: HttpClient) -> list[int | str]:
    """Their outcomes."""
    outcomes: list[int | str] = []
    for number in ("1", "2"):
        try:
            async with asyncio.timeout(5 * LIMIT_SECONDS):
                answer = await client.post(
                    url, body=bytes(animal.size), headers={"message": number}, when_repeated={"again": "true"}
                )
            outcomes.append(answer.status)
        except TransportError as error:
            outcomes.append(str(error))
        # For what comes unasked, and so that what is over is over.
        lasting = animal.kept or animal.second or zoo.CLOSE in animal.steps or animal.size > READ_AT_MOST
        await asyncio.sleep(0.15 if lasting else 0)
    return outcomes


def differences(animal: Animal, seen: Seen) -> list[str]:
    wanted = [animal.outcome, animal.outcome if animal.second_outcome is None else animal.second_outcome]
    found = []
    for want, got in zip(wanted, seen.outcomes, strict=True):
        if isinstance(want, str) and want.endswith(": "):
            if not isinstance(got, str) or not got.startswith(want) or len(got) == len(want):
                found.append(f"{got!r} instead of {want!r}…")
        elif want != got:
            found.append(f"{got!r} instead of {want!r}")
    connected = isinstance(animal.outcome, int) or not animal.outcome.startswith("no connection")
    if connected and not animal.before and not animal.tls.startswith("asks"):
        requests = [b"1", b"2", b"2+"][: 1 + animal.sent]
        if seen.requests != requests:
            found.append(f"requests {seen.requests} instead of {requests}")
        if (seen.connections == 1) != animal.kept:
            found.append(f"{seen.connections} connections")
    return found


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def rows(scheme: str) -> list[Animal]:
    return [
        animal
        for animals in ANIMALS.values()
        for animal in animals
        if animal.only in {"", scheme} and (scheme == "https" or not animal.tls)
    ]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_each_receiver(scheme: str, loop: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.channels.http.connection.UNSIZED_SECONDS", 0.1)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    async def main() -> dict[str, list[str]]:
        client = HttpClient(SETTINGS, trust=lambda: trust)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(animal: Animal) -> list[str]:
            async with at_once:
                return differences(animal, await visit(animal, scheme, authority, client))

        animals = rows(scheme)
        found = await asyncio.gather(*map(one, animals))
        await client.close()
        await asyncio.sleep(0.05)
        return {animal.name: differs for animal, differs in zip(animals, found, strict=True) if differs}

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert not runner.run(main())


def test_the_document_in_docs_is_up_to_date() -> None:
    assert zoo.FILE.read_text("utf-8") == zoo.render(), "run: python -m tests.integration.channels.http.zoo"


def test_names_are_told_apart() -> None:
    names = [animal.name for animals in ANIMALS.values() for animal in animals]
    assert len(set(names)) == len(names) >= 60
