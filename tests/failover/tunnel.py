"""A way to a store that can stop leading anywhere without a word, as a network does that drops packets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tidings.domain.cancellation import cancel_and_wait


class Tunnel:
    """Forwards 127.0.0.1:`port` to a store. Swallowed, it takes everything and forwards nothing, either way."""

    def __init__(self, target: Path | tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.connections = 0
        """Taken so far."""
        self._open = asyncio.Event()
        self._open.set()
        self._swallowed: set[asyncio.Task[None]] = set()
        self._pipes: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        """From now on nothing passes: not on the connections that are there, and not on new ones."""
        self._open.clear()
        self._swallowed |= self._pipes

    def cut(self) -> None:
        """Ends the connections that are there."""
        for pipe in self._pipes:
            pipe.cancel()

    def reopen(self) -> None:
        """New connections lead to the target again; what was swallowed stays so, as behind a failover address."""
        self._open.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Tunnel"]:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await cancel_and_wait(*self._pipes)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)
        if not self._open.is_set():
            self._swallowed.add(task)
        try:
            await self._connect(task, reader, writer)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            await _close(writer)

    async def _connect(
        self, task: "asyncio.Task[None]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if task in self._swallowed:
            await self._forward(task, reader, None)
            return
        if isinstance(self.target, Path):
            there, back = await asyncio.open_unix_connection(str(self.target))
        else:
            there, back = await asyncio.open_connection(*self.target)
        ways = {
            asyncio.create_task(self._forward(task, reader, back)),
            asyncio.create_task(self._forward(task, there, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if task in self._swallowed:
                # The other end learns nothing of an end either.
                await asyncio.wait(ways)
        finally:
            back.close()
            await cancel_and_wait(*ways)
            await _close(back)

    async def _forward(
        self, task: "asyncio.Task[None]", source: asyncio.StreamReader, sink: asyncio.StreamWriter | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if task not in self._swallowed and sink is not None:
                    sink.write(data)
                    await sink.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextmanager
def dropping_port() -> Iterator[int]:
    """A port whose machine answers nothing, not even a SYN: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(server.getsockname())
            except TimeoutError:
                break
        yield server.getsockname()[1]
