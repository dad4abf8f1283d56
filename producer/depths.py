"""Records every 5 s what the queues hold, for whoever wants to see later how much waited.

In Redis: one value for each bucket of 5 s (tidings/observability/reports.py). Lost at any moment, it leaves a gap in a
curve. Counting is bounded in each claim lane, and takes a twentieth of the time at the most.
"""

from typing import Final

import msgspec
from redis.asyncio import Redis

from producer.leader import Duty
from sql.queues import QueueStore
from tidings.observability.reports import BUCKET_LIFE_SECONDS, BUCKET_SECONDS, bucket_of
from tidings.redis import keys

COUNTED_UP_TO: Final = 100_000
REST: Final = 20


class DepthRecorder:
    """Counts for the producer that leads."""

    def __init__(self, queues: QueueStore, redis: Redis) -> None:
        self._queues = queues
        self._redis = redis
        self.duty = Duty(name="depths", every=BUCKET_SECONDS, rest=REST, work=self.record)

    async def record(self) -> None:
        """Records the depths in the present bucket. Raises RedisError, or one of AWAY."""
        seconds, _ = await self._redis.time()
        depths = await self._queues.depths(limit=COUNTED_UP_TO)
        await self._redis.set(keys.depths(bucket_of(seconds)), msgspec.msgpack.encode(depths), ex=BUCKET_LIFE_SECONDS)
