"""The batches that this consumer holds, and their leases: renewed all together, in one statement every few seconds.

May deliver a message twice if a lease runs out while deliveries of its batch are in flight: the reconciler gives the
batch to another. In play: `batches.lease_until` in Postgres. A batch is held from `take` until its last outcome is on
disk, so a slow receiver costs no lease; a crash lets it run out. A batch that a renewal does not return was taken from
us. While Postgres does not answer, a lease counts as lost here before the reconciler can take it: nothing more of it is
started.
"""

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg
import msgspec
import structlog

from sql.database import AWAY
from sql.store import Store
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)


AGAIN_SECONDS = 1.0
"""Pause after a renewal that Postgres did not answer: there is not much left of the leases then."""


class OpenBatch(msgspec.Struct, eq=False):
    """A batch that this consumer has taken."""

    id: UUID
    left: int
    """Messages without an outcome."""
    held_until: float
    """Until when, by this process's monotonic clock, nobody can have taken it from us."""
    closing: bool = False
    """Set once a statement was sent that deletes it with its last outcome."""
    through: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    """Set when every outcome is on disk, or the batch is lost or abandoned."""


class Leases:
    """Renews the leases of the open batches."""

    def __init__(
        self, store: Store, *, lease_seconds: float, renewal_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._lease = lease_seconds
        self._every = renewal_seconds
        self._clock = clock
        self._open: dict[UUID, OpenBatch] = {}
        self.away = False
        """Whether Postgres did not answer the last renewal."""
        self.taken = 0
        """Batches so far."""
        self.lost = 0
        """Batches that were taken from us."""

    def __len__(self) -> int:
        return len(self._open)

    def open(self, batch_id: UUID, *, size: int, since: float) -> OpenBatch:
        """Holds a batch that was taken by a statement sent at `since` (monotonic)."""
        self.taken += 1
        batch = self._open[batch_id] = OpenBatch(batch_id, size, held_until=since + self._lease)
        return batch

    def closing(self, batch_ids: Iterable[UUID]) -> None:
        """Notes batches that a statement with their last outcome is about to delete: a renewal that misses one of them
        does not show that it was taken from us. Whether its outcomes still counted, that statement tells."""
        for batch_id in batch_ids:
            batch = self._open.get(batch_id)
            if batch is not None:
                batch.closing = True

    def close(self, batch_ids: Iterable[UUID]) -> None:
        """Stops holding batches whose last outcome is on disk."""
        for batch_id in batch_ids:
            batch = self._open.pop(batch_id, None)
            if batch is not None:
                batch.through.set()

    def abandon(self, batch: OpenBatch) -> None:
        """Renews a batch no more. What has no outcome when its lease runs out comes back with a recovery counted."""
        self._open.pop(batch.id, None)
        batch.through.set()

    def holds(self, batch: OpenBatch) -> bool:
        """Whether a message of this batch may be started now."""
        return batch.id in self._open and self._clock() < batch.held_until

    async def run(self) -> None:
        """Renews until cancelled."""
        while True:
            await asyncio.sleep(min(self._every, AGAIN_SECONDS) if self.away else self._every)
            try:
                await self.renew()
            except (*AWAY, asyncpg.PostgresError) as error:
                self.away = True
                log.warning("leases were not renewed", batches=len(self._open), error=describe(error))
            else:
                self.away = False

    async def renew(self) -> None:
        """Renews every lease once, in one statement."""
        if not self._open:
            if self.away:
                await self._store.ping()
            return
        sent = self._clock()
        asked = list(self._open)
        renewed = await self._store.batches.renew(asked)
        for batch_id in asked:
            batch = self._open.get(batch_id)
            if batch is None:
                continue
            if batch_id in renewed:
                batch.held_until = sent + self._lease
            elif not batch.closing:
                log.warning("lost a batch: its lease had run out", batch=str(batch_id), left=batch.left)
                self.lost += 1
                self.abandon(batch)
