"""Keeps partitions ahead of need and drops what outlived its retention.

In play: the partitions of `messages` (by week) and `attempts` (by day), and `idempotency_keys`. Everything here may be
repeated; a crash leaves work for the next hour.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from sql.database import AWAY
from sql.store import Store
from tidings.domain.errors import describe
from tidings.domain.timestamps import utc_now

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(hours=1)
AHEAD: Final = timedelta(days=8)
"""Partitions that far ahead are there; a producer may be down for a week before the API has to make one itself."""
IDEMPOTENCY_KEY_LIFE: Final = timedelta(days=1)
AFTER_FAILURE_SECONDS: Final = 10.0


class Maintenance:
    """The housekeeping loop of a producer."""

    def __init__(self, store: Store, *, retention: timedelta, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._retention = retention
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Keeps house at once and every hour, until told to stop."""
        while not stop.is_set():
            pause = EVERY.total_seconds()
            try:
                await self.keep()
            except (*AWAY, asyncpg.PostgresError) as error:
                log.warning("housekeeping failed, and is tried again", error=describe(error))
                pause = AFTER_FAILURE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=pause)

    async def keep(self) -> None:
        """One round."""
        now = self._now()
        if made := await self._store.partitions.make(now - timedelta(days=1), now + AHEAD):
            log.info("partitions made", partitions=made)
        if dropped := await self._store.partitions.drop_outlived(now - self._retention):
            log.info("partitions dropped", partitions=dropped)
        await self._store.partitions.forget_idempotency_keys(now - IDEMPOTENCY_KEY_LIFE)
