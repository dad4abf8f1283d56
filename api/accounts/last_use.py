"""When a key or a session was last used, recorded for many at once.

State: `_used`, those used since the last flush. A crash loses it: up to 10 s of last uses.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from sql.database import AWAY
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 10.0


class Touched(Protocol):
    """A store that keeps when something was last used."""

    async def touch(self, ids: Sequence[UUID], /) -> None: ...


class LastUse:
    """Collects what was used, and records it every few seconds."""

    def __init__(self, store: Touched, *, every: float = FLUSH_SECONDS) -> None:
        self._store = store
        self._every = every
        self._used: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    def record(self, used_id: UUID) -> None:
        """It was used now."""
        self._used.add(used_id)
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
            log.warning("the last use of credentials was not recorded", count=len(used), error=describe(error))
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
