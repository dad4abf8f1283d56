"""When batches are taken back, and when not."""

from datetime import timedelta

import msgspec
import pytest

from producer import reconciler as reconciler_module
from producer.reconciler import Reconciler
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.producer.conftest import SteeredStore
from tidings.domain.states import Status
from tidings.settings import Settings


async def lose_one(store: Store) -> None:
    await keep(store)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    await store.batches.take(batch.id, consumer="consumer")
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 s'")


async def lost(store: Store) -> int:
    async with store.database.pool.acquire() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM batches")
    return count


async def test_a_lost_batch_comes_back_with_the_second_look(steered: SteeredStore, settings: Settings) -> None:
    await lose_one(steered)
    reconciler = Reconciler(steered, settings)
    await reconciler.reconcile()
    assert await lost(steered) == 1
    await reconciler.reconcile()
    assert await lost(steered) == 0


async def test_after_the_server_stalled_consumers_have_a_lease_to_renew(
    steered: SteeredStore, settings: Settings
) -> None:
    reconciler = Reconciler(steered, settings)
    await reconciler.reconcile()
    await reconciler.reconcile()
    await lose_one(steered)
    steered.stalled = timedelta(seconds=6)
    await reconciler.reconcile()
    await reconciler.reconcile()
    assert await lost(steered) == 1


async def test_after_a_restart_of_the_server_too(store: Store, settings: Settings) -> None:
    # The session's server has been up for less than such a lease.
    reconciler = Reconciler(store, msgspec.structs.replace(settings, lease_seconds=36000.0, redis_ttl=108000))
    await lose_one(store)
    await reconciler.reconcile()
    await reconciler.reconcile()
    assert await lost(store) == 1


async def test_it_goes_on_until_nothing_is_left(
    steered: SteeredStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler_module, "AT_ONCE", 2)
    for _ in range(5):
        await lose_one(steered)
    reconciler = Reconciler(steered, settings)
    await reconciler.reconcile()
    await reconciler.reconcile()
    assert await lost(steered) == 0
    assert reconciler.stats.reclaimed_batches == 5


async def test_what_it_saw_when_it_led_before_says_nothing(steered: SteeredStore, settings: Settings) -> None:
    reconciler = Reconciler(steered, settings)
    await reconciler.reconcile()
    await lose_one(steered)
    reconciler.begin(interrupted=False)
    await reconciler.reconcile()
    assert await lost(steered) == 1
    await reconciler.reconcile()
    assert await lost(steered) == 0


async def test_after_postgres_was_away_consumers_have_a_lease_to_renew(
    steered: SteeredStore, settings: Settings
) -> None:
    reconciler = Reconciler(steered, settings)
    await lose_one(steered)
    reconciler.begin(interrupted=True)
    for _ in range(3):
        await reconciler.reconcile()
    assert await lost(steered) == 1


async def test_messages_without_a_batch_come_back(store: Store, settings: Settings) -> None:
    [message_id] = await keep(store)
    await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    async with store.database.pool.acquire() as connection:
        await connection.execute("DELETE FROM batches")
    reconciler = Reconciler(store, settings)
    await reconciler.heal()
    message = await store.messages.get(message_id)
    assert message is not None
    assert (message.status, reconciler.stats.healed) == (Status.FAILED, 1)
