"""A mail server that does what a row says, byte by byte."""

import asyncio
import re
import socket
import ssl
import struct
from collections import Counter
from contextlib import suppress

import trustme

from tests.integration.channels.smtp.zoo import animal as ways
from tests.integration.channels.smtp.zoo.animal import WAYS, Animal, Steps

_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE | re.IGNORECASE)


class EndedError(Exception):
    """The connection is over."""


class Cage:
    """Counts what comes to it."""

    def __init__(self, animal: Animal, authority: trustme.CA) -> None:
        self.animal = animal
        self.tls = None if not animal.serves else context(animal.serves, authority)
        self.connections = 0
        self.copies: Counter[str] = Counter()
        """Mails whose final dot was not refused, by id."""
        self.lines: list[bytes] = []
        """Commands, as they came."""
        self.logins: list[bytes] = []
        """What was sent to log in, line by line."""
        self.refusals: Counter[str] = Counter()
        """4xx and 5xx, by what they were said to."""
        self.present = 0
        """Connections, or where those are unlimited, mails between DATA and the answer to them."""
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        visit = Visit(self, reader, writer, first=self.connections == 1)
        with suppress(EndedError, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            await visit.go()
        visit.leave()
        writer.close()
        self.tasks.discard(task)

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Visit:
    """One connection."""

    def __init__(self, cage: Cage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: bool) -> None:
        self._cage, self._reader, self._writer, self._first = cage, reader, writer, first
        self._turns: Counter[str] = Counter()
        self._counted = False
        self._said = b""

    async def go(self) -> None:
        if "greeting" in self._cage.animal.surplus:
            self._enter()
        await self._reply("greeting")
        while line := await self._reader.readline():
            self._cage.lines.append(line.strip())
            verb = line.split(b" ")[0].strip().upper().decode("ascii", "replace")
            if verb == "AUTH":
                self._cage.logins.append(line.strip())
            await self._reply(verb if verb in WAYS else "other")
            while verb == "AUTH" and self._said.startswith(b"334"):
                self._cage.logins.append((await self._reader.readline()).strip())
                await self._reply("challenge")
            if verb == "DATA" and self._said.startswith(b"354"):
                await self._take()

    def leave(self) -> None:
        if self._counted:
            self._cage.present -= 1
            self._counted = False

    def _enter(self) -> None:
        self._cage.present += 1
        self._counted = True

    async def _take(self) -> None:
        content = await self._reader.readuntil(b"\r\n.\r\n")
        found = _MESSAGE_ID.search(content)
        assert found is not None
        if "mail" in self._cage.animal.surplus:
            self._enter()
        number = found[1].decode()
        self._cage.copies[number] += 1
        try:
            await self._reply("mail")
        finally:
            if self._refuses:
                self._cage.copies[number] -= 1
            if "mail" in self._cage.animal.surplus:
                self.leave()

    def _steps(self, what: str) -> Steps:
        animal = self._cage.animal
        self._turns[what] += 1
        if animal.at_once is not None and self._cage.present > animal.at_once and what in animal.surplus:
            return animal.surplus[what]
        if turns := animal.by_turn.get(what):
            steps = turns[min(self._turns[what], len(turns)) - 1]
            if steps is not None:
                return steps
        if self._first and what in animal.at_first:
            return animal.at_first[what]
        return animal.says.get(what, WAYS[what])

    async def _reply(self, what: str) -> None:
        self._said = b""
        for step in self._steps(what):
            match step:
                case bytes():
                    self._said = self._said or step
                    self._writer.write(step)
                    await self._writer.drain()
                case float():
                    await asyncio.sleep(step)
                case ways.STARTTLS:
                    assert self._cage.tls is not None
                    await self._writer.start_tls(self._cage.tls)
                case ways.HANG:
                    await self._reader.read()
                    raise EndedError
                case ways.RESET:
                    sock = self._writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self._writer.transport.abort()
                    raise EndedError
                case _:
                    raise EndedError
        if self._refuses:
            self._cage.refusals[what] += 1

    @property
    def _refuses(self) -> bool:
        return self._said[:1] in {b"4", b"5"}


def context(oddity: str, authority: trustme.CA) -> ssl.SSLContext:
    """A server's, for 127.0.0.1."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer = trustme.CA() if oddity == "unknown" else authority
    issuer.issue_cert("127.0.0.1").configure_cert(made)
    if oddity == "1.2":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made
