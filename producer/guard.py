"""Whether this is still the database from which messages were delivered, or an older state of it.

In play: the marker, a row of Postgres that goes on every 5 s and says which server it was written by; its copy in
Redis, and in the memory of each producer. Nothing is claimed unless the marker was written within 30 s by this server
(sql/queries/batches.sql, `claim`), so whoever claims first after a restore or a promotion must come by here. A crash
between the two writes leaves a copy that is one write behind, which says nothing.

| found | is | so |
|---|---|---|
| the marker is behind its copy, by more than replication explains | a restored backup | *paused* |
| a new server, database or table, and not what the copy says | a restored dump | paused |
| a new timeline, the copy is gone, and the marker is old | probably restored to a point in time | paused |
| a new timeline; or a little behind; or moved, and the copy is the same | a failover, a move | *changed* |
| none of it | as it was | |

Changed: what was due by then may have been delivered. Consumers look up its dedup records, and what has none goes out
as a possible duplicate. Paused is changed too, and nothing is claimed until `tidings resume`.
"""

from typing import Final
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from producer.leader import Duty
from sql.marker import Marker, MarkerStore
from tidings.redis import keys

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 5.0
LAG_WRITES: Final = 12
"""By how many writes, a minute of them, a promoted standby may be behind."""
LOST_WRITES: Final = 2
"""By how many the copy may be behind where Redis has lost nothing."""
FRESH_SECONDS: Final = 60.0
"""How long a failover may take where Redis was lost with it."""


class Copy(msgspec.Struct, frozen=True):
    """What Redis has of the marker, as JSON."""

    installation: UUID
    number: int


def restored(marker: Marker, copied: int | None) -> str | None:
    """Why this must be a restored backup, by its marker and the newest copy's number; None where it need not be."""
    if marker.identity is None:
        return None
    moved = marker.identity != marker.present_identity
    if copied is None:
        if moved:
            return "Postgres is another server, or was made again, and Redis does not know how far it was"
        if marker.promoted and (marker.age is None or marker.age > FRESH_SECONDS):
            return "Postgres was promoted, or restored, and Redis does not know how far it was"
    elif copied - marker.number > (0 if moved else LAG_WRITES):
        return f"Postgres is an older state: {(copied - marker.number) * EVERY_SECONDS:,.0f} s of work are missing"
    elif moved and marker.number - copied > LOST_WRITES:
        return "Postgres is another server, or was made again, and Redis is an older state"
    return None


def changed(marker: Marker, copied: int | None) -> str | None:
    """Why messages may have been delivered that wait here; None where none were."""
    if marker.identity is None:
        return None
    if marker.promoted:
        return "Postgres was promoted"
    if marker.identity != marker.present_identity:
        return "Postgres was moved"
    return "Postgres lost its last writes" if copied is not None and copied > marker.number else None


class Guard:
    """The guard of one producer. Any number of them may run."""

    def __init__(self, store: MarkerStore, redis: Redis) -> None:
        self._store = store
        self._redis = redis
        self._known: Copy | None = None
        """The last one that this process wrote."""
        self._said = False
        self.duty = Duty(name="marker", every=EVERY_SECONDS, work=self._go_on)

    async def check(self) -> bool:
        """Goes on with the marker; returns whether messages may be claimed.

        Raises redis.RedisError or one of AWAY where a store is away.
        """
        in_redis = _copy(await self._redis.get(keys.MARKER))
        async with self._store.database.together():
            marker = await self._store.lock()
            known = [
                copy.number for copy in (in_redis, self._known) if copy and copy.installation == marker.installation
            ]
            copied = max(known, default=None)
            paused_why = restored(marker, copied)
            why = paused_why or changed(marker, copied)
            number = max([marker.number, *known]) + 1
            await self._store.write(number, changed=why is not None, paused_why=paused_why)
        self._known = Copy(marker.installation, number)
        await self._redis.set(keys.MARKER, msgspec.json.encode(self._known), ex=keys.MARKER_LIFE_SECONDS)
        if why is not None:
            log.warning("dedup records are looked up of what was due by now", why=why)
        paused = paused_why or marker.paused_why
        if paused and not self._said:
            log.error("nothing is claimed until somebody says `tidings resume`", why=paused)
        self._said = bool(paused)
        return not paused

    async def _go_on(self) -> None:
        await self.check()


def _copy(value: bytes | None) -> Copy | None:
    try:
        return None if value is None else msgspec.json.decode(value, type=Copy)
    except msgspec.MsgspecError as error:
        log.warning("the marker's copy cannot be read", error=str(error))
        return None
