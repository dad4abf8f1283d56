"""When a key was last used, recorded for many at once.

State: `_used`, the keys used since the last flush. A crash loses it: up to 10 s of last uses.
"""

import asyncio
from typing import Final
from uuid import UUID

import structlog

from sql.api_keys import ApiKeyStore
from sql.database import AWAY
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 10.0


class LastUse:
    """Collects used keys, and records them every few seconds."""

    def __init__(self, store: ApiKeyStore, *, every: float = FLUSH_SECONDS) -> None:
        self._store = store
        self._every = every
        self._used: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    def record(self, key_id: UUID) -> None:
        """The key was used now."""
        self._used.add(key_id)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def flush(self) -> None:
        """Records what was collected. Where Postgres is away that waits for the next time."""
        used = list(self._used)
        if not used:
            return
        try:
            await self._store.touch(used)
        except AWAY as error:
            log.warning("the use of API keys was not recorded", count=len(used), error=describe(error))
        else:
            self._used.difference_update(used)

    async def close(self) -> None:
        """Records the rest."""
        if self._task is not None:
            await cancel_and_wait(self._task)
            await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.flush()
