"""When batches are taken back, and when not."""

from datetime import timedelta

import msgspec
import pytest

from producer.reconciler import Reconciler
from sql.batches import Expired
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tidings.domain.states import Status
from tidings.settings import Settings

PAST_THE_START = timedelta(hours=-1)


class SteeredStore(Store):
    """A store whose server seems to have been up for long, and to have stood still when told so."""

    stood_still = timedelta()

    def __init__(self, store: Store) -> None:
        super().__init__(store.database, lease_seconds=10)
        look = self.batches.expired

        async def expired(*, limit: int) -> Expired:
            seen = await look(limit=limit)
            return msgspec.structs.replace(
                seen, seen_at=seen.seen_at + self.stood_still, server_started_at=seen.server_started_at + PAST_THE_START
            )

        self.batches.expired = expired  # type: ignore[method-assign]


@pytest.fixture
def steered(store: Store) -> SteeredStore:
    return SteeredStore(store)


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
    await reconciler.tick()
    assert await lost(steered) == 1
    await reconciler.tick()
    assert await lost(steered) == 0


async def test_after_the_server_stood_still_consumers_have_a_lease_to_renew(
    steered: SteeredStore, settings: Settings
) -> None:
    reconciler = Reconciler(steered, settings)
    await reconciler.tick()
    await reconciler.tick()
    await lose_one(steered)
    steered.stood_still = timedelta(seconds=6)
    await reconciler.tick()
    await reconciler.tick()
    assert await lost(steered) == 1


async def test_after_a_restart_of_the_server_too(store: Store, settings: Settings) -> None:
    # The session's server has been up for less than such a lease.
    reconciler = Reconciler(store, msgspec.structs.replace(settings, lease_seconds=36000.0, redis_ttl=108000))
    await lose_one(store)
    await reconciler.tick()
    await reconciler.tick()
    assert await lost(store) == 1


async def test_one_leads_at_a_time(steered: SteeredStore, settings: Settings) -> None:
    first, second = Reconciler(steered, settings), Reconciler(steered, settings)
    assert await first._lead()
    assert not await second._lead()
    await first._stop_leading()
    await eventually(second._lead)
    await second._stop_leading()


async def test_expired_messages_are_cancelled(steered: SteeredStore, settings: Settings) -> None:
    await keep(steered, expires_at=(await steered.batches.expired(limit=1)).seen_at)
    [message_id] = await keep(steered, queue="default")
    reconciler = Reconciler(steered, settings)
    await reconciler.tick()
    await reconciler.tick()
    message = await steered.messages.get(message_id)
    assert message is not None
    assert message.status is Status.PENDING
    async with steered.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM messages WHERE cancel_reason = 'expired'") == 1
