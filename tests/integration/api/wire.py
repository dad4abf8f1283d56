"""A wire to a server on a unix socket that a test can cut and mend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self


class Wire:
    """Passes bytes on in both directions while it is whole; cut, it drops every connection and takes no new one."""

    def __init__(self, far: Path, near: Path) -> None:
        self.near = near
        self._far = far
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, far: Path, near: Path) -> AsyncIterator[Self]:
        wire = cls(far, near)
        await wire.mend()
        try:
            yield wire
        finally:
            await wire.cut()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, self.near)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self.near.unlink(missing_ok=True)
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._far)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            passing = asyncio.create_task(self._pass_on(source, sink))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._ends.add(sink)
        try:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        except OSError:
            return
        finally:
            self._ends.discard(sink)
            sink.close()
