"""Notes every 5 s what the queues hold, for whoever wants to see later how much waited.

In Redis: one value for each bucket of 5 s (tidings/observability/reports.py), from the producer that comes to it first;
its empty value, set before the counting, keeps the others from counting too. Lost at any moment, it leaves a gap in a
curve. Counting is bounded in each lane, and takes a twentieth of the time at the most.
"""

import asyncio
import contextlib
import time
from typing import Final

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sql.database import AWAY
from sql.queues import QueueStore
from tidings.domain.errors import describe
from tidings.observability.reports import BUCKET_LIFE_SECONDS, BUCKET_SECONDS, bucket_of
from tidings.redis import keys

log = structlog.get_logger(__name__)

COUNTED_UP_TO: Final = 100_000
REST: Final = 20
"""How many times as long as a count takes passes before the next one."""


class DepthNotes:
    """The noting loop of one producer."""

    def __init__(self, queues: QueueStore, redis: Redis) -> None:
        self._queues = queues
        self._redis = redis

    async def run(self, stop: asyncio.Event) -> None:
        """Notes until told to stop."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                await self.note()
            except (RedisError, *AWAY) as error:
                log.info("what waits was not noted", error=describe(error))
            pause = max(BUCKET_SECONDS, REST * (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=pause)

    async def note(self) -> bool:
        """Notes the depths in the present bucket; no where another producer does. Raises RedisError, or one of AWAY."""
        seconds, _ = await self._redis.time()
        key = keys.depths(bucket_of(seconds))
        if not await self._redis.set(key, b"", ex=BUCKET_LIFE_SECONDS, nx=True):
            return False
        depths = await self._queues.depths(limit=COUNTED_UP_TO)
        await self._redis.set(key, msgspec.msgpack.encode(depths), ex=BUCKET_LIFE_SECONDS)
        return True
