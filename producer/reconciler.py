"""Takes batches back from consumers that gave no sign of life for a lease.

In play: `batches` and the messages that point to them, all in Postgres; one statement takes a batch back, so a crash
anywhere changes nothing or everything. One reconciler leads at a time (an advisory lock); a second one for a moment,
after a lost connection, does no harm.

The danger is to take batches from consumers that are well: while Postgres stands still, nobody can renew. So the
server's clock, never ours, says how long nobody could: after a gap, a restart or an error, one lease passes first. A
batch that nobody has started is in no danger, and comes back at any time.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec
import structlog

from sql.batches import Expired
from sql.database import AWAY, Connection
from sql.store import Store
from tidings.domain.errors import describe
from tidings.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100
"""Batches taken back in one statement."""

ALONE_AFTER: Final = 2
"""Recoveries after which a message travels alone (sql/queries/batches.sql, claim)."""

ORPHANS_EVERY: Final = 15
"""Ticks between looks for messages in processing whose batch is gone."""

EXPIRE_AT_ONCE: Final = 1000


class Done(msgspec.Struct):
    """What a reconciler has done since its process began: batches, and the messages of each way."""

    reclaimed_batches: int = 0
    released: int = 0
    recovered: int = 0
    poisoned: int = 0
    healed: int = 0
    expired: int = 0


class Reconciler:
    """The reconciling loop of one producer; it works only while it leads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._every = settings.reconcile_seconds
        # The server stood still if a tick comes this late: no healthy consumer misses two renewals in less.
        self._gap = timedelta(seconds=settings.reconcile_seconds + settings.lease_renewal_seconds)
        self._recoveries_allowed = ALONE_AFTER + settings.max_recoveries
        self._leading: Connection | None = None
        self._last_seen: datetime | None = None
        self._hold_until: datetime | None = None
        self._after_error = False
        self._ticks = 0
        self.done = Done()

    @property
    def leads(self) -> bool:
        """Whether it is this one that reconciles, of all producers."""
        return self._leading is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Ticks until told to stop."""
        try:
            while not stop.is_set():
                try:
                    if await self._lead():
                        await self.tick()
                except AWAY as error:
                    log.warning("cannot reconcile at present", error=describe(error))
                    self._last_seen = None
                    self._after_error = True
                    await self._stop_leading()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), timeout=self._every)
        finally:
            await self._stop_leading()

    async def tick(self) -> None:
        """One look: takes back what may be taken back, ends what has expired, heals what lost its batch."""
        expired = await self._store.batches.expired(limit=AT_ONCE)
        if self._patient(expired):
            # Nobody has to renew what nobody has started.
            if expired.ids and (released := await self._store.batches.release(expired.ids)):
                log.info("batches that were not taken come back", messages=released)
                self.done.released += released
            return
        if expired.ids:
            reclaimed = await self._store.batches.reclaim(
                expired, max_age=self._gap, recoveries_allowed=self._recoveries_allowed
            )
            if reclaimed.batches:
                log.warning(
                    "batches taken back from a lost consumer",
                    batches=reclaimed.batches,
                    released=reclaimed.released,
                    recovered=reclaimed.recovered,
                    poisoned=reclaimed.poisoned,
                )
            self.done.reclaimed_batches += reclaimed.batches
            self.done.released += reclaimed.released
            self.done.recovered += reclaimed.recovered
            self.done.poisoned += reclaimed.poisoned
        over = await self._store.messages.expire(limit=EXPIRE_AT_ONCE)
        self.done.expired += over
        if over == EXPIRE_AT_ONCE:
            log.info("many messages expire at once")
        if self._ticks % ORPHANS_EVERY == 0 and (
            healed := await self._store.batches.heal_orphans(recoveries_allowed=self._recoveries_allowed)
        ):
            log.error("messages without a batch came back", messages=healed)
            self.done.healed += healed
        self._ticks += 1

    def _patient(self, expired: Expired) -> bool:
        """Whether consumers must be given time to renew first."""
        last_seen, self._last_seen = self._last_seen, expired.seen_at
        first = last_seen is None
        stood_still = last_seen is not None and expired.seen_at - last_seen > self._gap
        restarted = first and expired.seen_at - expired.server_started_at < self._lease
        if stood_still or restarted or self._after_error:
            self._after_error = False
            self._hold_until = expired.seen_at + self._lease
            log.info("consumers have one lease to renew: Postgres was away, or has just started")
        # The first look of a leader only begins the watch over the server's clock.
        return first or (self._hold_until is not None and expired.seen_at < self._hold_until)

    async def _lead(self) -> bool:
        if self._leading is None or self._leading.is_closed():
            self._leading = None
            connection = await self._store.database.connection()
            if not await self._store.database.queries.try_lead(connection):
                await connection.close()
                return False
            self._leading = connection
            self._last_seen = None
            log.info("leads the reconciling")
        return True

    async def _stop_leading(self) -> None:
        if self._leading is not None:
            connection, self._leading = self._leading, None
            with contextlib.suppress(asyncpg.PostgresError, *AWAY):
                await connection.close(timeout=1)
