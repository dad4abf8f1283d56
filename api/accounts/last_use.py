"""When a key was last used, noted for many at once.

In play: `_used`, the keys used since the last note. A crash loses it, and with it a minute of that knowledge.
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

NOTE_SECONDS: Final = 10.0


class LastUse:
    """Takes note of used keys, and writes them down every few seconds."""

    def __init__(self, store: ApiKeyStore, *, every: float = NOTE_SECONDS) -> None:
        self._store = store
        self._every = every
        self._used: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    def note(self, key_id: UUID) -> None:
        """The key was used now."""
        self._used.add(key_id)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def flush(self) -> None:
        """Writes down what was noted. Where Postgres is away that waits for the next time."""
        used = list(self._used)
        if not used:
            return
        try:
            await self._store.touch(used)
        except AWAY as error:
            log.warning("the use of API keys was not noted", count=len(used), error=describe(error))
        else:
            self._used.difference_update(used)

    async def close(self) -> None:
        """Writes down the rest."""
        if self._task is not None:
            await cancel_and_wait(self._task)
            await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.flush()
