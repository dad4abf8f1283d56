"""Dedup records: what receivers accepted, in Redis before Postgres knows it.

May deliver a message twice if the consumer dies between the receiver's answer and the commit while Redis is away: then
no record says that the message was sent. In play: `sent:{message id}`, kept for `REDIS_TTL`. After a crash the next
consumer finds it and does not send again.

`sent:provider:{messageId}` is for those who know a delivery by its provider's id. Both are written for a whole group by
one MSETEX (Redis 8.4, Valkey 9.1). An older Redis needs a SET for each (MSET has no expiry), from a script, which costs
us a quarter of a pipeline; there the second record is a setting, `PROVIDER_RECORDS`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from tidings.redis.keys import dedup_record, provider_record

log = structlog.get_logger(__name__)

LINGER_SECONDS: Final = 0.002
"""Between groups under load: larger groups cost less for each record."""
SET_EACH: Final = "for i = 1, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'EX', ARGV[1]) end"


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The value of `sent:{message id}`, as JSON."""

    sent_at: datetime
    message_id: str | None = None
    """The provider's id of the message."""


class ProviderRecord(msgspec.Struct, frozen=True):
    """The value of `sent:provider:{messageId}`, as JSON."""

    id: UUID
    """Our message."""
    sent_at: datetime


class DedupRecords:
    """Writes records in groups, one round trip each, as fast as Redis takes them."""

    def __init__(self, redis: Redis, *, life_seconds: int, by_provider: bool = False) -> None:
        self._redis = redis
        self._life = life_seconds
        self._by_provider = by_provider
        self._has_msetex = True
        """Until Redis says otherwise."""
        self._set_each = redis.register_script(SET_EACH)
        self._waiting: dict[UUID, Record] = {}
        self._then: list[Callable[[], None]] = []
        self._some = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()

    def put(self, message_id: UUID, record: Record, *, then: Callable[[], None]) -> None:
        """Queues the record of an accepted message; `then` is called when it was written, or could not be."""
        self._waiting[message_id] = record
        self._then.append(then)
        self._written.clear()
        self._some.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._some.wait()
            group, then = self._waiting, self._then
            self._waiting, self._then = {}, []
            self._some.clear()
            try:
                await self._write(group)
            except (RedisError, OSError) as error:
                log.warning("dedup records were not written", records=len(group), error=str(error))
            for call in then:
                call()
            if self._waiting:
                await asyncio.sleep(LINGER_SECONDS)
            else:
                self._written.set()

    async def written(self) -> None:
        """Waits until every record has been handed to Redis."""
        await self._written.wait()

    async def find(self, message_ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The records of these messages. Returns none, which may deliver again, where Redis does not answer."""
        try:
            return await self.read(message_ids)
        except (RedisError, OSError) as error:
            log.warning("dedup records were not read", messages=len(message_ids), error=str(error))
            return {}

    async def read(self, message_ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The same, but raises redis.RedisError where Redis does not answer."""
        values = await self._redis.mget([dedup_record(message_id) for message_id in message_ids])
        found = {}
        for message_id, value in zip(message_ids, values, strict=True):
            if value is not None:
                try:
                    found[message_id] = msgspec.json.decode(value, type=Record)
                except msgspec.MsgspecError as error:
                    log.warning("a dedup record that cannot be read", message=str(message_id), error=str(error))
        return found

    async def _write(self, group: Mapping[UUID, Record]) -> None:
        if self._has_msetex:
            values = _values(group, by_provider=True)
            pairs = [part for pair in values.items() for part in pair]
            try:
                await self._redis.execute_command(  # type: ignore[no-untyped-call]
                    "MSETEX", len(values), *pairs, "EX", self._life
                )
            except ResponseError as error:
                # Unknown or not allowed, neither of which passes; anything else (no memory, a replica) may.
                if not isinstance(error, NoPermissionError) and "unknown command" not in str(error):
                    raise
                log.info("dedup records are written one by one", error=str(error))
                self._has_msetex = False
            else:
                return
        values = _values(group, by_provider=self._by_provider)
        await self._set_each(keys=list(values), args=[self._life, *values.values()])


def _values(group: Mapping[UUID, Record], *, by_provider: bool) -> dict[str, bytes]:
    values = {dedup_record(message_id): msgspec.json.encode(record) for message_id, record in group.items()}
    if by_provider:
        for message_id, record in group.items():
            if record.message_id is not None:
                named = ProviderRecord(message_id, record.sent_at)
                values[provider_record(record.message_id)] = msgspec.json.encode(named)
    return values
