"""Takes batches back from consumers that gave no sign of life for a lease.

In play: `batches` and the messages that point to them, all in Postgres; one statement takes batches back, so a crash
anywhere changes nothing or everything. The producer that leads reconciles; a second one for a moment does no harm.

May deliver a message twice when it takes a batch from a consumer that is well: while Postgres is stalled, nobody can
renew. So the server's clock, never ours, says how long nobody could: after a gap, a restart or an error, one lease
passes first. A batch that nobody has started comes back at any time.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from producer.leader import Duty
from sql.batches import Expired
from sql.database import AWAY
from sql.store import Store
from tidings.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100
"""Batches taken back in one statement."""

QUARANTINED_AFTER: Final = 2
"""Recoveries after which a message is delivered alone (sql/queries/batches.sql, claim)."""

ORPHANS_EVERY: Final = 30.0
"""Seconds between polls for messages in processing whose batch is gone."""


class Stats(msgspec.Struct):
    """What a reconciler has done since its process began: batches, and the messages of each way."""

    reclaimed_batches: int = 0
    released: int = 0
    recovered: int = 0
    poisoned: int = 0
    healed: int = 0


class Reconciler:
    """Reconciles for the producer that leads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._lease = timedelta(seconds=settings.lease_seconds)
        # The server was stalled if a round comes this late: no healthy consumer misses two renewals in less.
        self._gap = timedelta(seconds=settings.reconcile_seconds + settings.lease_renewal_seconds)
        self._recoveries_allowed = QUARANTINED_AFTER + settings.max_recoveries
        self._last_seen: datetime | None = None
        self._hold_until: datetime | None = None
        self._after_error = False
        self.stats = Stats()
        self.duties = (
            Duty(name="reconciling", every=settings.reconcile_seconds, work=self.reconcile),
            Duty(name="orphans", every=ORPHANS_EVERY, work=self.heal),
        )

    def begin(self, interrupted: bool) -> None:
        """This producer leads from now on: what it saw before, if ever it led, says nothing any more.

        `interrupted`: Postgres was away, so perhaps no consumer could renew either.
        """
        self._last_seen = None
        self._after_error = self._after_error or interrupted

    async def reconcile(self) -> None:
        """Takes back all that may be taken back."""
        try:
            while await self._reclaim_some():
                pass
        except AWAY:
            self._last_seen = None
            self._after_error = True
            raise

    async def heal(self) -> None:
        """Brings back messages that lost their batch."""
        healed = await self._store.batches.heal_orphans(recoveries_allowed=self._recoveries_allowed)
        if healed:
            log.error("messages without a batch came back", messages=healed)
            self.stats.healed += healed

    async def _reclaim_some(self) -> bool:
        """Takes back some of what has expired; returns whether there is more."""
        expired = await self._store.batches.expired(limit=AT_ONCE)
        if self._patient(expired):
            # Nobody has to renew what nobody has started.
            if expired.ids and (released := await self._store.batches.release(expired.ids)):
                log.info("batches that were not taken come back", messages=released)
                self.stats.released += released
            return False
        if not expired.ids:
            return False
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
        self.stats.reclaimed_batches += reclaimed.batches
        self.stats.released += reclaimed.released
        self.stats.recovered += reclaimed.recovered
        self.stats.poisoned += reclaimed.poisoned
        return len(expired.ids) == AT_ONCE and reclaimed.batches > 0

    def _patient(self, expired: Expired) -> bool:
        """Whether consumers must be given time to renew first."""
        last_seen, self._last_seen = self._last_seen, expired.seen_at
        first = last_seen is None
        stalled = last_seen is not None and expired.seen_at - last_seen > self._gap
        restarted = first and expired.seen_at - expired.server_started_at < self._lease
        if stalled or restarted or self._after_error:
            self._after_error = False
            self._hold_until = expired.seen_at + self._lease
            log.info("consumers have one lease to renew: Postgres was away, or has just started")
        # The first poll of a leader only starts the watch over the server's clock.
        return first or (self._hold_until is not None and expired.seen_at < self._hold_until)
