"""Whatever the loss of a connection raises is told from a mistake of ours."""

import asyncio

import asyncpg

from sql.database import AWAY
from sql.store import Store

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidings test'"


async def test_connections_that_end_at_any_moment(store: Store) -> None:
    over = asyncio.Event()
    lost = 0

    async def use() -> None:
        nonlocal lost
        while not over.is_set():
            try:
                await store.batches.next_due()
            except AWAY:
                lost += 1

    users = [asyncio.create_task(use()) for _ in range(8)]
    admin = await asyncpg.connect(store.database.uri, server_settings={"application_name": "admin"})
    for _ in range(60):
        await admin.fetch(TERMINATE)
        await asyncio.sleep(0.01)
    await admin.close()
    over.set()
    await asyncio.gather(*users)
    assert lost
    await store.ping()
