"""Redis servers of the test's own, reachable by TCP: one to make a replica of, three sentinels, or a cluster."""

import asyncio
import shutil
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.eventually import eventually
from tests.processes import ending
from tidings.embedded.installation import redis_program

REDIS_7: Final = shutil.which("redis-server")
"""Debian's: it speaks TLS, and does not know MSETEX."""
SERVICE: Final = "mymaster"
SLOTS: Final = 16384


class Valkey:
    """Its port, and a client of an administrator."""

    def __init__(self, port: int, client: Redis, process: Process) -> None:
        self.port = port
        self.client = client
        self.address = ("127.0.0.1", port)
        self.process = process

    async def ask(self, *command: object) -> Any:
        return await self.client.execute_command(*command)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def valkey(
    folder: Path, *options: str | Path, program: str | Path | None = None, **client_options: Any
) -> AsyncIterator[Valkey]:
    """Runs inside the block, holds nothing at first. Client options are those of a client that reaches it."""

    def command(port: int) -> Sequence[object]:
        listens = _listens(port, client_options)
        own = ("--dir", folder, "--save", "", "--repl-diskless-sync-delay", "0")
        return (program or redis_program(), *listens, *own, *options)

    async with _running(command, **client_options) as server:
        yield server


@asynccontextmanager
async def sentinels(folder: Path, primary: Valkey, password: str) -> AsyncIterator[list[Valkey]]:
    """Three sentinels that know of one another and of the primary's replica. `asker` may ask them for the primary."""
    options = ("--requirepass", password, "--sentinel", "sentinel-pass", password)
    asks = ("--user", "asker", "on", f">{password}", "+sentinel|master")
    async with AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(sentinel(folder, primary, *options, *asks, quorum=2, password=password))
            for _ in range(3)
        ]
        for each in found:
            # They hear of one another every 2 s, and of replicas every 10 s.
            await each.ask("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 100, "INFO-PERIOD", 200, "PING-PERIOD", 100)

        async def acquainted() -> bool:
            states = [await each.client.sentinel_master(SERVICE) for each in found]  # type: ignore[no-untyped-call]
            return all(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 for state in states)

        await eventually(acquainted)
        yield found


@asynccontextmanager
async def sentinel(
    folder: Path,
    primary: Valkey,
    *options: str | Path,
    quorum: int = 1,
    program: str | Path | None = None,
    **client_options: Any,
) -> AsyncIterator[Valkey]:
    """Watches a primary inside the block. Options are those of a server, in the form of its command line."""

    def command(port: int) -> Sequence[object]:
        file = folder / f"sentinel-{port}.conf"
        lines = [
            *_listens(port, client_options),
            "--dir", folder,
            *options,
            "--sentinel", "monitor", SERVICE, "127.0.0.1", primary.port, quorum,
            "--sentinel", "down-after-milliseconds", SERVICE, 1000,
            "--sentinel", "failover-timeout", SERVICE, 3000,
        ]  # fmt: skip
        # It writes into its file what it has learned.
        file.write_text(" ".join(map(str, lines)).replace("--", "\n").strip() + "\n")
        return (program or redis_program(), file, "--sentinel")

    async with _running(command, **client_options) as server:
        yield server


@asynccontextmanager
async def cluster(folder: Path, *options: str | Path) -> AsyncIterator[list[Valkey]]:
    """Three primaries with a third of the slots each."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(cluster_node(folder / str(n), *options)) for n in range(3)]
        for number, node in enumerate(nodes):
            await node.ask("CLUSTER", "ADDSLOTSRANGE", number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1)
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await node.ask("CLUSTER", "MEET", *nodes[0].address)

        await eventually(lambda: agreed(nodes))
        yield nodes


async def agreed(nodes: Sequence[Valkey]) -> bool:
    """Whether each node knows all of them, and serves."""
    states = [await node.ask("CLUSTER INFO") for node in nodes]
    return all(state["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(len(nodes)) for state in states)


@asynccontextmanager
async def cluster_node(folder: Path, *options: str | Path) -> AsyncIterator[Valkey]:
    """One that is alone as yet."""
    await asyncio.to_thread(folder.mkdir)
    async with valkey(folder, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", *options) as node:
        yield node


def _listens(port: int, client_options: dict[str, Any]) -> Sequence[object]:
    return ("--port", 0, "--tls-port", port) if client_options.get("ssl") else ("--port", port)


@asynccontextmanager
async def _running(command: Callable[[int], Sequence[object]], **client_options: Any) -> AsyncIterator[Valkey]:
    process, port = await _start(command, client_options)
    async with ending(process), Redis(port=port, **client_options) as client:
        yield Valkey(port, client, process)


async def _start(command: Callable[[int], Sequence[object]], client_options: dict[str, Any]) -> tuple[Process, int]:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        process = await asyncio.create_subprocess_exec(*map(str, command(port)), stdout=asyncio.subprocess.DEVNULL)
        ended = asyncio.create_task(process.wait())
        async with Redis(port=port, **client_options) as client:
            while not ended.done():
                try:
                    await client.ping()
                except RedisError:
                    await asyncio.wait((ended,), timeout=0.02)
                else:
                    ended.cancel()
                    return process, port
        # Somebody else took the port meanwhile.
