"""Whether a message could be delivered now: four checks at once, none longer than 2 s.

A consumer shows itself in one of two ways: with room, it offers its slots in Redis every second; without, it holds
batches in Postgres whose leases it renews. Rejected: arq's health keys, which bear the names of their consumers and so
are found only by scanning a Redis that holds a record of every recent delivery.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sql.database import AWAY
from sql.store import Store
from tidings.domain.errors import SchemaError
from tidings.observability.reports import HeldReport, held_report
from tidings.redis import keys
from tidings.redis.connections import probe

PATIENCE_SECONDS: Final = 2.0

OK: Final = "ok"
SILENT: Final = "does not answer"
UNKNOWN: Final = "unknown"

T = TypeVar("T")


class Readiness:
    """The checks of one API process."""

    def __init__(self, store: Store, redis: Redis) -> None:
        self._store = store
        self._redis = redis
        self.held: HeldReport | None = None
        """What is held, as `all` read it last; None where nobody counts."""

    async def stores(self) -> dict[str, str]:
        """Whether Postgres and Redis answer."""
        postgres, redis = await asyncio.gather(_in_time(self._ping_postgres()), _in_time(self._probe_redis()))
        return {"postgres": _word(postgres), "redis": _word(redis)}

    async def all(self) -> dict[str, str]:
        """Each check with `ok` or what is amiss."""
        schema, redis, busy, claims = await asyncio.gather(
            _in_time(self._schema()),
            _in_time(self._redis_side()),
            _in_time(self._store.messages.under_way()),
            _in_time(self._claims()),
        )
        producer, offered, self.held = redis or (None, None, None)
        return {
            "postgres": _word(schema),
            "schema": schema or UNKNOWN,
            "redis": _word(redis),
            "producer": UNKNOWN if producer is None else OK if producer else "none is alive",
            "consumers": _consumers(offered, busy),
            "claims": claims or UNKNOWN,
        }

    async def _schema(self) -> str:
        try:
            await self._store.check_schema()
        except SchemaError as error:
            return str(error)
        return OK

    async def _claims(self) -> str:
        paused = await self._store.marker.paused()
        return OK if paused is None else f"paused: {paused.why}"

    async def _redis_side(self) -> tuple[bool, bool, HeldReport | None]:
        """Whether a producer is alive, whether a living consumer offers a slot, what is held. By the clock of Redis."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.exists(keys.PRODUCER_HEARTBEAT)
            pipe.zrange(keys.SLOTS, 0, 0, desc=True, withscores=True)
            pipe.get(keys.HELD)
            # A replica reads as well as the primary, and takes nothing.
            pipe.set(keys.PROBE, 1, ex=keys.PROBE_LIFE_SECONDS)
            (seconds, microseconds), producer, newest, held, _ = await pipe.execute()
        oldest = seconds + microseconds / 1e6 - keys.OFFER_LIFE_SECONDS
        return bool(producer), bool(newest) and newest[0][1] >= oldest, held_report(held)

    async def _ping_postgres(self) -> bool:
        await self._store.ping()
        return True

    async def _probe_redis(self) -> bool:
        await probe(self._redis)
        return True


async def _in_time(answer: Awaitable[T]) -> T | None:
    """The result; None where it fails or takes too long."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await answer
    except (*AWAY, RedisError):
        return None


def _word(answer: object) -> str:
    return SILENT if answer is None else OK


def _consumers(offered: bool | None, busy: bool | None) -> str:
    if offered or busy:
        return OK
    return UNKNOWN if offered is None or busy is None else "none is alive"
