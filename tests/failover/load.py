"""A stream of messages that goes on while something breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.states import Status

EVERY_SECONDS: Final = 0.05
AT_ONCE: Final = 10
AT_FIRST: Final = 100


class Load:
    """Keeps `AT_ONCE` messages every `EVERY_SECONDS`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: list[UUID] = []
        self._some = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Inside the block, at whose start there are some already."""
        task = asyncio.create_task(self._run())
        try:
            await asyncio.wait_for(self._some.wait(), timeout=10)
            yield self
        finally:
            await cancel_and_wait(task)

    async def delivered(self, *, within: float) -> None:
        """Waits until all of them are sent."""

        async def all_sent() -> bool:
            found = [await self._store.messages.get(message_id) for message_id in self._ids]
            return all(message is not None and message.status is Status.SENT for message in found)

        await eventually(all_sent, within=within, every=0.1)

    async def _run(self) -> None:
        while True:
            self._ids += await keep(self._store, AT_ONCE)
            if len(self._ids) >= AT_FIRST:
                self._some.set()
            await asyncio.sleep(EVERY_SECONDS)
