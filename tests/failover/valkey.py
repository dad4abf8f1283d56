"""A Redis of the test's own, reachable by TCP, to make a replica of or to close to somebody."""

import asyncio
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.processes import ending
from tidings.embedded.installation import redis_program


class Valkey:
    """Its port, and a client of an administrator."""

    def __init__(self, port: int, client: Redis) -> None:
        self.port = port
        self.client = client
        self.address = ("127.0.0.1", port)


@asynccontextmanager
async def valkey(folder: Path, *options: str) -> AsyncIterator[Valkey]:
    """Runs inside the block, holds nothing at first."""
    process, port = await _start(folder, options)
    async with ending(process), Redis(port=port) as client:
        yield Valkey(port, client)


async def _start(folder: Path, options: Sequence[str]) -> tuple[Process, int]:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            redis_program(), "--port", str(port), "--dir", folder, "--save", "", "--repl-diskless-sync-delay", "0",
            *options,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        ended = asyncio.create_task(process.wait())
        async with Redis(port=port) as client:
            while not ended.done():
                try:
                    await client.ping()
                except RedisError:
                    await asyncio.wait((ended,), timeout=0.02)
                else:
                    ended.cancel()
                    return process, port
        # Somebody else took the port meanwhile.
