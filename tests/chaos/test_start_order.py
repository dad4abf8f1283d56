"""Start-up in any order: a process whose stores are away says that it waits, and is ready once they are there."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.chaos.receiver import CountingReceiver
from tests.chaos.stores import ChaosStores
from tests.e2e.system import System
from tests.eventually import eventually
from tidings.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

PROCESSES = {"api": "api is ready", "producer": "producer is ready", "consumers": "consumer is ready"}
WAITS = "waiting for Postgres"


@pytest_asyncio.fixture(loop_scope="session")
async def crew(chaos_stores: ChaosStores, tmp_path: Path) -> AsyncIterator[System]:
    """A database is there, and both stores are away."""
    async with chaos_stores.fresh(Settings()) as settings:
        await asyncio.gather(chaos_stores.postgres.stop(), chaos_stores.redis.stop())
        async with System(settings, tmp_path) as started:
            yield started


@pytest.mark.parametrize("module", PROCESSES)
async def test_waits_for_postgres_and_says_so(crew: System, chaos_stores: ChaosStores, module: str) -> None:
    process = await crew.start(module, WAITS)
    assert PROCESSES[module] not in process.log()
    await chaos_stores.postgres.start()
    await process.says(PROCESSES[module])
    assert await process.stop() == 0


async def test_a_consumer_waits_for_redis_and_says_so(crew: System, chaos_stores: ChaosStores) -> None:
    await chaos_stores.postgres.start()
    consumer = await crew.start("consumers", "waiting for Redis")
    await chaos_stores.redis.start()
    await consumer.says("Redis is there")


async def test_any_order(crew: System, chaos_stores: ChaosStores, receiver: CountingReceiver, seed: str) -> None:
    order = ["postgres", "redis", *PROCESSES]
    random.Random(f"{seed}-order").shuffle(order)
    processes = {}
    for name in order:
        if name in PROCESSES:
            processes[name] = await crew.start(name, f"{WAITS}|{PROCESSES[name]}")
        else:
            await {"postgres": chaos_stores.postgres, "redis": chaos_stores.redis}[name].start()
    for name, ready in PROCESSES.items():
        await processes[name].says(ready)
    crew.url = (await processes["api"].says(r"(http://127\.0\.0\.1:\d+)"))[1]
    message_id = await crew.post(channel="webhook", recipient=receiver.url, content=msgspec.json.encode(order).decode())

    async def arrived() -> bool:
        return message_id in await receiver.arrivals()

    await eventually(arrived, within=30, every=0.1)
    await crew.until_status(message_id, "sent")
