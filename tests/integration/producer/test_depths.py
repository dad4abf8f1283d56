"""What the queues hold, recorded for each bucket."""

from datetime import timedelta

import msgspec
import pytest
from redis.asyncio import Redis

from producer import depths
from producer.depths import DepthRecorder
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tidings.domain.timestamps import utc_now
from tidings.observability.reports import BUCKET_LIFE_SECONDS, Depth
from tidings.redis import keys


async def recorded(redis: Redis) -> list[dict[str, Depth]]:
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
    await DepthRecorder(store, redis).record()
    assert await redis.get(keys.HELD) == b'{"messages":[],"holds":[]}'
    assert await recorded(redis) == [{"default": Depth(4, 4, 3), "night": Depth(10, 0, 0)}]
