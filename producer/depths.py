"""Records every 5 s what the queues hold, and what is held, for whoever wants to see how much waited, and for what.

In Redis: one value for each bucket of 5 s (tidings/observability/reports.py), and one for what is held now. Lost at any
moment, it leaves a gap in a curve. Counting is bounded in each claim lane and for each reason, and takes a twentieth of
the time at the most.
"""

from typing import Final

import msgspec
from redis.asyncio import Redis

from producer.leader import Duty
from sql.store import Store
from tidings.observability.reports import BUCKET_LIFE_SECONDS, BUCKET_SECONDS, HOLDS_SHOWN, HeldReport, bucket_of
from tidings.redis import keys

COUNTED_UP_TO: Final = 100_000
REST: Final = 20


class DepthRecorder:
    """Counts for the producer that leads."""

    def __init__(self, store: Store, redis: Redis) -> None:
        self._store = store
        self._redis = redis
        self.duty = Duty(name="depths", every=BUCKET_SECONDS, rest=REST, work=self.record)

    async def record(self) -> None:
        """Records the depths in the present bucket. Raises RedisError, or one of AWAY."""
        seconds, _ = await self._redis.time()
        depths = await self._store.queues.depths(limit=COUNTED_UP_TO)
        held = HeldReport(
            messages=await self._store.holds.held(), holds=await self._store.holds.list(limit=HOLDS_SHOWN)
        )
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.depths(bucket_of(seconds)), msgspec.msgpack.encode(depths), ex=BUCKET_LIFE_SECONDS)
            pipe.set(keys.HELD, msgspec.json.encode(held), ex=keys.HELD_LIFE_SECONDS)
            await pipe.execute()
