"""Keeps partitions ahead of need, drops what outlived its retention, and ends what has expired.

Everything here may be repeated; a crash leaves work for the next round.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from producer.leader import Duty
from sql.store import Store
from tidings.domain.timestamps import utc_now

log = structlog.get_logger(__name__)

HOURLY: Final = 3600.0
AHEAD: Final = timedelta(days=8)
"""Partitions that far ahead are there; a producer may be down for a week before the API has to make one itself."""
IDEMPOTENCY_KEY_LIFE: Final = timedelta(days=1)
EXPIRE_AT_ONCE: Final = 1000
RETENTION: Final = {
    "messages": "retention",
    "mail_parts": "retention of what belongs to mails",
    "attempts": "retention of attempts",
}
"""A duty for each table: a DETACH that waits for a reader holds up no other table."""


class Maintenance:
    """The housekeeping of a producer that leads."""

    def __init__(
        self,
        store: Store,
        *,
        retention: timedelta,
        audit_retention: timedelta,
        expire_every: float,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._retention = retention
        self._audit_retention = audit_retention
        self._now = now
        self.expired = 0
        """Messages that were cancelled because their time was over, so far."""
        self.duties = (
            Duty(name="partitions", every=HOURLY, work=self.make_partitions),
            *(
                Duty(name=name, every=HOURLY, work=partial(self.drop_outlived, table))
                for table, name in RETENTION.items()
            ),
            Duty(name="idempotency keys", every=HOURLY, work=self.forget_idempotency_keys),
            Duty(name="audit log", every=HOURLY, work=self.forget_audit),
            Duty(name="sessions", every=HOURLY, work=store.sessions.forget),
            Duty(name="expiry", every=expire_every, work=self.expire),
        )

    async def make_partitions(self) -> None:
        """Makes the partitions of the next days."""
        now = self._now()
        if made := await self._store.maintenance.make_partitions(now - timedelta(days=1), now + AHEAD):
            log.info("partitions made", partitions=made)

    async def drop_outlived(self, table: str) -> None:
        """Drops the partitions of a table that outlived the retention."""
        if dropped := await self._store.maintenance.drop_outlived(table, self._now() - self._retention):
            log.info("partitions dropped", partitions=dropped)

    async def forget_idempotency_keys(self) -> None:
        """Forgets keys after a day."""
        await self._store.maintenance.forget_idempotency_keys(self._now() - IDEMPOTENCY_KEY_LIFE)

    async def forget_audit(self) -> None:
        """Forgets the entries of the audit log that outlived its retention."""
        await self._store.audit.forget(self._now() - self._audit_retention)

    async def expire(self) -> None:
        """Cancels the waiting messages whose time is over, all of them."""
        over = EXPIRE_AT_ONCE
        while over == EXPIRE_AT_ONCE:
            over = await self._store.messages.expire(limit=EXPIRE_AT_ONCE)
            self.expired += over
