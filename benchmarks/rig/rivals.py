"""Runs the queues that ours is compared with, each on a fresh database, and measures their messages a second.

The clock starts when due rows (or, for PgQueuer and graphile-worker, due jobs) are there and warm workers are told of
them; it ends at the receiver's last arrival, as ours does.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import asyncpg
import msgspec
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from pgqueuer.types import QueueEntrypoint

from benchmarks.peers.arq_jobs import QUERIES
from benchmarks.peers.pgqueuer_jobs import ENTRYPOINT
from benchmarks.rig import node
from benchmarks.rig.child import Child
from benchmarks.rig.machine import Machine
from benchmarks.rig.patience import until

WARM_UP: Final = 500
WITHIN_SECONDS: Final = 300.0
CONTENT: Final = "Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711"


async def arq(machine: Machine, *, messages: int, workers: int) -> float:
    """One job per message; the outcomes are on record when it ends."""
    async with AsyncExitStack() as exits:
        database = await machine.fresh(exits)
        await QUERIES.make_table(database.connection)
        environ = {"POSTGRES_URI": database.uri, "REDIS_URI": machine.stores.redis_uri}
        arguments = ("work", f"--url={machine.gateway.url}")
        await _start(exits, "benchmarks.peers.arq_jobs", arguments, machine, environ, count=workers)

        async def send(count: int) -> float:
            await QUERIES.put_rows(database.connection, count=count)
            await database.run("checkpoint")
            await machine.gateway.reset()
            feeder = await Child.start(
                "benchmarks.peers.arq_jobs", "feed", f"--count={count}", folder=machine.folder, environ=environ
            )
            exits.push_async_callback(feeder.stop)
            began: float = (await feeder.said())["began"]
            ended = await machine.gateway.received(count, within=WITHIN_SECONDS)
            return count / (ended - began)

        await send(WARM_UP)
        rate = await send(messages)

        async def recorded() -> bool:
            return bool(await QUERIES.count_sent(database.connection) >= WARM_UP + messages)

        await until(recorded, within=WITHIN_SECONDS)
        return rate


async def pgqueuer(machine: Machine, *, messages: int, workers: int, batch_size: int) -> float:
    """One job per message; every job is logged and gone when it ends."""
    async with AsyncExitStack() as exits:
        database = await machine.fresh(exits)
        connection = await asyncpg.connect(database.uri)
        exits.push_async_callback(connection.close)
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        environ = {"POSTGRES_URI": database.uri}
        arguments = (f"--url={machine.gateway.url}", f"--batch-size={batch_size}")
        await _start(exits, "benchmarks.peers.pgqueuer_jobs", arguments, machine, environ, count=workers)

        async def recorded() -> bool:
            return not await queries.queued_work([QueueEntrypoint(ENTRYPOINT)])

        async def send(count: int) -> float:
            payloads: list[bytes | None] = [
                msgspec.json.encode({"to": "+4915112345678", "content": f"#{number} {CONTENT}"})
                for number in range(count)
            ]
            await database.run("checkpoint")
            await machine.gateway.reset()
            await queries.enqueue([ENTRYPOINT] * count, payloads, [0] * count)
            began = time.time()
            ended = await machine.gateway.received(count, within=WITHIN_SECONDS)
            await until(recorded, within=WITHIN_SECONDS)
            return count / (ended - began)

        await send(WARM_UP)
        return await send(messages)


async def graphile(machine: Machine, *, messages: int, workers: int, concurrency: int) -> float:
    """graphile-worker, one job per message; every job is gone when it ends."""
    async with AsyncExitStack() as exits:
        database = await machine.fresh(exits)
        for number in range(workers):
            worker = await node.start(
                machine,
                "graphile_jobs.js",
                f"--url={machine.gateway.url}",
                f"--concurrency={concurrency}",
                name=f"graphile-{number}",
                environ={"POSTGRES_URI": database.uri},
            )
            exits.push_async_callback(worker.stop)
            await worker.said()

        async def done() -> bool:
            return not await QUERIES.count_graphile_jobs(database.connection)

        async def send(count: int) -> float:
            await database.run("checkpoint")
            await machine.gateway.reset()
            await QUERIES.add_graphile_jobs(database.connection, count=count)
            began = time.time()
            ended = await machine.gateway.received(count, within=WITHIN_SECONDS)
            await until(done, within=WITHIN_SECONDS)
            return count / (ended - began)

        await send(WARM_UP)
        return await send(messages)


async def _start(
    exits: AsyncExitStack,
    module: str,
    arguments: Sequence[str],
    machine: Machine,
    environ: dict[str, str],
    *,
    count: int,
) -> None:
    for number in range(count):
        name = f"{module.rpartition('.')[2]}-{number}"
        worker = await Child.start(module, *arguments, folder=machine.folder, name=name, environ=environ)
        exits.push_async_callback(worker.stop)
        await worker.said()
