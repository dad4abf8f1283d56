"""Batches that were claimed and never taken, which is safe to undo at any time."""

import asyncio
from datetime import timedelta

from producer.reconciler import Reconciler
from sql.batches import PICKUP_SHARE
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.producer.conftest import SteeredStore
from tests.integration.producer.test_reconciler import lose_one, lost
from tidings.domain.states import Status
from tidings.settings import Settings


async def test_they_come_back_while_consumers_have_a_lease_to_renew(store: Store, settings: Settings) -> None:
    steered = SteeredStore(store)
    reconciler = Reconciler(steered, settings)
    await reconciler.reconcile()
    await lose_one(steered)
    [message_id] = await keep(steered)
    await steered.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 s'")
    steered.stalled = timedelta(seconds=6)
    await reconciler.reconcile()
    message = await store.messages.get(message_id)
    assert message is not None
    assert (message.status, message.recoveries) == (Status.PENDING, 0)
    assert await lost(steered) == 1


async def test_they_wait_for_a_part_of_a_lease_only(store: Store) -> None:
    store.batches.lease = timedelta(seconds=0.5)
    await keep(store)
    await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    assert (await store.batches.expired(limit=1)).ids == []
    await asyncio.sleep(0.5 * PICKUP_SHARE + 0.05)
    assert len((await store.batches.expired(limit=1)).ids) == 1
