"""What becomes of accounts that are enabled again or deleted: done in pieces by the producer that leads.

Everything here may be repeated; a crash leaves work for the next round.
"""

from datetime import timedelta
from typing import Final

import structlog

from producer.leader import Duty
from sql.deletions import SETTLED
from sql.store import Store
from tidings.domain.timestamps import utc_now

log = structlog.get_logger(__name__)

HOURLY: Final = 3600.0
DELETIONS_AT_ONCE: Final = 100
"""Of the open ones, the oldest first, in one round."""
REST: Final = 1.0
"""Erasing takes half of the time at the most, so that others get at the disk."""


class AccountMaintenance:
    """Ends what was begun with an account."""

    def __init__(self, store: Store, *, every: float, retention: timedelta, settled: timedelta = SETTLED) -> None:
        self._store = store
        self._retention = retention
        self._settled = settled
        self.duties = (
            Duty(name="enabled users", every=every, work=self.wake_enabled),
            Duty(name="deletions", every=every, work=self.delete, rest=REST),
            Duty(name="finished deletions", every=HOURLY, work=self.forget),
        )

    async def wake_enabled(self) -> None:
        """Makes due what waited for users who were enabled again."""
        if woken := await self._store.users.wake_enabled():
            log.info("messages of enabled users are due", messages=woken)

    async def delete(self) -> None:
        """Goes on with the deletions of accounts."""
        for deletion_id in await self._store.deletions.open(limit=DELETIONS_AT_ONCE):
            if await self._store.deletions.go_on(deletion_id, settled=self._settled):
                log.info("an account was deleted", deletion=str(deletion_id))

    async def forget(self) -> None:
        """Forgets what was finished as long ago as messages are kept."""
        await self._store.deletions.forget(utc_now() - self._retention)
