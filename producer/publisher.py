"""Pushes batches to the arq queues of the consumers that offered room.

In Redis, for each batch: the job's body (`arq:job:{batch id}`, gone after three leases, when it is worth nothing) and
its id in the consumer's queue; then the consumer is notified, once for all its batches. arq's own `enqueue_job`
takes two round trips a job to keep job ids unique; ours are UUIDs, so any number of batches goes in one.
"""

from collections.abc import Sequence
from typing import Any

from arq.constants import job_key_prefix
from redis.asyncio import Redis

from producer.slots import Slot
from sql.batches import ClaimedBatch
from tidings.observability import tracing
from tidings.redis import jobs, keys

_DUE_SINCE_EVER = 1
"""The score of every job. arq starts a job when its score is in the past by the consumer's clock; ours may be ahead of
that. Redis sorts equal scores by member, which is the batch id, a UUIDv7: first made, first taken."""


class Publisher:
    """The only writer of jobs."""

    def __init__(self, redis: Redis, *, lease_seconds: float) -> None:
        self._redis = redis
        self._life_ms = int(3000 * lease_seconds)
        self.batches = 0
        """Pushed so far."""
        self.messages = 0
        """In these batches."""

    async def push(self, batches: Sequence[tuple[ClaimedBatch, Slot]]) -> None:
        """One round trip. Raises redis.RedisError where it is not certain that every batch is on its way."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for batch, slot in batches:
                job_id = str(batch.id)
                job: dict[str, Any] = {
                    "t": None,
                    "f": jobs.DELIVER,
                    "a": (job_id, slot.name, batch.quarantined),
                    "k": {},
                    "et": 0,
                }
                pipe.psetex(job_key_prefix + job_id, self._life_ms, jobs.serialize(job))
                pipe.zadd(keys.consumer_queue(slot.consumer), {job_id: _DUE_SINCE_EVER})
            for consumer in {slot.consumer for _, slot in batches}:
                pipe.publish(keys.notification_channel(consumer), b"")
            await pipe.execute()
        self.batches += len(batches)
        self.messages += sum(batch.size for batch, _ in batches)
        if (spans := tracing.spans()) is not None:
            for batch, slot in batches:
                spans.claimed(batch.id, size=batch.size, consumer=slot.consumer)
