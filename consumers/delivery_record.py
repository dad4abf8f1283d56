"""The delivery record: what the far side accepted, in Redis before Postgres knows it.

In play: `sent:{message id}` with a life of `REDIS_TTL`. A consumer that dies between the far side's answer and the
commit of the outcome leaves this record, and whoever gets the message next finds it and does not send again. Redis
away: the record is missing, which costs at worst a duplicate of what was in flight at a crash in that time.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tidings.keys import delivery_record

log = structlog.get_logger(__name__)

AT_ONCE: Final = 500


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record, kept as JSON."""

    sent_at: datetime
    message_id: str | None = None
    """The provider's own id of the message."""


class DeliveryRecords:
    """Writes records in groups, one round trip each, as fast as Redis takes them."""

    def __init__(self, redis: Redis, *, life_seconds: int) -> None:
        self._redis = redis
        self._life = life_seconds
        self._waiting: dict[UUID, bytes] = {}
        self._some = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()

    def put(self, message_id: UUID, record: Record) -> None:
        """Notes what the far side has just accepted; it is on its way to Redis when this returns to the loop."""
        self._waiting[message_id] = msgspec.json.encode(record)
        self._written.clear()
        self._some.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._some.wait()
            group = dict(list(self._waiting.items())[:AT_ONCE])
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for message_id, value in group.items():
                        pipe.set(delivery_record(message_id), value, ex=self._life)
                    await pipe.execute()
            except (RedisError, OSError) as error:
                log.warning("delivery records were not written", records=len(group), error=str(error))
            for message_id in group:
                del self._waiting[message_id]
            if not self._waiting:
                self._some.clear()
                self._written.set()

    async def written(self) -> None:
        """Waits until every record has been handed to Redis."""
        await self._written.wait()

    async def find(self, message_ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The records of these messages; none where Redis does not answer."""
        try:
            values = await self._redis.mget([delivery_record(message_id) for message_id in message_ids])
        except (RedisError, OSError) as error:
            log.warning("delivery records were not read", messages=len(message_ids), error=str(error))
            return {}
        found = {}
        for message_id, value in zip(message_ids, values, strict=True):
            if value is not None:
                try:
                    found[message_id] = msgspec.json.decode(value, type=Record)
                except msgspec.MsgspecError as error:
                    log.warning("a delivery record that cannot be read", message=str(message_id), error=str(error))
        return found
