"""sql/queues.py: the pace that a queue has at first."""

import asyncio

from sql.store import Store
from tests.factories import keep, offers
from tidings.domain.message import QUEUE_NAME_PATTERN


async def test_the_first_pace_is_for_a_queue_that_nobody_has_paced(store: Store) -> None:
    assert await store.queues.pace_at_first("default", interval_seconds=120, per_interval=2)
    assert not await store.queues.pace_at_first("default", interval_seconds=60, per_interval=1)
    queue = await store.queues.get("default")
    assert queue is not None
    assert (queue.interval_seconds, queue.batch_size, queue.active) == (120, 2, True)


async def test_who_took_the_pace_away_keeps_it_away(store: Store) -> None:
    await store.queues.put("default", active=None, interval_seconds=0, batch_size=None)
    assert not await store.queues.pace_at_first("default", interval_seconds=120, per_interval=2)
    queue = await store.queues.get("default")
    assert queue is not None
    assert (queue.interval_seconds, queue.batch_size) == (0, None)


async def test_a_stopped_queue_stays_stopped_and_is_paced(store: Store) -> None:
    await store.queues.set_active("default", active=False)
    assert await store.queues.pace_at_first("default", interval_seconds=120, per_interval=2)
    queue = await store.queues.get("default")
    assert queue is not None
    assert not queue.active


async def test_the_table_has_the_rule_for_names(store: Store) -> None:
    async with store.database.pool.acquire() as connection:
        rule = await connection.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'queues'::regclass AND contype = 'c' "
            "AND pg_get_constraintdef(oid) LIKE '%name%'"
        )
    assert f"'^{QUEUE_NAME_PATTERN}$'" in rule


async def test_the_producers_are_notified_of_changes_and_not_of_claims(store: Store) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await store.database.listen({"tidings_queues": heard.put_nowait})
    try:
        await store.queues.put("slow", active=True, interval_seconds=60, batch_size=2)
        await store.queues.set_active("slow", active=False)
        await store.queues.pace_at_first("default", interval_seconds=5, per_interval=1)
        await store.queues.put("slow", active=True, interval_seconds=60, batch_size=2)
        await keep(store, queue="slow")
        assert await store.batches.claim_paced(offers(), batch_size=1)
        await store.database.pool.execute("SELECT pg_notify('tidings_queues', 'end')")
        names = []
        while (name := await heard.get()) != "end":
            names.append(name)
        assert names == ["slow", "slow", "default", "slow"]
    finally:
        await connection.close()
