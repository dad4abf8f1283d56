"""What the queues hold, noted by one producer for each bucket."""

from datetime import timedelta

import msgspec
import pytest
from redis.asyncio import Redis

from producer import depths
from producer.depths import DepthNotes
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tidings.domain.timestamps import utc_now
from tidings.observability.reports import BUCKET_LIFE_SECONDS, Depth, bucket_of
from tidings.redis import keys


async def noted(redis: Redis) -> list[dict[str, Depth]]:
    found = await redis.keys("tidings:depths:*")
    for key in found:
        assert 0 < await redis.ttl(key) <= BUCKET_LIFE_SECONDS
    return [msgspec.msgpack.decode(await redis.get(key), type=dict[str, Depth]) for key in found]


async def test_due_later_and_on_its_way(store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.queues.put("night", active=False, interval_seconds=0, batch_size=None)
    await keep(store, 7)
    await keep(store, 4, due_at=utc_now() + timedelta(hours=1))
    await keep(store, 12, queue="night")
    await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=3)
    monkeypatch.setattr(depths, "COUNTED_UP_TO", 10)
    assert await DepthNotes(store.queues, redis).note()
    assert await noted(redis) == [{"default": Depth(4, 4, 3), "night": Depth(10, 0, 0)}]


async def test_one_producer_notes_for_all(store: Store, redis: Redis) -> None:
    seconds, _ = await redis.time()
    for bucket in (bucket_of(seconds), bucket_of(seconds) + 1):
        await redis.set(keys.depths(bucket), b"")
    assert not await DepthNotes(store.queues, redis).note()
