"""`record` and `reclaim` lock in the same order, so that neither can wait for the other while that waits for it.

A third connection holds a row that stops one of them in the middle, until the other one has begun.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from sql.batches import Expired, Reclaimed
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.sql.test_batches import sent
from tidings.domain.message import Delivery

HOLD: Final = {
    "messages": "SELECT FROM messages WHERE id = $1 FOR UPDATE",
    "batches": "SELECT FROM batches WHERE id = $1 FOR UPDATE",
}


@asynccontextmanager
async def held(store: Store, table: str, row: UUID) -> AsyncIterator[None]:
    async with store.database.transaction() as connection:
        await connection.execute(HOLD[table], row)
        yield


async def waiting(store: Store, count: int) -> None:
    """Returns when so many sessions wait for a lock."""

    async def wait() -> bool:
        async with store.database.pool.acquire() as connection:
            found: int = await connection.fetchval(
                "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN "
                "(SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
            )
        return found == count

    await eventually(wait)


async def started(store: Store, messages: int) -> list[Delivery]:
    """A batch that a consumer has taken; its deliveries in the order of their ids."""
    await keep(store, messages)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=100)
    deliveries = await store.batches.take(batch.id, consumer="consumer")
    return sorted(deliveries, key=lambda delivery: delivery.id)


def record(store: Store, deliveries: list[Delivery], *closed: UUID) -> asyncio.Task[set[UUID]]:
    return asyncio.create_task(
        store.batches.record([sent(each) for each in deliveries], closed=closed, consumer="consumer")
    )


def reclaim(store: Store, expired: Expired) -> asyncio.Task[Reclaimed]:
    return asyncio.create_task(store.batches.reclaim(expired, max_age=timedelta(minutes=1), recoveries_allowed=5))


@pytest.fixture
async def expire(store: Store) -> Expired:
    """What the reconciler will have seen of the two batches that a test makes; their leases end at once."""
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "CREATE FUNCTION end_lease() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.lease_until = now() - interval '1 s'; RETURN NEW; END $$"
        )
        await connection.execute(
            "CREATE TRIGGER end_lease BEFORE UPDATE ON batches FOR EACH ROW EXECUTE FUNCTION end_lease()"
        )
    return await store.batches.expired(limit=1)


def seen(expired: Expired, *ids: UUID) -> Expired:
    return Expired(expired.seen_at, expired.server_started_at, list(ids))


async def test_a_batch_goes_before_its_messages(store: Store, expire: Expired) -> None:
    deliveries = await started(store, 2)
    batch_id = deliveries[0].batch_id
    async with held(store, "messages", deliveries[1].id):
        recording = record(store, deliveries, batch_id)
        await waiting(store, 1)
        reclaiming = reclaim(store, seen(expire, batch_id))
        await waiting(store, 2)
    assert await recording == {delivery.id for delivery in deliveries}
    assert await reclaiming == Reclaimed()


async def test_all_batches_go_before_any_message(store: Store, expire: Expired) -> None:
    """The outcome of a message in a batch that stays open is recorded with another batch's end."""
    first, second = await started(store, 1), await started(store, 1)
    open_id, closed_id = first[0].batch_id, second[0].batch_id
    assert open_id < closed_id
    async with held(store, "batches", closed_id):
        recording = record(store, [*first, *second], closed_id)
        await waiting(store, 1)
        reclaiming = reclaim(store, seen(expire, open_id, closed_id))
        await waiting(store, 2)
    assert await recording == {first[0].id, second[0].id}
    assert await reclaiming == Reclaimed(batches=1)


async def test_messages_go_in_the_order_of_their_ids(store: Store, expire: Expired) -> None:
    deliveries = await started(store, 3)
    batch_id = deliveries[0].batch_id
    async with held(store, "messages", deliveries[1].id):
        # Of a batch that stays open: nothing but its messages is locked.
        recording = record(store, deliveries[::-1])
        await waiting(store, 1)
        reclaiming = reclaim(store, seen(expire, batch_id))
        await waiting(store, 2)
    assert await recording == {delivery.id for delivery in deliveries}
    assert await reclaiming == Reclaimed(batches=1)
